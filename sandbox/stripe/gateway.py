"""The doors below /stripe/v1: check the key, meet the fault, hear it once, do the work.

1. A call is known by its secret key; a payer's browser by a publishable one, at the doors of
   Stripe.js only.
2. What a POST under an idempotency key was answered once it had begun is answered again for a
   day, with ``Idempotent-Replayed``; other words under it are refused, and so is a second call
   while the first is being answered.

Source: Stripe API, "Authentication"; "Idempotent requests"; "Errors", read 2026-11.
"""

import base64
import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from litestar import Request, Response

from sandbox.faults import Fault, Faults
from sandbox.records import Reply as KeptReply
from sandbox.settings import SandboxSettings, StripeSettings
from sandbox.silence import still_there_after
from sandbox.store import Store
from sandbox.stripe import words
from sandbox.stripe.call import Call, Reply
from sandbox.stripe.forms import read_form
from sandbox.stripe.refusal import Refusal, key_in_use, other_words, unauthorized

AnyRequest = Request[Any, Any, Any]
Operation = Callable[[Call], Reply]
_KEY_LENGTH, _DAY_SECONDS, _OK = 255, 24 * 3600, 200
_REFUSED_BY_FAULT = {
    "error_500": (500, "api_error", "Something went wrong on Stripe's end."),
    "rate_limited": (429, "rate_limit_error", "Too many requests."),
}
_PAGE_FOR_PEOPLE = b"<!doctype html><title>Stripe</title>"


class Gateway:
    """Answers every call in the same order of steps."""

    def __init__(
        self, *, store: Store, settings: SandboxSettings, own: StripeSettings, faults: Faults
    ) -> None:
        self._store = store
        self._settings = settings
        self._own = own
        self._faults = faults
        self._in_use: set[str] = set()

    async def answer(
        self, request: AnyRequest, operation: str, perform: Operation, *, of_browsers: bool = False
    ) -> Response[bytes]:
        """Run one operation for a caller who has a key."""
        text = (await request.body()).decode("utf-8", "replace")
        fault: Fault | None = None
        try:
            call = self._call(request, text, of_browsers=of_browsers)
            subject = self._count(call, operation)
            fault = self._faults.take(words.NAME, operation, subject)
            with self._using(request) as key:
                if not await _meet(fault, request):
                    return Response(b"", status_code=408)
                done = _broken(perform) if fault and fault.mode == "kept_500" else perform
                response = self._performed(request, key, text, done, _at(call, fault))
        except Refusal as refusal:
            response = _response(refusal.status, msgspec.json.encode(refusal.body))
        if fault and fault.mode in {"bad_signature", "signtest"}:
            response = Response(_PAGE_FOR_PEOPLE, status_code=_OK, media_type="text/html")
        if fault and fault.mode == "timeout_after":
            await still_there_after(request, fault.hang_seconds)
        return response

    def _performed(
        self, request: AnyRequest, key: str | None, text: str, perform: Operation, call: Call
    ) -> Response[bytes]:
        fingerprint = hashlib.sha256(f"{request.url.path}\n{text}".encode()).hexdigest()
        kept = None if key is None else self._kept(key, call.now_ms)
        if kept is not None:
            if kept.fingerprint != fingerprint:
                raise other_words()
            return _response(kept.status, kept.body, {"Idempotent-Replayed": "true"})
        status, body, is_kept = _done(perform, call)
        if key is not None and is_kept:
            self._store.add_reply(
                KeptReply(
                    provider=words.NAME,
                    key=key,
                    fingerprint=fingerprint,
                    status=status,
                    body=body,
                    at_ms=call.now_ms,
                )
            )
        return _response(status, body)

    def _kept(self, key: str, now_ms: int) -> KeptReply | None:
        kept = self._store.reply(words.NAME, key)
        oldest_ms = now_ms - self._settings.scaled_ms(_DAY_SECONDS)
        return None if kept is None or kept.at_ms < oldest_ms else kept

    @contextlib.contextmanager
    def _using(self, request: AnyRequest) -> Iterator[str | None]:
        key = request.headers.get("Idempotency-Key")
        if key is None or request.method != "POST":
            yield None
            return
        if not 0 < len(key) <= _KEY_LENGTH:
            raise Refusal(400, None, "The idempotency key is too long.", kind="idempotency_error")
        if key in self._in_use:
            raise key_in_use()
        self._in_use.add(key)
        try:
            yield key
        finally:
            self._in_use.discard(key)

    def _call(self, request: AnyRequest, text: str, *, of_browsers: bool) -> Call:
        query = request.scope["query_string"].decode()
        said = read_form(text if request.method == "POST" else query)
        key = _key_of(request) or str(said.pop("key", ""))
        is_public = key.startswith("pk_test_")
        if not (secrets.compare_digest(key.encode(), self._own.secret_key.encode()) or is_public):
            raise unauthorized()
        if is_public and not of_browsers:
            raise Refusal(403, None, "This API call cannot be made with a publishable API key.")
        return Call(
            number=request.path_params.get("number", ""),
            words=said,
            now_ms=_now_ms(),
            base_url=str(request.base_url).rstrip("/"),
            is_public=is_public,
        )

    def _count(self, call: Call, operation: str) -> str | None:
        number = call.number or str(call.words.get("payment_intent", ""))
        txn = number.replace("cs_test_", "pi_", 1)
        trade = self._store.trade_of_txn(words.NAME, txn)
        metadata = call.words.get("metadata")
        named = metadata.get("attempt_no") if isinstance(metadata, dict) else None
        subject = trade.out_trade_no if trade else named
        if not isinstance(subject, str) or not subject:
            return None
        self._store.count_call(subject, operation)
        return subject


async def _meet(fault: Fault | None, request: AnyRequest) -> bool:
    """Return False when the caller hung up before anything was done."""
    if fault and fault.mode in _REFUSED_BY_FAULT:
        status, kind, message = _REFUSED_BY_FAULT[fault.mode]
        raise Refusal(status, None, message, kind=kind)
    if fault and fault.mode == "hang_before":
        return await still_there_after(request, fault.hang_seconds)
    return True


def _broken(perform: Operation) -> Operation:
    def broken(call: Call) -> Reply:
        perform(call)
        status, kind, message = _REFUSED_BY_FAULT["error_500"]
        raise Refusal(status, None, message, kind=kind, is_kept=True)

    return broken


def _at(call: Call, fault: Fault | None) -> Call:
    is_held = fault is not None and fault.mode == "hold"
    return msgspec.structs.replace(call, now_ms=_now_ms(), is_held=is_held)


def _done(perform: Operation, call: Call) -> tuple[int, bytes, bool]:
    try:
        reply = perform(call)
    except Refusal as refusal:
        return refusal.status, msgspec.json.encode(refusal.body), refusal.is_kept
    return reply.status, msgspec.json.encode(reply.body), True


def _key_of(request: AnyRequest) -> str | None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer":
        return given
    if scheme == "Basic":
        with contextlib.suppress(ValueError):
            return base64.b64decode(given, validate=True).decode().partition(":")[0]
    return None


def _response(status: int, body: bytes, headers: dict[str, str] | None = None) -> Response[bytes]:
    # Stripe keeps what went wrong at its end, so that a repeat would only hear it again.
    more = {"Stripe-Should-Retry": "false"} if status // 100 == 5 else {}  # noqa: PLR2004
    told = {"Request-Id": f"req_{secrets.token_hex(7)}", "Stripe-Version": "2026-10-28.endive"}
    return Response(
        body,
        status_code=status,
        media_type="application/json",
        headers=told | more | (headers or {}),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
