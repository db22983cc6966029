"""Stripe's objects as they may be kept: without what opens, pays or tells who the payer is."""

from typing import Any, Final

# A secret that pays, a page that pays, a card, and whoever holds it.
_DROPPED: Final = frozenset(
    {
        *("client_secret", "url", "next_action", "hosted_invoice_url"),
        *("payment_method_details", "card", "source", "payment_method_data"),
        *("billing_details", "receipt_email", "receipt_number", "shipping", "shipping_details"),
        *("customer_details", "customer_email", "collected_information", "shipping_address"),
        *("email", "phone", "address", "evidence", "fraud_details", "ip", "ip_address"),
        *("destination_details", "next_action_display_details", "request"),
    }
)
# Why a payment failed; the rest of that names the card.
_OF_A_FAILURE: Final = ("type", "code", "decline_code", "message")
_DEPTH_MAX: Final = 12


def scrubbed(told: dict[str, Any]) -> dict[str, Any]:
    """Return the object without them; a payment method stays as its id."""
    return {
        name: _kept(name, value, _DEPTH_MAX) for name, value in told.items() if name not in _DROPPED
    }


def _kept(name: str, value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON
    if depth == 0:
        return None
    if isinstance(value, dict):
        if name == "payment_method":
            return value.get("id")
        if name == "last_payment_error":
            told = {n: value[n] for n in _OF_A_FAILURE if isinstance(value.get(n), str)}
            return {n: _kept(n, v, depth - 1) for n, v in told.items()}
        inner = ((n, v) for n, v in value.items() if n not in _DROPPED)
        return {n: _kept(n, v, depth - 1) for n, v in inner}
    if isinstance(value, list):
        return [_kept(name, one, depth - 1) for one in value]
    # No database takes this character.
    return value.replace("\0", "") if isinstance(value, str) else value
