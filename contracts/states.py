"""The words a row may carry in its status columns.

The database repeats each list as a CHECK, and a test compares the two.
"""

from enum import StrEnum


class OrderStatus(StrEnum):
    """Where an order stands."""

    PENDING = "PENDING"
    CLOSING = "CLOSING"  # time is up or the buyer left; a provider could still take money
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    PAID = "PAID"
    REFUNDED = "REFUNDED"


class ClosingReason(StrEnum):
    """Which end a closing order is heading for."""

    EXPIRE = "EXPIRE"
    CANCEL = "CANCEL"


class PaymentStatus(StrEnum):
    """What became of the order's money: a function of its honoured payment's refunds."""

    UNPAID = "UNPAID"
    PAID = "PAID"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"


class AttemptResult(StrEnum):
    """How the latest attempt went, in the words of the payments API."""

    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class AttemptState(StrEnum):
    """Where one attempt stands at its provider, as far as we know."""

    OPENING = "OPENING"  # committed before the call, so a crash leaves a trace
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    PAID = "PAID"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"  # the call's outcome was lost; only a query can tell


class IntentStatus(StrEnum):
    """Where one intent stands, in the words of the payments API."""

    REQUIRES_CONFIRMATION = "requires_confirmation"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class IntentEnd(StrEnum):
    """Why an intent was ended before anybody paid by it."""

    EXPIRED = "INTENT_EXPIRED"  # nobody did anything with it for long
    REPRICED = "PRICE_CHANGED"  # the order costs something else now


class RefundStatus(StrEnum):
    """Where one refund stands."""

    REQUESTED = "requested"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETURNED = "returned"  # its provider said both: it went, and the money came back to us


class RefundKind(StrEnum):
    """Who moved the money back."""

    OURS = "ours"
    EXTERNAL = "external"  # made at the provider's console
    DISPUTE = "dispute"


class RegistrationStatus(StrEnum):
    """Where one person's place at an event stands."""

    PENDING_PAYMENT = "PENDING_PAYMENT"
    PENDING = "PENDING"  # waits for the organizer's approval
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


class InviteStatus(StrEnum):
    """Where one gift seat stands."""

    PENDING = "PENDING"
    REDEEMED = "REDEEMED"
    INVALID = "INVALID"


class EventStatus(StrEnum):
    """Where an event stands."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    CLOSED = "CLOSED"


class UserState(StrEnum):
    """What a person is to us."""

    REGISTERED = "registered"
    PAID = "paid"  # has paid for something, once


class CouponKind(StrEnum):
    """How a coupon lowers a price."""

    FIXED = "FIXED"  # by an amount
    PERCENT = "PERCENT"  # by hundredths of the price


class NoticeStatus(StrEnum):
    """Where a stored notice stands in the inbox."""

    RECEIVED = "RECEIVED"
    PROCESSED = "PROCESSED"
    QUARANTINED = "QUARANTINED"
    FAILED = "FAILED"  # will be tried again
    DEAD = "DEAD"  # a person must look


class Channel(StrEnum):
    """How the payer gets to the provider."""

    WECHAT_NATIVE = "WECHAT_NATIVE"
    WECHAT_JSAPI = "WECHAT_JSAPI"
    MINIPROGRAM_BRIDGE = "MINIPROGRAM_BRIDGE"
    MOCK = "MOCK"  # nobody's money, for trying things out
    WX_PUB = "wx_pub"  # these words are the providers' own, and those of the course shop's clients
    WX_PUB_QR = "wx_pub_qr"
    WX_LITE = "wx_lite"
    ALIPAY_QR = "alipay_qr"
    ALIPAY_WAP = "alipay_wap"
    ALIPAY_PC_DIRECT = "alipay_pc_direct"
    STRIPE = "stripe"
    STRIPE_CHECKOUT = "stripe:checkout_session"


LIVE_REGISTRATIONS = frozenset(
    {RegistrationStatus.PENDING_PAYMENT, RegistrationStatus.PENDING, RegistrationStatus.APPROVED}
)
OPEN_ORDERS = frozenset({OrderStatus.PENDING, OrderStatus.CLOSING})
# A provider could still take money for an attempt in one of these.
LIVE_ATTEMPTS = frozenset({AttemptState.OPENING, AttemptState.OPEN, AttemptState.UNKNOWN})
# What is open here can be paid until its provider has closed it, however late it is.
LASTING_CHANNELS = frozenset({Channel.STRIPE, Channel.STRIPE_CHECKOUT})
REFUNDS_UNDER_WAY = frozenset({RefundStatus.REQUESTED, RefundStatus.PROCESSING})
# Of these the payer has nothing: the money never left, or is here again.
REFUNDS_IN_VAIN = frozenset({RefundStatus.FAILED, RefundStatus.RETURNED})
