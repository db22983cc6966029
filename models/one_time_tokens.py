"""Secrets that open one thing once, of which only the hash is kept."""

import hashlib
import secrets
from datetime import timedelta

import msgspec

from contracts.tokens import MintedToken, RedeemedToken, TokenKind
from models.engine import Connection

_LIFE = {
    TokenKind.BRIDGE_PAY: timedelta(seconds=60),
    TokenKind.MINI_BIND: timedelta(minutes=5),
    TokenKind.OAUTH_STATE: timedelta(minutes=10),
}
# 128 bits are beyond guessing; a bind token is longer because its clients expect 48 digits.
_SECRET_BYTES = {TokenKind.BRIDGE_PAY: 16, TokenKind.MINI_BIND: 24, TokenKind.OAUTH_STATE: 16}
_MINT = """
INSERT INTO one_time_tokens (kind, token_hash, user_id, order_id, attempt_no, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + $6::interval)
RETURNING expires_at
"""
# The row's own lock lets one of many through: the others then see that it is used.
_REDEEM = """
UPDATE one_time_tokens SET used_at = now()
WHERE token_hash = $1 AND kind = $2 AND used_at IS NULL AND expires_at > now()
  AND ($3::bigint IS NULL OR user_id = $3)
RETURNING id, user_id, order_id, attempt_no
"""
# Tokens are numbered as they are made, and none lives long: the ended ones are among the first.
_PURGE = """
WITH first AS (
    SELECT id FROM one_time_tokens ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
)
DELETE FROM one_time_tokens AS token USING first
WHERE token.id = first.id AND token.expires_at <= now()
RETURNING token.id
"""


async def mint_token(
    db: Connection,
    kind: TokenKind,
    *,
    user_id: int,
    order_id: int | None = None,
    attempt_no: str | None = None,
) -> MintedToken:
    """Make a token; its secret exists only in what is returned."""
    secret = secrets.token_hex(_SECRET_BYTES[kind])
    expires_at = await db.fetchval(
        _MINT, kind.value, _hash_of(secret), user_id, order_id, attempt_no, _LIFE[kind]
    )
    return MintedToken(secret=secret, expires_at=expires_at)


async def redeem_token(
    db: Connection, kind: TokenKind, secret: str, *, user_id: int | None = None
) -> RedeemedToken | None:
    """Use a token up, exactly once however many try; None when it opens nothing.

    With *user_id*, somebody else's token is left alone.
    """
    row = await db.fetchrow(_REDEEM, _hash_of(secret), kind.value, user_id)
    return None if row is None else msgspec.convert(dict(row), RedeemedToken)


async def give_back_token(db: Connection, token: RedeemedToken) -> None:
    """Let a token be used again: what it was to open stayed shut."""
    await db.execute("UPDATE one_time_tokens SET used_at = NULL WHERE id = $1", token.id)


async def purge_tokens(db: Connection, *, limit: int) -> int:
    """Remove up to *limit* tokens whose time is over; return how many."""
    return len(await db.fetch(_PURGE, limit))


def _hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
