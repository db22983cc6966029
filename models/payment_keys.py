"""What a key of a payment route brought, so that the same key brings it again."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from contracts.errors import IdempotencyMismatch
from models.encoding import document
from models.engine import Connection


class Scope(StrEnum):
    """Which route a key belongs to."""

    INTENT = "intent"
    CONFIRM = "confirm"
    REFUND = "refund"
    RETRY = "retry"
    RETRY_HEADER = "retry_header"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A client's key within *holder_id*; the hash is of its body.

    The holder is an order, intent or refund, and a user of a key that came as a header.
    """

    scope: Scope
    holder_id: int
    key: str
    body_hash: str


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What a key was first answered with: an intent, attempt or refund, and where it stood."""

    target_id: int
    status: str


_REMEMBER = """
INSERT INTO payment_keys (scope, holder_id, idempotency_key, body_hash, target_id, answer)
VALUES ($1, $2, $3, $4, $5, $6::jsonb)
ON CONFLICT (scope, holder_id, idempotency_key) DO NOTHING
RETURNING body_hash, target_id, answer ->> 'status' AS status
"""
_RECALL = """
SELECT body_hash, target_id, answer ->> 'status' AS status FROM payment_keys
WHERE scope = $1 AND holder_id = $2 AND idempotency_key = $3
"""


async def recall(connection: Connection, key: Key) -> Remembered | None:
    """Find what a key was answered with; None for a key nobody has used.

    :raises contracts.errors.IdempotencyMismatch: it was used with another body.
    """
    row = await connection.fetchrow(_RECALL, key.scope.value, key.holder_id, key.key)
    return None if row is None else remembered(dict(row), key.body_hash)


async def remember(
    connection: Connection, key: Key, *, target_id: int, status: str
) -> Remembered | None:
    """Store what a key is answered with; of many who do, the first says what all answer.

    :raises contracts.errors.IdempotencyMismatch: the first had another body.
    """
    row = await connection.fetchrow(
        _REMEMBER,
        key.scope.value,
        key.holder_id,
        key.key,
        key.body_hash,
        target_id,
        document({"status": status}),
    )
    # A statement does not see what was committed while it waited, the next one does.
    return await recall(connection, key) if row is None else remembered(dict(row), key.body_hash)


def remembered(row: Mapping[str, Any], body_hash: str) -> Remembered:
    """Read a row that a key has.

    :raises contracts.errors.IdempotencyMismatch: it was used with another body.
    """
    if row["body_hash"] != body_hash:
        raise IdempotencyMismatch
    return Remembered(target_id=row["target_id"], status=row["status"])
