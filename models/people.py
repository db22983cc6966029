"""Users: made when their token is first seen."""

import hashlib
from base64 import urlsafe_b64encode

from models.engine import Connection
from models.wechat_identities import bind_openid, unbind_openid

_NAME_MAX = 64


async def user_at_first_sight(
    db: Connection, *, issuer: str, subject: str, name: str | None = None
) -> int:
    """Return the id of the person *issuer* calls *subject*, made now if new."""
    found = await db.fetchval(
        "SELECT id FROM users WHERE issuer = $1 AND subject = $2", issuer, subject
    )
    if found is None:
        # The no-op update makes the row come back also when another process was quicker.
        found = await db.fetchval(
            "INSERT INTO users (issuer, subject, name) VALUES ($1, $2, $3)"
            " ON CONFLICT (issuer, subject) DO UPDATE SET issuer = excluded.issuer RETURNING id",
            issuer,
            subject,
            (name or subject)[:_NAME_MAX],
        )
    return int(found)


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
    return int(user_id)


def _pretended_openid(name: str) -> str:
    # Real ones are 28 characters and begin with an o (WeChat, user openid, read 2026-11).
    return "o" + urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode()[:27]
