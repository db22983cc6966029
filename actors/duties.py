"""Which duties and questions follow from an event. Pure."""

from collections.abc import Iterable

from actors.case_subjects import case_subject_of
from contracts.effects import COUPON_TAKEN, Case, CaseKind, Effect, EffectKind
from contracts.events import (
    AttemptCloseOwed,
    CouponApplied,
    ExternalRefund,
    InviteRedeemed,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderPaid,
    OrderRefunded,
    PaymentQuarantined,
    PlaceApproved,
    PlaceRejected,
    RefundAdvanced,
    RefundRequested,
    RefundStuck,
    SettlementRepaired,
    SurplusReceived,
)
from contracts.order import Refund
from contracts.states import RefundStatus


def effects_of(event: OrderEvent, *, tells_sales: bool = False) -> list[Effect]:
    """Name what is owed to the outside; the cause makes a repetition owe it once."""
    owed = _effects_of(event)
    return [*owed, *_news_of(event)] if tells_sales else owed


def coupon_news(coupon_id: int) -> Effect:
    """Name what the house's own people are owed when an order takes a coupon."""
    return Effect(kind=EffectKind.SALE_NEWS, cause=f"{COUPON_TAKEN}:{coupon_id}")


def case_of(event: OrderEvent) -> Case | None:
    """Name the question an event asks a person, if it asks one."""
    match event:
        case PaymentQuarantined(fact=fact, reason=reason):
            return Case(
                kind=CaseKind.PAYMENT_MISMATCH,
                subject=case_subject_of(event),
                reason=reason,
                details={
                    "attempt_no": fact.attempt_no,
                    "paid_minor": str(fact.paid.amount_minor),
                    "currency": fact.paid.currency,
                    "merchant_id": fact.merchant_id,
                    "appid": fact.appid,
                },
            )
        case RefundStuck(refund_no=number, reason=reason):
            return Case(
                kind=CaseKind.REFUND_STUCK,
                subject=case_subject_of(event),
                reason=reason,
                details={"refund_no": number},
            )
        case _:
            return None


def sweeps_after(events: Iterable[OrderEvent]) -> set[str]:
    """Name the worker's sweeps that have something to do now; they would find it anyway."""
    sweeps = set()
    for event in events:
        if effects_of(event):
            sweeps.add("effects")
        if isinstance(event, AttemptCloseOwed):
            sweeps.add("close")
        if isinstance(event, SurplusReceived | RefundRequested):
            sweeps.add("refunds")
    return sweeps


def seat_cause_of(events: list[OrderEvent]) -> str:
    """Name why seats moved, once in an order's life for each name."""
    for event in events:
        match event:
            case OrderPaid(payment=payment, late=True):
                return f"late:{payment.attempt_no}"
            case OrderExpired():
                return "expired"
            case OrderCancelled():
                return "cancelled"
            case OrderRefunded():
                return "refunded"
            case _:
                continue
    # Only now: the refund that ends an order gives back more than the seats it names.
    for event in events:
        if isinstance(event, RefundAdvanced) and event.status is RefundStatus.SUCCEEDED:
            return f"refund:{event.refund_no}"
    raise AssertionError("Seats moved without an event that moves them.")


def _news_of(event: OrderEvent) -> list[Effect]:
    match event:
        case OrderPaid(payment=payment) | SettlementRepaired(payment=payment):
            return [Effect(kind=EffectKind.SALE_NEWS, cause=f"paid:{payment.provider_txn_id}")]
        case CouponApplied(coupon_id=coupon_id):
            return [coupon_news(coupon_id)]
        case _:
            return []


def _effects_of(event: OrderEvent) -> list[Effect]:  # noqa: PLR0911 - one case per duty
    match event:
        case OrderPaid(payment=payment) | SettlementRepaired(payment=payment):
            return [Effect(kind=EffectKind.TICKETS, cause=f"paid:{payment.provider_txn_id}")]
        case OrderExpired():
            return [Effect(kind=EffectKind.FAREWELL, cause="expired")]
        case OrderCancelled():
            return [Effect(kind=EffectKind.FAREWELL, cause="cancelled")]
        case (
            RefundAdvanced(refund_no=number, status=RefundStatus.SUCCEEDED)
            | ExternalRefund(refund=Refund(refund_no=number, status=RefundStatus.SUCCEEDED))
        ):
            return [Effect(kind=EffectKind.REFUND_NOTICE, cause=f"refund:{number}")]
        case PaymentQuarantined() | RefundStuck():
            return [Effect(kind=EffectKind.ALARM, cause=case_subject_of(event))]
        case InviteRedeemed(position=position, generation=generation):
            return [Effect(kind=EffectKind.REDEEMED, cause=f"invite:{position}:{generation}")]
        case PlaceApproved(registration_id=place):
            return [Effect(kind=EffectKind.ADMISSION, cause=f"place:{place}")]
        case PlaceRejected(registration_id=place):
            return [Effect(kind=EffectKind.REJECTION, cause=f"place:{place}")]
        case _:
            return []
