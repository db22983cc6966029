"""How it becomes known what a person is called at WeChat's apps.

1. In the Mini Program by a login's code, alone or with a token that stands for the person there.
2. In the WeChat browser by a consent's code; a state ties the way back to who set out.
3. The last one bound counts. Where the Mini Program has no app of its own, the person has one name.
"""

import msgspec

from actors.logins import openid_against, openid_from, who_knows_consents, who_knows_logins
from contracts import errors
from contracts.tokens import MintedToken, TokenKind
from models.engine import Database
from models.one_time_tokens import mint_token, redeem_token
from models.wechat_identities import bind_openid, bind_own_openid
from providers.identity import Identity


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """Where a person is sent to be asked, and what they come back with."""

    state: MintedToken
    url: str


class Bindings:
    """Learns openids; nothing else of a person is kept."""

    def __init__(self, *, database: Database, identity: Identity | None, redirect_uri: str) -> None:
        self._database = database
        self._identity = identity
        self._redirect_uri = redirect_uri

    async def mint_token(self, user_id: int) -> MintedToken:
        """Make a token that stands for the person in the Mini Program, once, for five minutes."""
        who_knows_logins(self._identity)
        return await mint_token(self._database, TokenKind.MINI_BIND, user_id=user_id)

    async def bind_login(self, user_id: int, code: str) -> None:
        """Bind the account that is logged in to the Mini Program.

        :raises contracts.errors.WechatCodeRefused: the client logs in again.
        :raises contracts.errors.Busy: WeChat is away, or not set up.
        """
        identity = who_knows_logins(self._identity)
        openid = await openid_from(identity.openid_of_login(code))
        await self._bind(user_id, identity, identity.mini_program_appid, openid)

    async def bind_login_by_token(self, secret: str, code: str) -> None:
        """Bind the account that is logged in to the Mini Program to whom the token stands for.

        :raises contracts.errors.BindTokenInvalid: the page makes another.
        :raises contracts.errors.WechatCodeRefused: the token is used up too.
        :raises contracts.errors.Busy: WeChat is away, or not set up.
        """
        identity = who_knows_logins(self._identity)
        token = await redeem_token(self._database, TokenKind.MINI_BIND, secret)
        if token is None:
            raise errors.BindTokenInvalid
        openid = await openid_against(self._database, token, identity.openid_of_login(code))
        await self._bind(token.user_id, identity, identity.mini_program_appid, openid)

    async def begin_consent(self, user_id: int) -> Consent:
        """Say where the person is sent in the WeChat browser; the state lives ten minutes.

        :raises contracts.errors.ProviderNotConfigured: nobody could exchange what comes back.
        """
        identity = who_knows_consents(self._identity)
        state = await mint_token(self._database, TokenKind.OAUTH_STATE, user_id=user_id)
        url = identity.authorize_url(redirect_uri=self._redirect_uri, state=state.secret)
        return Consent(state=state, url=url)

    async def bind_consent(self, user_id: int, code: str, state: str) -> None:
        """Bind the account that came back from where the person was sent.

        :raises contracts.errors.BindStateInvalid: somebody else set out, or long ago; begin again.
        :raises contracts.errors.WechatCodeRefused: the state is used up too; begin again.
        :raises contracts.errors.Busy: WeChat is away, or not set up.
        """
        identity = who_knows_consents(self._identity)
        token = await redeem_token(self._database, TokenKind.OAUTH_STATE, state, user_id=user_id)
        if token is None:
            raise errors.BindStateInvalid
        openid = await openid_against(self._database, token, identity.openid_of_consent(code))
        await self._bind(user_id, identity, identity.service_account_appid, openid)

    async def _bind(self, user_id: int, identity: Identity, appid: str, openid: str) -> None:
        if appid == identity.service_account_appid:
            await bind_own_openid(self._database, user_id=user_id, openid=openid)
        else:
            await bind_openid(self._database, user_id=user_id, appid=appid, openid=openid)
