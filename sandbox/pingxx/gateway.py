"""The doors below /pingxx/v1: check the caller, meet the fault, do the work.

Answers are not signed. A number that only the body or the object knows is found for the counts.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response

from sandbox.faults import Fault, Faults
from sandbox.pingxx import words
from sandbox.pingxx.keys import Keys
from sandbox.pingxx.refusal import Refusal, invalid
from sandbox.silence import still_there_after
from sandbox.store import Store

AnyRequest = Request[Any, Any, Any]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation decides on; the ids are those in the path."""

    charge_id: str
    refund_id: str
    query: dict[str, str]
    body: bytes
    now_ms: int
    is_held: bool = False


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    order_no: str


Operation = Callable[[Call], dict[str, Any]]
_PAGE_FOR_PEOPLE = b"<!doctype html><title>Ping++</title>"
_FAULTS = {
    "error_500": Refusal(500, "api_error", "Ping++ 服务器出现的异常错误"),
    "rate_limited": Refusal(403, "rate_limit_error", "请求过于频繁"),
}


class Gateway:
    """Answers every call of the merchant in the same order of steps."""

    def __init__(self, *, store: Store, keys: Keys, faults: Faults) -> None:
        self._store = store
        self._keys = keys
        self._faults = faults

    async def answer(
        self, request: AnyRequest, operation: str, perform: Operation
    ) -> Response[bytes]:
        """Run one operation for a caller who proved who they are."""
        body = await request.body()
        try:
            self._keys.admit(request.headers, body, _target(request))
        except Refusal as refusal:
            return _response(refusal.status, refusal.body)
        subject = self._count(request, operation, body)
        fault = self._faults.take(words.NAME, operation, subject)
        if fault and fault.mode in _FAULTS:
            return _response(_FAULTS[fault.mode].status, _FAULTS[fault.mode].body)
        if not await self._still_wanted(request, fault):
            return Response(b"", status_code=408)
        response = _perform(perform, _call(request, body, fault))
        if fault and fault.mode in {"bad_signature", "signtest"}:
            response = Response(_PAGE_FOR_PEOPLE, status_code=200, media_type="text/html")
        if fault and fault.mode == "timeout_after":
            await still_there_after(request, fault.hang_seconds)
        return response

    async def _still_wanted(self, request: AnyRequest, fault: Fault | None) -> bool:
        if fault is None or fault.mode != "hang_before":
            return True
        return await still_there_after(request, fault.hang_seconds)

    def _count(self, request: AnyRequest, operation: str, body: bytes) -> str | None:
        charge_id = request.path_params.get("charge_id")
        trade = self._store.trade_of_txn(words.NAME, charge_id) if charge_id else None
        number = None if trade is None else trade.out_trade_no
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            number = number or msgspec.json.decode(body, type=_Named).order_no
        if number:
            self._store.count_call(number, operation)
        return number


def _target(request: AnyRequest) -> bytes:
    query: bytes = request.scope["query_string"]
    path: bytes = request.scope["raw_path"]
    return path + (b"?" + query if query else b"")


def _call(request: AnyRequest, body: bytes, fault: Fault | None) -> Call:
    return Call(
        charge_id=request.path_params.get("charge_id", ""),
        refund_id=request.path_params.get("refund_id", ""),
        query=dict(request.query_params),
        body=body,
        now_ms=time.time_ns() // 1_000_000,
        is_held=fault is not None and fault.mode == "hold",
    )


def _perform(perform: Operation, call: Call) -> Response[bytes]:
    try:
        return _response(200, perform(call))
    except Refusal as refusal:
        return _response(refusal.status, refusal.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        unclear = invalid(str(error))
        return _response(unclear.status, unclear.body)


def _response(status: int, body: dict[str, Any]) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json; charset=utf-8",
    )
