"""The gateway's doors: check the caller, meet the fault, do the work, sign the answer.

Only 2xx answers are signed, and of those no files. They are signed under the public key's id when
the caller named it in Wechatpay-Serial, else under the platform certificate's serial; the key is
the same.

Source: WeChat Pay v3, basic rules and signature verification, read 2026-11.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response

from sandbox.faults import Fault, Faults
from sandbox.settings import SandboxSettings
from sandbox.silence import still_there_after
from sandbox.store import Store
from sandbox.wechatpay import wire
from sandbox.wechatpay.authorization import SignedRequest, authorize
from sandbox.wechatpay.call import Call, Reply
from sandbox.wechatpay.keys import Keys
from sandbox.wechatpay.refusal import Refusal, unlawful

AnyRequest = Request[Any, Any, Any]
Operation = Callable[[Call], Reply]
_REFUSED_BY_FAULT = {
    "error_500": (500, "SYSTEM_ERROR", "系统异常"),
    "rate_limited": (429, "FREQUENCY_LIMITED", "频率超限"),
}


class Gateway:
    """Answers every call of the merchant in the same order of steps."""

    def __init__(
        self, *, store: Store, settings: SandboxSettings, keys: Keys, faults: Faults
    ) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys
        self._faults = faults

    async def answer(
        self, request: AnyRequest, operation: str, perform: Operation
    ) -> Response[bytes]:
        """Run one operation for a caller who proved who they are."""
        body = await request.body()
        fault: Fault | None = None
        try:
            serial = self._admit(request, body)
            subject = self._count(call := _read(request, body), operation)
            fault = self._faults.take(wire.NAME, operation, subject)
            if not await self._meet(fault, request):
                return Response(b"", status_code=408)
            reply = perform(msgspec.structs.replace(call, now_ms=_now_ms(), fault=fault))
        except Refusal as refusal:
            response = _response(refusal.status, msgspec.json.encode(refusal.body()), {})
        else:
            response = self._signed(reply, serial, fault)
        if fault and fault.mode == "timeout_after":
            await still_there_after(request, fault.hang_seconds)
        return response

    def certificates(self, _call: Call) -> Reply:
        """Hand out the platform certificate, sealed for the merchant."""
        certificate = self._keys.certificate
        item = {
            "serial_no": self._keys.certificate_serial,
            "effective_time": wire.china_time(_ms(certificate.not_valid_before_utc.timestamp())),
            "expire_time": wire.china_time(_ms(certificate.not_valid_after_utc.timestamp())),
            "encrypt_certificate": self._keys.seal(
                self._keys.certificate_pem.encode(), "certificate"
            ),
        }
        return Reply(body={"data": [item]})

    def _admit(self, request: AnyRequest, body: bytes) -> str:
        query = request.scope["query_string"]
        target = request.scope["raw_path"] + (b"?" + query if query else b"")
        signed = SignedRequest(
            method=request.method,
            target=target.decode("latin-1"),
            body=body,
            headers=request.headers,
        )
        authorize(signed, settings=self._settings.wechat, keys=self._keys, now_seconds=time.time())
        wanted = request.headers.get("Wechatpay-Serial", self._keys.certificate_serial)
        if wanted not in self._keys.names:
            raise unlawful("平台证书序列号Wechatpay-Serial错误")
        return wanted

    async def _meet(self, fault: Fault | None, request: AnyRequest) -> bool:
        """Return False when the caller hung up before anything was done."""
        if fault and fault.mode in _REFUSED_BY_FAULT:
            raise Refusal(*_REFUSED_BY_FAULT[fault.mode])
        if fault and fault.mode == "hang_before":
            return await still_there_after(request, fault.hang_seconds)
        return True

    def _signed(self, reply: Reply, serial: str, fault: Fault | None) -> Response[bytes]:
        if reply.file is not None:
            return Response(reply.file, media_type="text/plain; charset=utf-8")
        body = b"" if reply.body is None else msgspec.json.encode(reply.body)
        flaw = fault.mode if fault else None
        headers = self._keys.signed_headers(body, serial=serial, flaw=flaw)
        return _response(reply.status, body, headers)

    def _count(self, call: Call, operation: str) -> str | None:
        out_trade_no = self._subject(call, operation)
        if out_trade_no:
            self._store.count_call(out_trade_no, operation)
        return out_trade_no

    def _subject(self, call: Call, operation: str) -> str | None:
        if operation == "query_refund":
            refund = self._store.refund(wire.NAME, call.number)
            return refund.out_trade_no if refund else None
        named = call.payload if isinstance(call.payload, dict) else {}
        number = named.get("out_trade_no") or call.number
        txn = named.get("transaction_id") or call.number
        trade = self._store.trade_of_txn(wire.NAME, txn) if isinstance(txn, str) else None
        if trade is not None:
            return trade.out_trade_no
        return number if isinstance(number, str) else None


def _read(request: AnyRequest, body: bytes) -> Call:
    try:
        payload = msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unlawful("http body is not JSON") from error
    return Call(
        number=request.path_params.get("number", ""),
        query=dict(request.query_params),
        payload=payload,
        now_ms=_now_ms(),
    )


def _response(status: int, body: bytes, headers: dict[str, str]) -> Response[bytes]:
    return Response(
        body,
        status_code=status,
        media_type="application/json; charset=utf-8",
        headers=headers | {"Request-ID": secrets.token_hex(16)},
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
