"""What Stripe is told: every word a function of the request, so that a repeat says the same.

A repeat under a known idempotency key that says anything else is refused.

Source: Stripe API, "Idempotent requests"; "Create a PaymentIntent"; "Create a Session"; "Create a
refund", read 2026-11.
"""

import re
from datetime import UTC, timedelta
from typing import Any, Final

from contracts.attempt import AttemptRequest, BilledRefund, RefundRequest
from contracts.states import Channel
from providers.stripe import errors

_NUMBER: Final = re.compile(r"[0-9A-Za-z_\-]{1,64}")
_INTENT: Final = re.compile(r"pi_[0-9A-Za-z_]{1,250}")
_REFERENCE: Final = re.compile(r"(pi|cs)_[0-9A-Za-z_]{1,250}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_ORDER_NO_LENGTH: Final = 16
_TEXT_LENGTH: Final = 250
# A session lives for 30 minutes at least and for 24 hours at most, counted from its creation. A
# repeat must name the very same end, so that "half an hour from now" is not to be had: half an
# hour after the last moment at which we would open it is. An attempt that may be paid for more than
# 23 hours is one that Stripe refuses.
_SHORTEST: Final = timedelta(minutes=31)


def require_own(request: AttemptRequest, merchant_id: str, operation: str) -> None:
    """Refuse what could only be answered by somebody else's account, or bends a search.

    :raises ProviderRefused: it was not sent.
    """
    require(_NUMBER.fullmatch(request.attempt_no) is not None, operation)
    require((request.merchant_id, request.appid) == (merchant_id, merchant_id), operation)
    require(request.channel in {Channel.STRIPE, Channel.STRIPE_CHECKOUT}, operation)


def require_open(request: AttemptRequest) -> None:
    """Refuse what Stripe would, and what it would take in another sense than we mean."""
    require(request.amount.amount_minor > 0, "open")
    require(_CURRENCY.fullmatch(request.amount.currency) is not None, "open")
    if request.channel is Channel.STRIPE_CHECKOUT:
        require(bool(request.return_url), "open")


def intent_words(request: AttemptRequest) -> dict[str, Any]:
    """Say what a PaymentIntent is to be."""
    return {
        "amount": request.amount.amount_minor,
        "currency": request.amount.currency.lower(),
        "description": _text(request),
        "metadata": _ours(request),
        "automatic_payment_methods": {"enabled": True},
    }


def session_words(request: AttemptRequest) -> dict[str, Any]:
    """Say what a Checkout Session is to be."""
    ends_at = request.payable_until.astimezone(UTC) + _SHORTEST
    price = {
        "currency": request.amount.currency.lower(),
        "unit_amount": request.amount.amount_minor,
        "product_data": {"name": _text(request)},
    }
    said: dict[str, Any] = {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "client_reference_id": request.attempt_no,
        "success_url": request.return_url,
        "metadata": _ours(request),
        "expires_at": int(ends_at.timestamp()),
        "payment_intent_data": {"description": _text(request), "metadata": _ours(request)},
    }
    if request.cancel_url:
        said["cancel_url"] = request.cancel_url
    return said


def refund_words(request: RefundRequest) -> dict[str, Any]:
    """Say which money is to go back.

    :raises ProviderRefused: it was not sent.
    """
    require(_NUMBER.fullmatch(request.refund_no) is not None, "refund")
    require(_NUMBER.fullmatch(request.attempt_no) is not None, "refund")
    require(_INTENT.fullmatch(request.provider_txn_id) is not None, "refund")
    require(0 < request.amount.amount_minor <= request.paid.amount_minor, "refund")
    require(request.amount.currency == request.paid.currency, "refund")
    return {
        "payment_intent": request.provider_txn_id,
        "amount": request.amount.amount_minor,
        "metadata": {"refund_no": request.refund_no, "attempt_no": request.attempt_no},
    }


def intent_of(refund: RefundRequest | BilledRefund) -> str:
    """Return the number of the payment whose refunds are looked through.

    :raises ProviderRefused: it was not sent.
    """
    number = refund.provider_txn_id or ""
    require(_NUMBER.fullmatch(refund.refund_no) is not None, "query_refund")
    require(_INTENT.fullmatch(number) is not None, "query_refund")
    return number


def reference_of(reference: str, operation: str) -> str:
    """Return a number of Stripe's that may stand in a path."""
    require(_REFERENCE.fullmatch(reference) is not None, operation)
    return reference


def require(holds: bool, operation: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse before the call what can be judged before it."""
    if not holds:
        raise errors.error_of(operation, errors.NOT_SENT)


def _ours(request: AttemptRequest) -> dict[str, str]:
    number = request.attempt_no
    return {"attempt_no": number, "order_no": number[:_ORDER_NO_LENGTH]}


def _text(request: AttemptRequest) -> str:
    printable = "".join(c for c in request.description if c.isprintable()).strip()
    return printable[:_TEXT_LENGTH] or request.attempt_no
