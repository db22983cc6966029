"""The codes an app's own front end is given, each worth one exchange for an openid.

A code is bound to an appid and lives five minutes. Forgotten at a restart.

Source: WeChat, code2Session and web page authorization, read 2026-11.
"""

import secrets

import msgspec

from sandbox.wechatlogin.refusal import Refusal


class _Code(msgspec.Struct, kw_only=True):
    appid: str
    openid: str
    expires_at_ms: int
    used: bool = False


class Codes:
    """What was handed out and may still be asked about."""

    def __init__(self, *, life_seconds: float) -> None:
        self._life_ms = round(life_seconds * 1000)
        self._codes: dict[str, _Code] = {}

    def issue(self, appid: str, openid: str, *, now_ms: int) -> str:
        """Make a code that stands for one person at one app."""
        self._forget(now_ms)
        code = secrets.token_hex(16)
        self._codes[code] = _Code(appid=appid, openid=openid, expires_at_ms=now_ms + self._life_ms)
        return code

    def exchange(self, code: str, appid: str, *, now_ms: int) -> str:
        """Use a code up and say who it stands for.

        :raises Refusal: used, too old, another app's or nobody's.
        """
        known = self._codes.get(code)
        if known is None or known.appid != appid or known.expires_at_ms <= now_ms:
            raise Refusal(40029, "invalid code")
        if known.used:
            raise Refusal(40163, "code been used")
        known.used = True
        return known.openid

    def _forget(self, now_ms: int) -> None:
        self._codes = {c: known for c, known in self._codes.items() if known.expires_at_ms > now_ms}
