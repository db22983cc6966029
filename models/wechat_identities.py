"""What people are called at each WeChat app: an openid means nothing at another one."""

from models.engine import Connection


async def openid_of(db: Connection, *, user_id: int, appid: str) -> str | None:
    """Return what the person is called at *appid*; None when nothing is bound."""
    openid: str | None = await db.fetchval(
        "SELECT openid FROM wechat_identities WHERE user_id = $1 AND appid = $2", user_id, appid
    )
    return openid


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


async def own_openid_of(db: Connection, user_id: int) -> str | None:
    """Return what the person is called at the service account; None when nothing is bound."""
    openid: str | None = await db.fetchval("SELECT openid FROM users WHERE id = $1", user_id)
    return openid


async def bind_own_openid(db: Connection, *, user_id: int, openid: str) -> None:
    """Remember what the person is called at the service account."""
    await db.execute("UPDATE users SET openid = $2 WHERE id = $1", user_id, openid)
