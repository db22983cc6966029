"""Everything that can be refused, named by its stable code.

::

    Refusal
    ├── InvalidRequest            the words are wrong; mend them
    │   └── BizTypeUnsupported  WechatCodeRefused  BindStateInvalid
    ├── PayerNotReady             nothing can be paid from there yet; mend that, ask again
    │   └── MiniProgramBridgeRequired  WechatOpenidRequired
    ├── Unauthenticated           sign in
    │   └── BindTokenInvalid  BridgeTicketInvalid  BadSignature
    ├── Forbidden                 another role
    │   └── PayerMismatch
    ├── NotFound                  absent, or someone else's
    │   └── TicketUnknown
    ├── Conflict                  the order or the stock says no
    │   ├── SoldOut  AlreadyRegistered  PendingOrderExists  InvalidState
    │   ├── InviteTaken  InviteNotActive  RefundExceedsPaid  MaxBelowSold  CouponExists
    │   ├── TicketNotValid  KnownFromSignIn  PriceMismatch  RefundUnderWay
    │   └── OrderExpired  OrderCancelled  OrderAlreadyPaid  PrepareInProgress  TooManyAttempts
    ├── RateLimited               asked too often; come back in *retry_after_seconds*
    ├── Unprocessable             understood, but not on offer
    │   ├── QuantityNotOffered  NotOnSale  CouponInvalid  IdempotencyMismatch
    │   └── PayChannelNotSupported  ChargeRefused
    └── Busy                      nothing wrong; come back in *retry_after_seconds*
        └── OrderBusy  Overloaded  ProviderNotConfigured  ProviderUnavailable

*extra* holds what the client needs for its next move, already in wire form.
"""

from typing import ClassVar


class Refusal(Exception):
    """A definite, explained no. *code* is stable; *detail* is for people."""

    code: ClassVar[str] = "REFUSED"
    detail: ClassVar[str] = "The request was refused."

    def __init__(self, detail: str | None = None, **extra: object) -> None:
        super().__init__(detail or self.detail)
        self.extra = extra


class InvalidRequest(Refusal):
    """The words are wrong."""

    code = "INVALID_REQUEST"
    detail = "The request is not well formed."


class BizTypeUnsupported(InvalidRequest):
    """Nothing of this kind can be paid for; *supported* in extra lists what can."""

    code = "BIZ_TYPE_UNSUPPORTED"
    detail = "This kind of business cannot be paid for here."


class WechatCodeRefused(InvalidRequest):
    """WeChat does not take the code; the client logs in again for another."""

    code = "WECHAT_CODE_REFUSED"
    detail = "WeChat does not accept this login; please log in again."


class BindStateInvalid(InvalidRequest):
    """The state is not one of this user's, was used, or is too old; begin again."""

    code = "BIND_STATE_INVALID"
    detail = "This way back from WeChat is not valid any more; please start again."


class PayerNotReady(Refusal):
    """Who asks cannot pay from where they are, until they mend it; an order stays payable."""


class MiniProgramBridgeRequired(PayerNotReady):
    """The Mini Program around the page cannot pay; *minBridgeVersion* in extra could.

    No other channel works in there, so none is offered instead.
    """

    code = "MINI_PROGRAM_BRIDGE_REQUIRED"
    detail = "This version of the Mini Program cannot pay; please update it."


class WechatOpenidRequired(PayerNotReady):
    """Nobody knows what the payer is called at the app that pays; extra names the order."""

    code = "WECHAT_OPENID_REQUIRED"
    detail = "Your WeChat account must be bound before you can pay here."


class Unauthenticated(Refusal):
    """Nobody we know is asking."""

    code = "UNAUTHENTICATED"
    detail = "A valid bearer token is needed."


class BindTokenInvalid(Unauthenticated):
    """The token is unknown, was used, or is too old; the page makes another."""

    code = "BIND_TOKEN_INVALID"
    detail = "This token is not valid any more; please start again."


class BridgeTicketInvalid(Unauthenticated):
    """The ticket is unknown, was used, or is too old; the page makes another."""

    code = "BRIDGE_TICKET_INVALID"
    detail = "This ticket is not valid any more; please start again."


class BadSignature(Unauthenticated):
    """What was posted does not prove who sent it; sign it again, now."""

    code = "BAD_SIGNATURE"
    detail = "The signature could not be verified."


class Forbidden(Refusal):
    """The role does not allow it."""

    code = "FORBIDDEN"
    detail = "Your role does not allow this."


class PayerMismatch(Forbidden):
    """Who is logged in to WeChat is not whose payment was prepared; the ticket is used up."""

    code = "PAYER_MISMATCH"
    detail = "Another WeChat account is to pay this order."


class NotFound(Refusal):
    """Absent, or someone else's: the answer is the same."""

    code = "NOT_FOUND"
    detail = "There is no such thing here."


class TicketUnknown(NotFound):
    """The code belongs to no ticket of this event; nobody is let in by it."""

    code = "TICKET_UNKNOWN"
    detail = "This is no ticket of this event."


class Conflict(Refusal):
    """The state of things says no."""


class SoldOut(Conflict):
    """Too few seats are left."""

    code = "SOLD_OUT"
    detail = "Not enough seats are left."


class AlreadyRegistered(Conflict):
    """The person has a place at the event."""

    code = "ALREADY_REGISTERED"
    detail = "You already have a place at this event."


