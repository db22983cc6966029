"""Codes of WeChat's logins, exchanged for what the person is called, or refused in our words."""

from collections.abc import Awaitable

import structlog

from contracts import errors
from contracts.tokens import RedeemedToken
from models.engine import Database
from models.one_time_tokens import give_back_token
from providers.identity import Identity
from providers.provider import ProviderError, ProviderRefused

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")


def who_knows_logins(identity: Identity | None) -> Identity:
    """Insist on somebody who can tell whose a login in the Mini Program is.

    :raises contracts.errors.ProviderNotConfigured: nobody can, for want of settings.
    """
    if identity is None or not identity.knows_logins:
        raise errors.ProviderNotConfigured
    return identity


def who_knows_consents(identity: Identity | None) -> Identity:
    """Insist on somebody who can tell whose a consent in the WeChat browser is.

    :raises contracts.errors.ProviderNotConfigured: nobody can, for want of settings.
    """
    if identity is None or not identity.knows_consents:
        raise errors.ProviderNotConfigured
    return identity


async def openid_against(database: Database, token: RedeemedToken, exchange: Awaitable[str]) -> str:
    """Wait for an openid that a token was used up for.

    The token is given back unless WeChat said no: it is as good with the code of another login,
    and whoever holds both was told to try again. Else as :func:`openid_from`.
    """
    try:
        return await openid_from(exchange)
    except errors.ProviderUnavailable:
        await give_back_token(database, token)
        raise


async def openid_from(exchange: Awaitable[str]) -> str:
    """Wait for an openid.

    :raises contracts.errors.WechatCodeRefused: the client logs in again.
    :raises contracts.errors.ProviderUnavailable: WeChat is away; try again in a moment.
    """
    try:
        return await exchange
    except ProviderRefused as refused:
        _note(refused)
        raise errors.WechatCodeRefused from refused
    except ProviderError as failure:
        _note(failure)
        raise errors.ProviderUnavailable from failure


def _note(failure: ProviderError) -> None:
    log.warning(
        "payments.identity.failed",
        provider=failure.provider,
        operation=failure.operation,
        code=failure.code,
    )
