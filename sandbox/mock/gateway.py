r"""The doors below /mock/v1: check the caller, meet the fault, do the work, sign the answer.

1. A call is signed over ``{METHOD} {path}\n{body}``, so a signature opens one door only.
2. An answer is signed over ``{status}\n{body}`` under the call's own webhook-id, so it answers
   that call only. Who could not prove themselves gets an answer without a signature.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response

from sandbox.faults import HANG_MS, Fault, Faults
from sandbox.mock import words
from sandbox.mock.refusal import Refusal
from sandbox.mock.signing import Keys
from sandbox.silence import still_there_after
from sandbox.store import Store

AnyRequest = Request[Any, Any, Any]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation decides on; *number* is the one in the path."""

    number: str
    body: bytes
    now_ms: int
    is_held: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, after some silence if it *hangs*."""

    status: int = 200
    body: dict[str, Any]
    hangs: bool = False


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    attempt_no: str


Operation = Callable[[Call], Reply]
_REFUSED_BY_FAULT = {
    "error_500": (500, "SYSTEM_ERROR"),
    "rate_limited": (429, "FREQUENCY_LIMITED"),
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
        content = f"{request.method} {request.url.path}\n".encode() + body
        if not self._keys.accepts(request.headers, content, time.time()):
            refusal = Refusal(401, "BAD_SIGNATURE", "the call is not signed as it should be")
            return _response(refusal.status, msgspec.json.encode(refusal.body), {})
        subject = self._count(request, operation, body)
        fault = self._faults.take(words.NAME, operation, subject)
        if fault and fault.mode in _REFUSED_BY_FAULT:
            status, code = _REFUSED_BY_FAULT[fault.mode]
            return _response(status, msgspec.json.encode({"code": code}), {})
        if not await self._still_wanted(request, fault):
            return _response(408, b"", {})
        reply = _perform(perform, _call(request, body, fault))
        response = self._signed(request, reply, fault)
        await self._stay_silent(request, reply, fault)
        return response

    async def _still_wanted(self, request: AnyRequest, fault: Fault | None) -> bool:
        if fault is None or fault.mode != "hang_before":
            return True
        return await still_there_after(request, fault.hang_seconds)

    def _count(self, request: AnyRequest, operation: str, body: bytes) -> str | None:
        number = request.path_params.get("number")
        if operation == "query_refund":
            refund = self._store.refund(words.NAME, number or "")
            number = refund.out_trade_no if refund else None
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            number = number or msgspec.json.decode(body, type=_Named).attempt_no
        if number:
            self._store.count_call(number, operation)
        return number

    def _signed(self, request: AnyRequest, reply: Reply, fault: Fault | None) -> Response[bytes]:
        encoded = msgspec.json.encode(reply.body)
        headers = self._keys.headers(
            request.headers["webhook-id"],
            int(time.time()),
            f"{reply.status}\n".encode() + encoded,
            is_spoilt=fault is not None and fault.mode in {"bad_signature", "signtest"},
        )
        return _response(reply.status, encoded, headers)

    async def _stay_silent(self, request: AnyRequest, reply: Reply, fault: Fault | None) -> None:
        if fault and fault.mode == "timeout_after":
            await still_there_after(request, fault.hang_seconds)
        elif reply.hangs:
            await still_there_after(request, HANG_MS / 1000)


def _call(request: AnyRequest, body: bytes, fault: Fault | None) -> Call:
    is_held = fault is not None and fault.mode == "hold"
    number = request.path_params.get("number", "")
    return Call(number=number, body=body, now_ms=_now_ms(), is_held=is_held)


def _perform(perform: Operation, call: Call) -> Reply:
    try:
        return perform(call)
    except Refusal as refusal:
        return Reply(status=refusal.status, body=refusal.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Reply(status=400, body={"code": "INVALID_REQUEST", "message": str(error)})


def _response(status: int, body: bytes, headers: dict[str, str]) -> Response[bytes]:
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
