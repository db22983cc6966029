"""Normalized events as a provider would tell them, signed."""

import json
import re
import secrets
from datetime import UTC, datetime
from typing import Any

from models.engine import Database
from providers import webhook_signature

SECRET = "sandbox-events-" + "e" * 32


async def intent_of(database: Database, order_id: int) -> int:
    """Find the intent that an order's attempts belong to."""
    intent_id: int = await database.fetchval(
        "SELECT id FROM payment_intents WHERE order_id = $1 ORDER BY id LIMIT 1", order_id
    )
    return intent_id


def an_event(
    kind: str,
    order_id: int,
    intent_id: int,
    *,
    event_id: str | None = None,
    provider: str = "wechat",
    **data: Any,  # noqa: ANN401 - any field may be the one that matters
) -> bytes:
    """Tell of the whole price of one seat; a field that is None is left out."""
    told = {
        "order_id": order_id,
        "intent_id": intent_id,
        "amount": 9900,
        "currency": "CNY",
        "status": kind.partition(".")[2],
    } | data
    event = {
        "event_id": event_id or f"evt_{secrets.token_hex(8)}",
        "type": kind,
        "provider": provider,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": {name: value for name, value in told.items() if value is not None},
    }
    return json.dumps(event).encode()


def signed(body: bytes, *, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    """Sign an event under its own id, or another where it has none that a header can hold."""
    try:
        message_id = str(json.loads(body)["event_id"])
    except (ValueError, TypeError, KeyError):
        message_id = "msg_1"
    if re.fullmatch("[!-~]{1,255}", message_id) is None:
        message_id = "msg_1"
    return webhook_signature.sign(secret, message_id, at or datetime.now(UTC), body)
