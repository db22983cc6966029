"""What people are called at each WeChat app: an openid means nothing at another one."""

from collections.abc import Sequence

import msgspec

from models.engine import Connection

_OPENIDS = """
SELECT CASE WHEN w.appid IS NULL THEN u.openid ELSE i.openid END AS openid
FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS w(user_id, appid, n)
LEFT JOIN users u ON u.id = w.user_id
LEFT JOIN wechat_identities i ON i.user_id = w.user_id AND i.appid = w.appid
ORDER BY w.n
"""


class At(msgspec.Struct, frozen=True, kw_only=True):
    """A person at an app; *other_appid* is None at the service account."""

    user_id: int
    other_appid: str | None = None


async def openids_of(db: Connection, whose: Sequence[At]) -> list[str | None]:
    """Return what people are called, in the order of *whose*; None where nothing is bound."""
    user_ids, appids = [one.user_id for one in whose], [one.other_appid for one in whose]
    return [row["openid"] for row in await db.fetch(_OPENIDS, user_ids, appids)]


async def bind_openid(db: Connection, *, user_id: int, appid: str, openid: str) -> None:
    """Remember what the person is called at *appid*, instead of what was bound before."""
    await db.execute(
        """INSERT INTO wechat_identities (user_id, appid, openid, bound_at)
           VALUES ($1, $2, $3, now())
           ON CONFLICT (user_id, appid)
           DO UPDATE SET openid = excluded.openid, bound_at = excluded.bound_at""",
        user_id,
        appid,
        openid,
    )


async def unbind_openid(db: Connection, *, user_id: int, appid: str) -> None:
    """Forget what the person is called at *appid*. Safe to repeat."""
    await db.execute(
        "DELETE FROM wechat_identities WHERE user_id = $1 AND appid = $2", user_id, appid
    )


async def bind_own_openid(db: Connection, *, user_id: int, openid: str) -> None:
    """Remember what the person is called at the service account."""
    await db.execute("UPDATE users SET openid = $2 WHERE id = $1", user_id, openid)
