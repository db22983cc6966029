"""Who is asking. Every door is closed unless it says that it is public."""

import time
from typing import Any

from litestar import get, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody
from litestar.types import Guard

from api.bodies import invalid
from api.problems import documented
from api.rooms import Anybody, Principal, house_of
from api.tokens import Claims, issue_sandbox_token, read_token
from contracts.errors import Forbidden, Unauthenticated
from contracts.wire.people import ClientConfig, SandboxLogin, SignedIn, User
from models.people import sandbox_user, user_at_first_sight

PUBLIC = {"public": True}
# About ten megabytes at most; when it is full, everybody is simply looked up again.
_REMEMBERED_MAX = 20_000
_SCHEME = "bearer "


def role(name: str) -> dict[str, str]:
    """Open a door to one role only."""
    return {"role": name}


def doorkeeper() -> Guard:
    """Make the guard of all doors; it remembers the tokens it has seen until they end."""
    seen: dict[str, tuple[Principal, float]] = {}

    async def guard(
        connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        if handler.opt.get("public") or connection.scope.get("method") == "OPTIONS":
            return
        token = _bearer(connection)
        principal, ends_at = seen.get(token) or (None, 0.0)
        if principal is None or time.time() >= ends_at:
            claims = read_token(house_of(connection).settings, token)
            principal = await _principal(connection, claims)
            if len(seen) >= _REMEMBERED_MAX:
                seen.clear()
            seen[token] = (principal, claims.expires_at)
        wanted = handler.opt.get("role")
        if wanted is not None and wanted not in principal.roles:
            raise Forbidden
        connection.scope["user"] = principal

    return guard


@get("/api/config", opt=PUBLIC)
async def get_config(request: Anybody) -> ClientConfig:
    """Tell a client what it must know before anybody signs in."""
    house = house_of(request)
    settings, gate = house.settings, await house.gatekeeper.current()
    return ClientConfig(
        app_env=settings.app_env.value,
        sandbox_url=settings.sandbox_url,
        stripe_enabled=settings.offers_stripe,
        stripe_publishable_key=settings.stripe_key_for_browsers,
        min_bridge_version=gate.min_version,
    )


@post("/api/auth/sandbox-login", opt=PUBLIC, status_code=200, responses=documented(413, 415))
async def sandbox_login(request: Anybody, data: JSONBody[SandboxLogin]) -> SignedIn:
    """Become anybody, in the sandbox only. The same name is the same user."""
    if not data.name.isprintable():
        raise invalid("name", "Only printable characters, please.")
    house = house_of(request)
    user_id = await sandbox_user(
        house.database,
        issuer=house.settings.jwt_issuer,
        name=data.name,
        with_openid=data.openid,
        other_appid=house.settings.other_mini_program_app_id,
    )
    token = issue_sandbox_token(house.settings, subject=data.name, roles=[data.role])
    return SignedIn(token=token, user=User(id=user_id, name=data.name, roles=(data.role,)))


def _bearer(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    headers = connection.headers.getall("authorization", [])
    # Of two, a proxy before us may have checked the other one.
    header = headers[0] if len(headers) == 1 else ""
    if header[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated
    return header[len(_SCHEME) :].strip()


async def _principal(connection: ASGIConnection[Any, Any, Any, Any], claims: Claims) -> Principal:
    user_id = await user_at_first_sight(
        house_of(connection).database,
        issuer=claims.issuer,
        subject=claims.subject,
        name=claims.name,
        email=claims.email,
        locale=claims.locale,
    )
    said = {"email": claims.email, "locale": claims.locale}
    return Principal(
        user_id=user_id,
        roles=claims.roles,
        said_by_token=frozenset(name for name, value in said.items() if value is not None),
    )
