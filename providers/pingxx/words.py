"""What Ping++ writes, as far as we read it, and how it becomes our facts.

Source: Ping++ API, Charges and Refunds, the objects and their examples, read 2026-11.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from contracts.attempt import Opened, SignedCall
from contracts.facts import FactSource, PaymentSucceeded, RefundMoved, RefundOutcome
from contracts.money import Money
from contracts.states import Channel
from providers.pingxx.errors import PROVIDER

CURRENCY: Final = "cny"
_CHARGE_ID = r"\Ach_[0-9A-Za-z]{1,64}\Z"
_REFUND_ID = r"\Are_[0-9A-Za-z]{1,64}\Z"
# Of a refund that failed: nothing moved, and the next try needs a new number. Of any other failure
# Ping++ does not say so much, and a person must look before money moves a second time.
_NOTHING_MOVED: Final = frozenset({"refund_refused", "refund_retry"})
_SIGNED_CALLS: Final = frozenset({Channel.WX_PUB, Channel.WX_LITE})

ChargeId = Annotated[str, msgspec.Meta(pattern=_CHARGE_ID)]
RefundId = Annotated[str, msgspec.Meta(pattern=_REFUND_ID)]
Number = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_\-]{1,64}\Z")]
Fen = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
# The last day whose hours every time zone can show.
Seconds = Annotated[int, msgspec.Meta(ge=0, le=253402214400)]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class App(msgspec.Struct, frozen=True, kw_only=True):
    """An app where Ping++ was asked to write it out."""

    id: Number


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One try to collect an amount under a merchant's number; there may be several of a number."""

    id: ChargeId
    object: Literal["charge"]
    livemode: bool
    paid: bool
    app: Number | App
    channel: Number
    order_no: Number
    amount: Fen
    currency: Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{3}\Z")]
    reversed: bool = False
    created: Seconds | None = None
    time_expire: Seconds | None = None
    time_paid: Seconds | None = None
    credential: dict[str, Any] | list[Any] | None = None

    @property
    def app_id(self) -> str:
        """The app it was made for."""
        return self.app.id if isinstance(self.app, App) else self.app

    @property
    def money(self) -> Money:
        """What it collects."""
        return Money(amount_minor=self.amount, currency=self.currency.upper())

    def merchant_id(self, *, is_live: bool) -> str:
        """Name whose money it moves: play money beside a live key is somebody else's."""
        if self.livemode == is_live:
            return self.app_id
        return f"{self.app_id}:{'live' if self.livemode else 'test'}"

    def fact(self, source: FactSource, *, is_live: bool, told_at: datetime) -> PaymentSucceeded:
        """Say in our words that it was paid, *told_at* unless it says when."""
        paid_at = told_at if self.time_paid is None else datetime.fromtimestamp(self.time_paid, UTC)
        return PaymentSucceeded(
            provider=PROVIDER,
            attempt_no=self.order_no,
            provider_txn_id=self.id,
            paid=self.money,
            merchant_id=self.merchant_id(is_live=is_live),
            appid=self.app_id,
            paid_at=paid_at,
            source=source,
        )

    def opened(self, channel: Channel) -> Opened | None:
        """Say what its payer needs; None where it does not carry that (any more)."""
        given = self.credential.get(channel.value) if isinstance(self.credential, dict) else None
        try:
            if channel in _SIGNED_CALLS:
                call = msgspec.convert(given, _JsApiCall).signed_call()
                return Opened(reference=self.id, signed_call=call)
            return Opened(reference=self.id, code_url=msgspec.convert(given, _Text))
        except (msgspec.ValidationError, RecursionError):
            return None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money of one charge on its way back."""

    id: RefundId
    object: Literal["refund"]
    amount: Fen
    status: Literal["pending", "succeeded", "failed"]
    charge: ChargeId
    charge_order_no: Number
    failure_code: str | None = None
    metadata: Any = None

    @property
    def refund_no(self) -> str:
        """Our number of it, or Ping++'s where the refund is none of ours."""
        return _refund_no(self.id, self.metadata)

    @property
    def outcome(self) -> RefundOutcome:
        """How it stands."""
        if self.status == "pending":
            return RefundOutcome.PROCESSING
        if self.status == "succeeded":
            return RefundOutcome.SUCCESS
        moved_nothing = self.failure_code in _NOTHING_MOVED
        return RefundOutcome.CLOSED if moved_nothing else RefundOutcome.ABNORMAL

    def fact(self, source: FactSource) -> RefundMoved:
        """Say it in our words; a refund has its charge's currency and names none."""
        return RefundMoved(
            provider=PROVIDER,
            attempt_no=self.charge_order_no,
            refund_no=self.refund_no,
            provider_refund_id=self.id,
            refunded=Money(amount_minor=self.amount, currency=CURRENCY.upper()),
            outcome=self.outcome,
            source=source,
            provider_txn_id=self.charge,
        )


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list, newest first; what is on it is read one by one."""

    data: list[msgspec.Raw]
    has_more: bool


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a listed object as is needed to see whether it is looked for."""

    id: Number
    order_no: str | None = None


class ListedRefund(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a listed refund, whoever asked for it."""

    id: Number
    metadata: Any = None

    @property
    def refund_no(self) -> str:
        """Our number of it, or Ping++'s where the refund is none of ours."""
        return _refund_no(self.id, self.metadata)


class _JsApiCall(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    app_id: _Text
    time_stamp: _Text | int
    nonce_str: _Text
    package: _Text
    sign_type: _Text
    pay_sign: _Text

    def signed_call(self) -> SignedCall:
        return SignedCall(
            app_id=self.app_id,
            time_stamp=str(self.time_stamp),
            nonce_str=self.nonce_str,
            package=self.package,
            sign_type=self.sign_type,
            pay_sign=self.pay_sign,
        )


def _refund_no(refund_id: str, metadata: object) -> str:
    given = metadata.get("refund_no") if isinstance(metadata, dict) else None
    try:
        return msgspec.convert(given, Number)
    except msgspec.ValidationError:
        return refund_id
