"""The doors: a browser is sent through one, an app's server exchanges codes at the other two.

- ``GET /connect/oauth2/authorize`` sends the browser on with a code at once, as it does for
  ``snsapi_base``. Who the person is says ``openid``, a parameter of the sandbox alone; without it
  everybody is the same person.
- ``GET /sns/oauth2/access_token`` and ``GET /sns/jscode2session`` exchange a code.

An app's codes are worth the same at both exchanges: what differs in the world is the kind of app.

Source: WeChat, code2Session and web page authorization, read 2026-11.
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from sandbox.faults import Fault, Faults
from sandbox.settings import WechatSettings
from sandbox.silence import still_there_after
from sandbox.wechatlogin.codes import Codes
from sandbox.wechatlogin.refusal import Refusal

AnyRequest = Request[Any, Any, Any]
Read = Callable[[str], dict[str, object]]

PROVIDER = "wechat"
OPENID = re.compile(r"[0-9A-Za-z_\-]{1,128}")
_STATE = re.compile(r"[0-9A-Za-z]{0,128}")
_SCOPES = frozenset({"snsapi_base", "snsapi_userinfo"})
_ACCESS_SECONDS = 7200


class Login:
    """The accounts behind every app of one owner."""

    operations = frozenset({"jscode2session", "access_token"})

    def __init__(self, *, settings: WechatSettings, faults: Faults) -> None:
        self._settings = settings
        self._faults = faults
        self._codes = Codes(life_seconds=settings.login_code_seconds)

    def routes(self) -> Sequence[HTTPRouteHandler]:
        """Answer below /sns and /connect."""

        @get("/sns/jscode2session")
        async def jscode2session(request: AnyRequest) -> Response[Any]:
            return await self._answer(request, "jscode2session", "js_code", _session)

        @get("/sns/oauth2/access_token")
        async def access_token(request: AnyRequest) -> Response[Any]:
            return await self._answer(request, "access_token", "code", _access)

        @get("/connect/oauth2/authorize", sync_to_thread=False)
        def authorize(request: AnyRequest) -> Response[Any]:
            try:
                return Redirect(self._way_back(request.query_params))
            except Refusal as refusal:
                # In the world a page for people; a developer is better served by a plain no.
                return _response(400, refusal.body())

        return [jscode2session, access_token, authorize]

    def new_code(self, appid: str, openid: str) -> str:
        """Hand out a code, as ``wx.login`` does in the app.

        :raises Refusal: there is no such app.
        """
        self._require_app(appid)
        return self._codes.issue(appid, openid, now_ms=_now_ms())

    async def _answer(
        self, request: AnyRequest, operation: str, name: str, read: Read
    ) -> Response[Any]:
        fault = self._faults.take(PROVIDER, operation)
        if _is(fault, "hang_before") and not await _silence(request, fault):
            return _response(408, {})
        if (spoilt := _spoilt(fault)) is not None:
            return spoilt
        try:
            body = read(self._exchange(request.query_params, name))
        except Refusal as refusal:
            body = refusal.body()
        if _is(fault, "timeout_after"):
            await _silence(request, fault)
        return _response(200, body)

    def _exchange(self, words: Mapping[str, str], name: str) -> str:
        appid = words.get("appid", "")
        self._require_app(appid)
        if words.get("secret", "") != self._settings.app_secrets.get(appid):
            raise Refusal(40125, "invalid appsecret")
        if words.get("grant_type") != "authorization_code":
            raise Refusal(40002, "invalid grant_type")
        if not (code := words.get(name, "")):
            raise Refusal(41008, "missing code")
        return self._codes.exchange(code, appid, now_ms=_now_ms())

    def _way_back(self, words: Mapping[str, str]) -> str:
        appid, back = words.get("appid", ""), words.get("redirect_uri", "")
        openid = words.get("openid") or _somebody(appid)
        parts, state = urlsplit(back), words.get("state", "")
        if not (parts.scheme in {"http", "https"} and parts.netloc):
            raise Refusal(10003, "redirect_uri is not an address")
        if words.get("response_type") != "code" or words.get("scope") not in _SCOPES:
            raise Refusal(10005, "response_type or scope")
        if not (_STATE.fullmatch(state) and OPENID.fullmatch(openid)):
            raise Refusal(40035, "state or openid")
        added = urlencode({"code": self.new_code(appid, openid), "state": state})
        query = f"{parts.query}&{added}" if parts.query else added
        return parts._replace(query=query).geturl()

    def _require_app(self, appid: str) -> None:
        if appid not in self._settings.app_ids:
            raise Refusal(40013, "invalid appid")


def _session(openid: str) -> dict[str, object]:
    return {"session_key": base64.b64encode(secrets.token_bytes(16)).decode(), "openid": openid}


def _access(openid: str) -> dict[str, object]:
    return {
        "access_token": secrets.token_urlsafe(64),
        "expires_in": _ACCESS_SECONDS,
        "refresh_token": secrets.token_urlsafe(64),
        "openid": openid,
        "scope": "snsapi_base",
    }


def _somebody(appid: str) -> str:
    return "o" + hashlib.sha256(f"somebody at {appid}".encode()).hexdigest()[:27]


def _spoilt(fault: Fault | None) -> Response[Any] | None:
    if _is(fault, "error_500"):
        return _response(500, {"errcode": -1, "errmsg": "system error"})
    if _is(fault, "rate_limited"):
        return _response(200, Refusal(45011, "api minute-quota reach limit").body())
    if _is(fault, "malformed"):
        return Response(b"<html>Bad Gateway</html>", media_type="text/html")
    return None


def _is(fault: Fault | None, mode: str) -> bool:
    return fault is not None and fault.mode == mode


async def _silence(request: AnyRequest, fault: Fault | None) -> bool:
    return fault is None or await still_there_after(request, fault.hang_seconds)


def _response(status: int, body: Mapping[str, object]) -> Response[Any]:
    # It is JSON, and these servers call it text.
    return Response(msgspec.json.encode(body), status_code=status, media_type="text/plain")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
