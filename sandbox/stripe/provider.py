"""Stripe put together: its doors, its page, and what the control API can make happen at it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from sandbox.alarm import Alarm
from sandbox.faults import Faults
from sandbox.provider import Conflict, Envelope, RefundOutcome
from sandbox.records import Notice, Refund, Trade, Wish
from sandbox.settings import SandboxSettings, StripeSettings
from sandbox.store import Store
from sandbox.stripe import events, words
from sandbox.stripe.forms import read_form
from sandbox.stripe.gateway import AnyRequest, Gateway, Operation
from sandbox.stripe.pages import checkout_page, success_url
from sandbox.stripe.payments import Payments
from sandbox.stripe.refunds import Refunds
from sandbox.stripe.refusal import Refusal
from sandbox.stripe.signing import Keys

_DECLINED = "4000000000000002"


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the old secret goes on signing beside the new one, as Stripe offers."""

    overlap: bool = True


class Stripe:
    """One account at Stripe."""

    name = words.NAME
    operations = frozenset(
        {"open", "query", "close", "refund", "query_refund", "search", "confirm", "notice"}
    )
    resend_seconds = events.RESEND_SECONDS

    def __init__(
        self,
        *,
        store: Store,
        settings: SandboxSettings,
        own: StripeSettings,
        faults: Faults,
        alarm: Alarm,
    ) -> None:
        self._alarm = alarm
        self._keys = Keys(own.webhook_secret)
        self._events = events.Events(store=store, own=own, keys=self._keys)
        self._gateway = Gateway(store=store, settings=settings, own=own, faults=faults)
        self._payments = Payments(store=store, settings=settings, events=self._events)
        self._refunds = Refunds(
            store=store,
            settings=settings,
            payments=self._payments,
            events=self._events,
            alarm=alarm,
        )

    def routes(self) -> Sequence[Router]:
        """Answer below /stripe/v1, show the page, and rotate the endpoint's secret."""
        payments, refunds = self._payments, self._refunds
        sessions, intents = "/v1/checkout/sessions", "/v1/payment_intents"
        one_intent, one_session = f"{intents}/{{number:str}}", f"{sessions}/{{number:str}}"
        doors = [
            self._door(post(intents), "open", payments.open_intent),
            self._door(get(f"{intents}/search"), "search", payments.search),
            self._door(get(one_intent), "query", payments.intent, of_browsers=True),
            self._door(
                post(f"{one_intent}/confirm"), "confirm", payments.confirm, of_browsers=True
            ),
            self._door(post(f"{one_intent}/cancel"), "close", payments.cancel),
            self._door(post(sessions), "open", payments.open_session),
            self._door(get(sessions), "search", payments.sessions),
            self._door(get(one_session), "query", payments.session),
            self._door(post(f"{one_session}/expire"), "close", payments.expire),
            self._door(post("/v1/refunds"), "refund", refunds.create),
            self._door(get("/v1/refunds"), "query_refund", refunds.list),
            self._door(get("/v1/refunds/{number:str}"), "query_refund", refunds.one),
        ]
        keys = Router(f"/control/keys/{words.NAME}", route_handlers=[self._rotation()])
        return [Router("/stripe", route_handlers=[*doors, *self._page()]), keys]

    def rotate(self, *, overlap: bool = True) -> dict[str, str]:
        """Sign with a new secret from now on, and hand it out."""
        return {"secret": self._keys.rotate(overlap=overlap)}

    def pay(self, trade: Trade, wish: Wish) -> str:
        """Be the payer; what is paid is told of again under the same id.

        :raises Conflict: canceled, or too late.
        """
        return self._payments.pay(trade, wish, _now_ms())

    def fail(self, trade: Trade, wish: Wish) -> str:
        """Be a payer whose card is declined; another card may still pay.

        :raises Conflict: paid or canceled.
        """
        return self._payments.fail(trade, wish, _now_ms())

    def close(self, trade: Trade, wish: Wish) -> str:  # noqa: ARG002
        """Cancel an unpaid intent or expire its session, and tell so.

        :raises Conflict: paid.
        """
        return self._payments.end(trade, _now_ms())

    def settle_refund(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a refund to its end; abnormal is ``requires_action``.

        :raises Conflict: that end cannot follow.
        """
        return self._refunds.settle(refund, outcome)

    def console_refund(
        self,
        trade: Trade,
        amount_minor: int,
        *,
        signed: bool,  # noqa: ARG002 - Stripe tells of every refund alike
        days_ago: int = 0,
    ) -> Refund:
        """Refund in the dashboard, without a number of the merchant's.

        :raises Conflict: unpaid, or not that much left.
        """
        return self._refunds.console(trade, amount_minor, days_ago=days_ago)

    def crafted(
        self, trade: Trade, kind: str, overrides: Mapping[str, object]
    ) -> tuple[str, str, Envelope]:
        """Make one event of type *kind* with chosen faults, whatever the payment's state.

        A ``charge.dispute.*`` is about a dispute of the whole payment.

        :raises msgspec.ValidationError: an unknown override.
        """
        event_type = events.PAID if kind == "success" else kind
        wanted = msgspec.convert(overrides, events.Overrides)
        return self._events.crafted(event_type, self._object_of(trade, event_type), wanted)

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy afresh."""
        return self._events.seal(notice, flaw)

    def accepted(self, status: int, body: bytes) -> bool:  # noqa: ARG002
        """Take every 2xx for heard."""
        return status // 100 == 2  # noqa: PLR2004 - a class of HTTP status

    def _object_of(self, trade: Trade, event_type: str) -> dict[str, Any]:
        shown = trade
        if event_type in {events.PAID, events.COMPLETED} and trade.status != words.SUCCEEDED:
            shown = words.with_detail(
                trade,
                status=words.SUCCEEDED,
                paid_minor=trade.amount_minor,
                paid_at=int(time.time()),
            )
        if event_type.startswith("charge.dispute."):
            return words.dispute(shown)
        if event_type.startswith("checkout.session.") and words.is_session(shown):
            return words.session(shown, "")
        if event_type.startswith("charge."):
            return words.charge(shown, self._payments.gone_minor(shown))
        return words.intent(shown)

    def _door(
        self,
        handler: HTTPRouteHandler,
        operation: str,
        perform: Operation,
        *,
        of_browsers: bool = False,
    ) -> HTTPRouteHandler:
        async def door(request: AnyRequest) -> Response[Any]:
            answer = await self._gateway.answer(
                request, operation, perform, of_browsers=of_browsers
            )
            self._alarm.ring()
            return answer

        return handler(door)

    def _page(self) -> list[HTTPRouteHandler]:
        @get("/checkout/{number:str}", media_type="text/html")
        async def show_checkout(number: str) -> Response[str]:
            try:
                trade = self._payments.page_of(number, _now_ms())
            except Refusal:
                return Response("Something went wrong", status_code=404, media_type="text/html")
            return Response(checkout_page(trade), media_type="text/html")

        @post("/checkout/{number:str}", status_code=200)
        async def pay_checkout(request: AnyRequest, number: str) -> Response[Any]:
            return self._paid_on_page(number, (await request.body()).decode("utf-8", "replace"))

        return [show_checkout, pay_checkout]

    def _paid_on_page(self, number: str, text: str) -> Response[Any]:
        try:
            trade = self._payments.page_of(number, _now_ms())
        except Refusal:
            return Response("Something went wrong", status_code=404, media_type="text/html")
        card = str(read_form(text).get("card", "")).replace(" ", "")
        try:
            if card == _DECLINED:
                self._payments.fail(trade, Wish(), _now_ms())
                failed = self._payments.page_of(number, _now_ms())
                page = checkout_page(failed, declined=True)
                return Response(page, status_code=402, media_type="text/html")
            if trade.status != words.SUCCEEDED:
                self._payments.pay(trade, Wish(), _now_ms())
        except Conflict:
            return Response(checkout_page(trade), status_code=409, media_type="text/html")
        finally:
            self._alarm.ring()
        return Redirect(success_url(trade), status_code=303)

    def _rotation(self) -> HTTPRouteHandler:
        @post("/rotate", status_code=200)
        async def rotate(request: AnyRequest) -> dict[str, str]:
            wanted = msgspec.json.decode(await request.body() or b"{}", type=Rotation)
            return self.rotate(overlap=wanted.overlap)

        return rotate


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
