"""An order as it is decided upon: one snapshot of everything that hangs on it."""

from datetime import datetime

import msgspec

from contracts.attempt import AttemptRequest, Confirmation, Opened
from contracts.coupons import AppliedCoupon, Coupon
from contracts.money import Money
from contracts.states import (
    LIVE_ATTEMPTS,
    REFUNDS_IN_VAIN,
    AttemptResult,
    AttemptState,
    ClosingReason,
    InviteStatus,
    OrderStatus,
    PaymentStatus,
    RefundKind,
    RefundStatus,
    RegistrationStatus,
)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One number shown to one provider on one channel."""

    attempt_no: str
    state: AttemptState
    request: AttemptRequest
    claim_until: datetime | None = None
    opened: Opened | None = None
    opened_at: datetime | None = None
    close_owed: bool = False

    @property
    def is_live(self) -> bool:
        """Tell whether the provider could still take money for it, as far as we know."""
        return self.state in LIVE_ATTEMPTS

    @property
    def needs_payer(self) -> bool:
        """Tell whether it waits for its payer, and not for its provider."""
        return self.opened is None or self.opened.needs_payer

    @property
    def is_declined(self) -> bool:
        """Tell whether it waits for its payer because a try of theirs failed."""
        is_open = self.state is AttemptState.OPEN
        return is_open and self.opened is not None and self.opened.is_declined


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """Verified money; *honoured* is the one settlement, everything else is surplus."""

    provider: str
    provider_txn_id: str
    attempt_no: str
    paid: Money
    paid_at: datetime
    source: str
    honoured: bool


class NamedSeats(msgspec.Struct, frozen=True, kw_only=True):
    """The gift seats and places that go when a refund succeeds."""

    invite_ids: tuple[int, ...] = ()
    registration_ids: tuple[int, ...] = ()


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way back; *provider_txn_id* names the payment it belongs to.

    *seats* stay named when it fails, for its provider may think better of it.
    """

    refund_no: str
    provider: str
    provider_txn_id: str
    attempt_no: str
    amount: Money
    status: RefundStatus
    reason: str
    idempotency_key: str
    kind: RefundKind = RefundKind.OURS
    provider_refund_id: str | None = None
    seats: NamedSeats | None = None

    def is_of(self, payment: Payment) -> bool:
        """Tell whether it sends *payment* back; two providers may count their payments alike."""
        name = (self.provider, self.provider_txn_id)
        return name == (payment.provider, payment.provider_txn_id)


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """One person's place at the event; *id* is None until it is written.

    *refund_no* names the refund that frees it: while that is under way nobody uses it.
    """

    user_id: int
    status: RegistrationStatus
    id: int | None = None
    invite_id: int | None = None
    refund_no: str | None = None


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    """One gift seat; *position* counts the order's invites from 1, over all its lives.

    Raising *generation* makes its code worthless. *refund_no* names the refund that frees it:
    while that is under way nobody uses it.
    """

    position: int
    status: InviteStatus
    generation: int = 1
    id: int | None = None
    refund_no: str | None = None
    redeemed_by: int | None = None
    redeemed_at: datetime | None = None


class Reclaim(msgspec.Struct, frozen=True, kw_only=True):
    """Whether late money may have its seats and its coupon again, found under their locks."""

    granted: bool
    refusal: str | None = None


class Redeemer(msgspec.Struct, frozen=True, kw_only=True):
    """Who redeems, and whether they have a place at the event, found in the turn itself."""

    user_id: int
    has_place: bool


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a buyer wants and owes, with its attempts, money and places.

    *total* is what is left to pay after *coupon*. *reclaim* and *on_offer*, the coupon that is
    asked for, are found under locks by the turn that needs them.
    """

    id: int
    order_no: str
    event_id: int
    event_title: str
    user_id: int
    ticket_type_id: int
    quantity: int
    total: Money
    payment_channel: str
    status: OrderStatus
    payment_status: PaymentStatus
    seats_held: int
    expired_at: datetime
    created_at: datetime
    version: int
    requires_approval: bool
    last_payment_attempt_status: AttemptResult | None = None
    refund_status: RefundStatus | None = None
    closing_for: ClosingReason | None = None
    channel: str | None = None
    paid_at: datetime | None = None
    trace_ctx: str | None = None
    attempts: tuple[Attempt, ...] = ()
    payments: tuple[Payment, ...] = ()
    refunds: tuple[Refund, ...] = ()
    registrations: tuple[Registration, ...] = ()
    invites: tuple[Invite, ...] = ()
    case_subjects: tuple[str, ...] = ()
    coupon: AppliedCoupon | None = None
    reclaim: Reclaim | None = None
    redeemer: Redeemer | None = None
    on_offer: Coupon | None = None

    @property
    def live_attempts(self) -> tuple[Attempt, ...]:
        """The attempts a provider could still take money for."""
        return tuple(attempt for attempt in self.attempts if attempt.is_live)

    @property
    def current_attempt(self) -> Attempt | None:
        """The newest attempt that is not owed a close: the one a payer is shown."""
        return next(
            (a for a in reversed(self.attempts) if a.is_live and not a.close_owed),
            None,
        )

    @property
    def settlement(self) -> Payment | None:
        """The one honoured payment."""
        return next((payment for payment in self.payments if payment.honoured), None)

    def refunds_of(self, payment: Payment) -> tuple[Refund, ...]:
        """List what went back of a payment, or was to, in the order it was asked for."""
        return tuple(refund for refund in self.refunds if refund.is_of(payment))

    def payment_of(self, refund: Refund) -> Payment:
        """Find the payment that a refund sends back."""
        return next(payment for payment in self.payments if refund.is_of(payment))

    def left_minor(self, payment: Payment) -> int:
        """Count what refunds leave of a payment, those in vain not counted."""
        refunds = self.refunds_of(payment)
        gone = (r.amount.amount_minor for r in refunds if r.status not in REFUNDS_IN_VAIN)
        return payment.paid.amount_minor - sum(gone)

    def refund(self, refund_no: str) -> Refund | None:
        """Find a refund by its number."""
        return next((r for r in self.refunds if r.refund_no == refund_no), None)

    def attempt(self, attempt_no: str) -> Attempt | None:
        """Find an attempt by its number."""
        return next((a for a in self.attempts if a.attempt_no == attempt_no), None)

    def confirmed_by(self, confirmation: Confirmation) -> Attempt | None:
        """Find the attempt that was started by the same key for the same intent."""
        key = (confirmation.intent_id, confirmation.idempotency_key)
        return next(
            (
                a
                for a in self.attempts
                if (c := a.request.confirmation) and (c.intent_id, c.idempotency_key) == key
            ),
            None,
        )

    def invite(self, invite_id: int) -> Invite | None:
        """Find a gift seat by its id."""
        return next((i for i in self.invites if i.id == invite_id), None)

    def registration(self, registration_id: int) -> Registration | None:
        """Find a place by its id."""
        return next((r for r in self.registrations if r.id == registration_id), None)
