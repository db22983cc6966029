"""Users: made when their token is first seen, reached where their token or they themselves say."""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence

import msgspec

from contracts.people import Locale
from contracts.states import UserState
from models.engine import Connection
from models.wechat_identities import bind_openid, unbind_openid

_NAME_MAX = 64
_SLUG_MAX = 32
_NOT_IN_SLUGS = re.compile(r"[^a-z0-9]+")
# Nobody has such an address: the domain ends in what is kept for tests (RFC 2606).
_PRETENDED_DOMAIN = "guichet.test"

_SEEN = "SELECT id, email, locale FROM users WHERE issuer = $1 AND subject = $2"
# The no-op update makes the row come back also when another process was quicker.
_MADE = """
INSERT INTO users (issuer, subject, name, email, locale) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (issuer, subject) DO UPDATE SET issuer = excluded.issuer
RETURNING id, email, locale
"""
_REACHED = """
UPDATE users SET email = coalesce($2, email), locale = coalesce($3, locale) WHERE id = $1
"""
_CHANGED = """
UPDATE users SET email = CASE WHEN $2 THEN $3 ELSE email END,
  locale = CASE WHEN $4 THEN $5 ELSE locale END
WHERE id = $1 RETURNING name, email, locale, state
"""


# In the order of their ids, that two groups never wait for each other.
_PAID = """
WITH payers AS (
    SELECT id FROM users WHERE state = 'registered'
      AND id IN (SELECT user_id FROM orders WHERE id = ANY($1::bigint[]))
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE users SET state = 'paid' FROM payers WHERE users.id = payers.id
"""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is called, how mail reaches them as far as we know, and what they are to us."""

    name: str
    email: str | None
    locale: str | None
    state: UserState


async def user_at_first_sight(
    db: Connection,
    *,
    issuer: str,
    subject: str,
    name: str | None = None,
    email: str | None = None,
    locale: Locale | None = None,
) -> int:
    """Return the id of the person *issuer* calls *subject*, made now if new.

    Where *email* and *locale* are said they count from now on; nothing is written that is known.
    """
    found = await db.fetchrow(_SEEN, issuer, subject) or await db.fetchrow(
        _MADE, issuer, subject, (name or subject)[:_NAME_MAX], email, locale
    )
    assert found is not None
    known = (email or found["email"], locale or found["locale"])
    if known != (found["email"], found["locale"]):
        await db.execute(_REACHED, found["id"], email, locale)
    return int(found["id"])


async def get_person(db: Connection, user_id: int) -> Person:
    """Read who a user is; the user exists."""
    row = await db.fetchrow("SELECT name, email, locale, state FROM users WHERE id = $1", user_id)
    assert row is not None
    return msgspec.convert(dict(row), Person)


async def change_person(db: Connection, user_id: int, changes: Mapping[str, str | None]) -> Person:
    """Change ``email`` and ``locale`` as far as they are named, and return what holds then."""
    row = await db.fetchrow(
        _CHANGED,
        user_id,
        "email" in changes,
        changes.get("email"),
        "locale" in changes,
        changes.get("locale"),
    )
    assert row is not None
    return msgspec.convert(dict(row), Person)


async def note_payers(db: Connection, order_ids: Sequence[int]) -> None:
    """Note that the buyers of paid orders have paid for something, once. Nothing undoes that."""
    await db.execute(_PAID, list(order_ids))


async def sandbox_user(
    db: Connection, *, issuer: str, name: str, with_openid: bool, other_appid: str | None = None
) -> int:
    """Return the id of the pretended person *name*, who has a WeChat account or has none.

    *other_appid* is the app at which the person is called differently than at the service account.
    """
    user_id = await db.fetchval(
        "INSERT INTO users (issuer, subject, name, openid) VALUES ($1, $2, $2, $3)"
        " ON CONFLICT (issuer, subject) DO UPDATE SET openid = excluded.openid RETURNING id",
        issuer,
        name,
        _pretended_openid(name) if with_openid else None,
    )
    if other_appid is not None and with_openid:
        openid = _pretended_openid(f"{other_appid} {name}")
        await bind_openid(db, user_id=user_id, appid=other_appid, openid=openid)
    elif other_appid is not None:
        await unbind_openid(db, user_id=user_id, appid=other_appid)
    await db.execute(
        "UPDATE users SET email = $2 WHERE id = $1 AND email IS NULL",
        user_id,
        _pretended_email(name, user_id),
    )
    return int(user_id)


def _pretended_email(name: str, user_id: int) -> str:
    slug = _NOT_IN_SLUGS.sub("-", name.lower())[:_SLUG_MAX].strip("-") or "somebody"
    return f"{slug}.{user_id}@{_PRETENDED_DOMAIN}"


def _pretended_openid(name: str) -> str:
    # Real ones are 28 characters and begin with an o (WeChat, user openid, read 2026-11).
    return "o" + urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode()[:27]
