"""WeChat's identity servers behind the identity interface.

1. One method is one call: no state of ours, no repeats.
2. Secrets, codes and openids stay between WeChat and the caller. They travel in the address, which
   HTTP clients like to log and to keep in what they raise: ours shows neither.
3. Session keys and access tokens come along and are dropped unread.

Source: WeChat, code2Session and web page authorization, read 2026-11.
"""

import asyncio
import re
from typing import Self
from urllib.parse import urlencode

import httpx

from providers.wechat import errors, exchange
from providers.wechat.client import bounded_client
from providers.wechat.settings import App, IdentitySettings
from providers.wechat.watch import watched

# Real ones are some 32 letters and digits.
_CODE = re.compile(r"[!-~]{1,256}")
_STATE = re.compile(r"[0-9A-Za-z]{1,128}")


class WeChatIdentity:
    """The adapter. Use it as an asynchronous context manager, in one event loop."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._settings = settings
        self._client = bounded_client(
            timeout_seconds=settings.timeout_seconds,
            connect_timeout_seconds=settings.connect_timeout_seconds,
            connections=settings.max_connections,
            on_loopback=settings.is_loopback,
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    @property
    def mini_program_appid(self) -> str:
        """See Identity.mini_program_appid."""
        return self._settings.mini_program.appid

    @property
    def service_account_appid(self) -> str:
        """See Identity.service_account_appid."""
        return self._settings.service_account.appid

    @property
    def knows_logins(self) -> bool:
        """See Identity.knows_logins."""
        return self._settings.mini_program.secret is not None

    @property
    def knows_consents(self) -> bool:
        """See Identity.knows_consents."""
        return self._settings.service_account.secret is not None

    async def openid_of_login(self, code: str) -> str:
        """See Identity.openid_of_login."""
        app = self._settings.mini_program
        return await self._exchange("openid_of_login", "/sns/jscode2session", app, "js_code", code)

    async def openid_of_consent(self, code: str) -> str:
        """See Identity.openid_of_consent."""
        app = self._settings.service_account
        return await self._exchange(
            "openid_of_consent", "/sns/oauth2/access_token", app, "code", code
        )

    def authorize_url(self, *, redirect_uri: str, state: str) -> str:
        """See Identity.authorize_url."""
        if _STATE.fullmatch(state) is None:
            raise ValueError("state is not 1 to 128 letters and digits")
        app = self._settings.service_account
        if app.secret is None:
            raise exchange.error_of("authorize_url", exchange.NOT_CONFIGURED)
        # WeChat wants these words in this order, and the fragment too.
        words = {
            "appid": app.appid,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": "snsapi_base",
            "state": state,
        }
        page = f"{self._settings.open_base.rstrip('/')}/connect/oauth2/authorize"
        return f"{page}?{urlencode(words)}#wechat_redirect"

    async def _exchange(self, operation: str, path: str, app: App, name: str, code: str) -> str:
        with watched(operation) as outcome:
            if app.secret is None:
                raise exchange.error_of(operation, exchange.NOT_CONFIGURED)
            if _CODE.fullmatch(code) is None:
                raise exchange.error_of(operation, exchange.NOT_SENT)
            words = {"appid": app.appid, "secret": app.secret, name: code}
            status, body = await self._get(
                operation, path, words | {"grant_type": "authorization_code"}
            )
            outcome.code = exchange.code_of(status, body)
            return exchange.openid_in(operation, outcome.code, body)

    async def _get(self, operation: str, path: str, words: dict[str, str]) -> tuple[int, bytes]:
        url = f"{self._settings.api_base.rstrip('/')}{path}"
        request = self._client.build_request("GET", url, params=words)
        request.url = _Discreet(request.url)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                response = await self._client.send(request)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the call may have arrived
            # Without its cause, which holds the request.
            raise errors.error_of_transport(operation, error) from None
        return response.status_code, response.content


class _Discreet(httpx.URL):
    """An address that does not tell its query to whoever prints it."""

    def __str__(self) -> str:
        return str(self.copy_with(query=None))

    def __repr__(self) -> str:
        return f"URL({str(self)!r})"
