"""Bearer tokens: one algorithm, and everything that must be in one."""

import time
from collections.abc import Iterable

import jwt
import msgspec

from contracts.errors import Unauthenticated
from contracts.people import Locale, is_email, locale_of
from runtime.settings import Settings

_ALGORITHM = "HS256"
_REQUIRED = ["sub", "iss", "aud", "exp"]
_SUBJECT_MAX = 255
_SANDBOX_TOKEN_SECONDS = 7 * 24 * 3600
ROLES = frozenset({"buyer", "organizer", "admin"})


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid token says."""

    issuer: str
    subject: str
    name: str | None
    roles: frozenset[str]
    expires_at: float
    email: str | None = None
    locale: Locale | None = None


def read_token(settings: Settings, token: str) -> Claims:
    """Check *token* and read it.

    :raises Unauthenticated: it is not ours, not for us, not valid now, or says too little.
    """
    try:
        claims = jwt.decode(
            token,
            settings.jwt_secret,
            algorithms=[_ALGORITHM],
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            options={"require": _REQUIRED},
        )
        return Claims(
            issuer=settings.jwt_issuer,
            subject=_subject(claims["sub"]),
            name=_name(claims.get("name")),
            roles=_roles(claims.get("roles")),
            expires_at=float(claims["exp"]),
            email=_email(claims.get("email")),
            locale=_locale(claims.get("locale")),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError):
        raise Unauthenticated from None


def issue_sandbox_token(settings: Settings, *, subject: str, roles: Iterable[str]) -> str:
    """Sign a token for a pretended person, good for a week."""
    now = int(time.time())
    claims = {
        "sub": subject,
        "name": subject,
        "roles": sorted(roles),
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "iat": now,
        "exp": now + _SANDBOX_TOKEN_SECONDS,
    }
    return jwt.encode(claims, settings.jwt_secret, algorithm=_ALGORITHM)


def _subject(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= _SUBJECT_MAX or not value.isprintable():
        raise ValueError("sub")
    return value


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value.isprintable() and value else None


def _email(value: object) -> str | None:
    return value if isinstance(value, str) and is_email(value) else None


def _locale(value: object) -> Locale | None:
    return locale_of(value) if isinstance(value, str) else None


def _roles(value: object) -> frozenset[str]:
    listed = value if isinstance(value, list) else []
    return ROLES.intersection(role for role in listed if isinstance(role, str))
