"""How Stripe says no: a status and an error object.

Source: Stripe API, "Errors", read 2026-11.
"""

from typing import Any


class Refusal(Exception):
    """A definite no; *is_kept* when the call had begun, so that a repeat hears the same."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        kind: str = "invalid_request_error",
        is_kept: bool = False,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(code or kind)
        self.status = status
        self.is_kept = is_kept
        named = {} if code is None else {"code": code}
        self.body: dict[str, Any] = {
            "error": {**named, "message": message, "type": kind, **(more or {})}
        }


def unauthorized() -> Refusal:
    """Know nobody by this key."""
    return Refusal(401, None, "Invalid API Key provided")


def bad_parameter(code: str, param: str, message: str) -> Refusal:
    """Refuse a word before anything begins."""
    return Refusal(400, code, message, more={"param": param})


def missing(what: str, number: str) -> Refusal:
    """Know nothing of a number."""
    return Refusal(404, "resource_missing", f"No such {what}: '{number}'", more={"param": "id"})


def wrong_state(message: str, **more: Any) -> Refusal:  # noqa: ANN401 - JSON
    """Refuse what the state forbids."""
    return Refusal(400, "payment_intent_unexpected_state", message, is_kept=True, more=more)


def other_words() -> Refusal:
    """Refuse a known key with other words."""
    message = "Keys for idempotent requests can only be used with the same parameters."
    return Refusal(400, None, message, kind="idempotency_error")


def key_in_use() -> Refusal:
    """Refuse a key that another call is being answered under."""
    message = "There is currently another in-progress request using this idempotency key."
    return Refusal(409, "idempotency_key_in_use", message, kind="idempotency_error")
