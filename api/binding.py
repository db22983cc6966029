"""The doors through which WeChat accounts are bound to users: from the Mini Program, from H5."""

from litestar import post
from litestar.params import JSONBody

from api.auth import PUBLIC
from api.bodies import refuse_words
from api.problems import documented
from api.rooms import Anybody, Visitor, house_of
from contracts.wire import bridge as wire

_BASE = "/api/payments/wechat"
_BOUND = wire.Bound(bound=True)


@post(f"{_BASE}/mini-bind-token", responses=documented(401, 413))
async def make_mini_bind_token(request: Visitor) -> wire.BindToken:
    """Make a token that stands for you in the Mini Program, once."""
    await refuse_words(request)
    minted = await house_of(request).bindings.mint_token(request.user.user_id)
    return wire.BindToken(bind_token=minted.secret, expires_at=minted.expires_at)


@post(f"{_BASE}/bind-mini-openid", status_code=200, responses=documented(401, 413, 415))
async def bind_mini_openid(request: Visitor, data: JSONBody[wire.BindMiniOpenid]) -> wire.Bound:
    """Bind the account that is logged in to the Mini Program to yourself."""
    await house_of(request).bindings.bind_login(request.user.user_id, data.code)
    return _BOUND


@post(
    f"{_BASE}/bind-mini-openid-with-token",
    opt=PUBLIC,
    status_code=200,
    responses=documented(401, 413, 415),
)
async def bind_mini_openid_with_token(
    request: Anybody, data: JSONBody[wire.BindMiniOpenidWithToken]
) -> wire.Bound:
    """Bind the account that is logged in to the Mini Program to whom the token stands for."""
    await house_of(request).bindings.bind_login_by_token(data.bind_token, data.code)
    return _BOUND


@post(f"{_BASE}/h5-bind-state", responses=documented(401, 413))
async def make_h5_bind_state(request: Visitor) -> wire.BindState:
    """Say where to go in the WeChat browser; you come back with a code and the state."""
    await refuse_words(request)
    consent = await house_of(request).bindings.begin_consent(request.user.user_id)
    return wire.BindState(
        state=consent.state.secret,
        authorize_url=consent.url,
        expires_at=consent.state.expires_at,
    )


@post(f"{_BASE}/bind-openid", status_code=200, responses=documented(401, 413, 415))
async def bind_openid(request: Visitor, data: JSONBody[wire.BindOpenid]) -> wire.Bound:
    """Bind the account that came back from WeChat to yourself."""
    await house_of(request).bindings.bind_consent(request.user.user_id, data.code, data.state)
    return _BOUND
