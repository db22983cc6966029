"""The gateway's one door: check the caller, meet the fault, do the work, sign the answer.

1. An answer is JSON whose ``*_response`` value is signed byte for byte, slashes escaped.
2. Whoever cannot say which app they are gets an ``error_response`` that nobody signed.

Source: Alipay Open Platform, calls of the gateway and public error codes, read 2026-11.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response

from sandbox.alipay import words
from sandbox.alipay.keys import Keys
from sandbox.alipay.parameters import NamedTrade, check_common
from sandbox.alipay.refusal import Refusal
from sandbox.faults import Fault, Faults
from sandbox.settings import AlipaySettings
from sandbox.silence import still_there_after
from sandbox.store import Store

AnyRequest = Request[Any, Any, Any]
_REFUSED_BY_FAULT = {
    "error_500": ("20000", "isp.unknow-error", "系统繁忙"),
    "rate_limited": ("40005", "isv.app-call-limited", "应用调用次数超限"),
}
_SPOILT = frozenset({"bad_signature", "signtest"})


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation decides on."""

    parameters: dict[str, str]
    now_ms: int
    is_held: bool = False


Operation = Callable[[Call], dict[str, Any]]
Reply = dict[str, Any] | Refusal


class Gateway:
    """Answers every call of the merchant in the same order of steps."""

    def __init__(
        self, *, store: Store, settings: AlipaySettings, keys: Keys, faults: Faults
    ) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys
        self._faults = faults

    async def answer(
        self,
        request: AnyRequest,
        parameters: dict[str, str],
        operations: Mapping[str, tuple[str, Operation]],
    ) -> Response[bytes]:
        """Run one operation for a caller who proved who they are."""
        method = parameters.get("method", "")
        try:
            operation, perform = self._admitted(parameters, operations)
            subject = self._count(parameters, operation)
        except Refusal as refusal:
            return self._answered(method, refusal, None)
        fault = self._faults.take(words.NAME, operation, subject)
        if fault and fault.mode == "hang_before":
            still_there = await still_there_after(request, fault.hang_seconds)
            if not still_there:
                return Response(b"", status_code=408)
        try:
            reply: Reply = _performed(perform, _call(parameters, fault), fault)
        except Refusal as refusal:
            reply = refusal
        response = self._answered(method, reply, fault)
        if fault and fault.mode == "timeout_after":
            await still_there_after(request, fault.hang_seconds)
        return response

    def admit(self, parameters: Mapping[str, str]) -> None:
        """Refuse whoever is not the merchant.

        :raises Refusal: in Alipay's words.
        """
        self._require_app(parameters)
        if parameters.get("sign_type") != "RSA2":
            raise Refusal("40002", "isv.invalid-signature-type", "签名类型无效")
        if not self._keys.is_merchants(parameters):
            raise Refusal("40002", "isv.invalid-signature", "验签出错")
        check_common(parameters)

    def _admitted(
        self, parameters: Mapping[str, str], operations: Mapping[str, tuple[str, Operation]]
    ) -> tuple[str, Operation]:
        self._require_app(parameters)
        found = operations.get(parameters.get("method", ""))
        if found is None:
            raise Refusal("40002", "isv.invalid-method", "不存在的方法名", is_signed=False)
        self.admit(parameters)
        return found

    def _require_app(self, parameters: Mapping[str, str]) -> None:
        if parameters.get("app_id") != self._settings.app_id:
            raise Refusal("40002", "isv.invalid-app-id", "无效的AppID参数", is_signed=False)

    def _answered(self, method: str, reply: Reply, fault: Fault | None) -> Response[bytes]:
        if isinstance(reply, Refusal):
            if not reply.is_signed:
                return _response(b'{"error_response":' + _encoded(reply.body) + b"}")
            reply = reply.body
        content = _encoded(reply)
        is_spoilt = fault is not None and fault.mode in _SPOILT
        signature = self._keys.sign(content, "foreign" if is_spoilt else "new")
        name = f"{method.replace('.', '_')}_response"
        return _response(b'{"%b":%b,"sign":"%b"}' % (name.encode(), content, signature.encode()))

    def _count(self, parameters: Mapping[str, str], operation: str) -> str | None:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeError):
            named = msgspec.json.decode(parameters.get("biz_content", ""), type=NamedTrade)
            if named.out_trade_no:
                self._store.count_call(named.out_trade_no, operation)
                return named.out_trade_no
        return None


async def parameters_of(request: AnyRequest) -> dict[str, str]:
    """Read a call's parameters, from its address and its form."""
    try:
        form = (await request.body()).decode()
        address = request.scope["query_string"].decode()
        pairs = [
            pair
            for text in (address, form)
            for pair in parse_qsl(text, keep_blank_values=True, errors="strict")
        ]
    except UnicodeDecodeError:
        return {}
    return dict(pairs)


def _performed(perform: Operation, call: Call, fault: Fault | None) -> dict[str, Any]:
    if fault and fault.mode in _REFUSED_BY_FAULT:
        raise Refusal(*_REFUSED_BY_FAULT[fault.mode])
    return {"code": "10000", "msg": "Success"} | perform(call)


def _call(parameters: dict[str, str], fault: Fault | None) -> Call:
    is_held = fault is not None and fault.mode == "hold"
    return Call(parameters=parameters, now_ms=time.time_ns() // 1_000_000, is_held=is_held)


def _encoded(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body).replace(b"/", rb"\/")


def _response(body: bytes) -> Response[bytes]:
    return Response(body, status_code=200, media_type="text/html; charset=utf-8")