class PendingOrderExists(Conflict):
    """Another order of the same person waits at the event."""

    code = "PENDING_ORDER_EXISTS"
    detail = "Another order of yours for this event is still open."


class InvalidState(Conflict):
    """The order's state does not allow it."""

    code = "INVALID_STATE"
    detail = "The order's state does not allow this."


class MaxBelowSold(Conflict):
    """More seats are taken than there would be; *currentQuantity* in extra says how many."""

    code = "MAX_BELOW_SOLD"
    detail = "More seats are taken than that."


class OrderExpired(Conflict):
    """Time is up."""

    code = "ORDER_EXPIRED"
    detail = "The order has expired; make a new one."


class OrderCancelled(Conflict):
    """The buyer left."""

    code = "ORDER_CANCELLED"
    detail = "The order was cancelled; make a new one."


class OrderAlreadyPaid(Conflict):
    """There is nothing to pay."""

    code = "ORDER_ALREADY_PAID"
    detail = "The order is paid."


class CouponExists(Conflict):
    """Another coupon has the code; choose another."""

    code = "COUPON_EXISTS"
    detail = "There is a coupon with this code."


class PrepareInProgress(Conflict):
    """Another request is opening the same attempt."""

    code = "PREPARE_IN_PROGRESS"
    detail = "The payment is being prepared; ask again in a moment."


class TooManyAttempts(Conflict):
    """The order has used up its attempts."""

    code = "TOO_MANY_ATTEMPTS"
    detail = "This order was tried too often; make a new one."


class TicketNotValid(Conflict):
    """The place was cancelled, is being refunded, or waits for somebody; it admits nobody now."""

    code = "TICKET_NOT_VALID"
    detail = "This ticket does not admit anybody now."


class KnownFromSignIn(Conflict):
    """The person's sign-in says it; *fields* in extra lists what is changed there, not here."""

    code = "KNOWN_FROM_SIGN_IN"
    detail = "This comes from your sign-in; please change it there."


class PriceMismatch(Conflict):
    """The order costs something else; *orderAmount* in extra says what, in minor units."""

    code = "PRICE_MISMATCH"
    detail = "The order costs something else now."


class RefundExceedsPaid(Conflict):
    """More would go back than is left of the payment; *refundable* in extra is what is left."""

    code = "REFUND_EXCEEDS_PAID"
    detail = "More would be refunded than is left of the payment."


class RefundUnderWay(Conflict):
    """Money that went back past us may be what a refund of ours is about to send; ask later."""

    code = "REFUND_UNDER_WAY"
    detail = "Another refund of this payment is under way; ask again later."


class InviteTaken(Conflict):
    """Another person has redeemed the gift seat."""

    code = "INVITE_REDEEMED"
    detail = "Somebody has already taken this gift."


class InviteNotActive(Conflict):
    """The gift seat cannot be taken: its order is not paid, or its money is on its way back."""

    code = "INVITE_NOT_ACTIVE"
    detail = "This gift cannot be taken now."


class RateLimited(Refusal):
    """One person asked too often; nothing else is wrong."""

    code = "RATE_LIMITED"
    detail = "Too many tries; please wait a moment."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class Unprocessable(Refusal):
    """Understood, but not on offer."""


class QuantityNotOffered(Unprocessable):
    """No tier has this quantity; *offered* in extra lists those that exist."""

    code = "QUANTITY_NOT_OFFERED"
    detail = "This quantity is not on offer."


class NotOnSale(Unprocessable):
    """The event or the ticket type is not on sale."""

    code = "NOT_ON_SALE"
    detail = "This ticket is not on sale."


class CouponInvalid(Unprocessable):
    """No such coupon can be used for this; why is not told, nor whether there is one."""

    code = "COUPON_INVALID"
    detail = "This coupon cannot be used here."


class IdempotencyMismatch(Unprocessable):
    """The key was used with another body."""

    code = "IDEMPOTENCY_MISMATCH"
    detail = "This Idempotency-Key was used with another request."


class PayChannelNotSupported(Unprocessable):
    """Nobody can be paid that way here; *supported* in extra lists the ways there are."""

    code = "PAY_CHANNEL_NOT_SUPPORTED"
    detail = "This way of paying is not offered here."


class ChargeRefused(Unprocessable):
    """The provider will not open it, however often it is asked; *providerCode* in extra says why.

    The order stays payable, by another way perhaps.
    """

    code = "PROVIDER_REFUSED"
    detail = "The payment provider does not take this charge."


class Busy(Refusal):
    """Nothing is wrong; come back later."""

    retry_after_seconds: ClassVar[int] = 1


class OrderBusy(Busy):
    """Too much is being asked of one order at once."""

    code = "ORDER_BUSY"
    detail = "The order is busy; try again in a moment."


class Overloaded(Busy):
    """Too much is being asked of the service at once."""

    code = "OVERLOADED"
    detail = "Too many requests at once; try again in a moment."
    retry_after_seconds = 2


class ProviderNotConfigured(Busy):
    """The provider lacks settings."""

    code = "PROVIDER_NOT_CONFIGURED"
    detail = "This way of paying is not set up."
    retry_after_seconds = 60


class ProviderUnavailable(Busy):
    """The provider did not answer as it should."""

    code = "PROVIDER_UNAVAILABLE"
    detail = "The payment provider cannot be reached; try again in a moment."
    retry_after_seconds = 5
