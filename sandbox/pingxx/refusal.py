"""How Ping++ says no: a status and an ``error`` with a type, sometimes a code, and a message.

Source: Ping++ API, errors, read 2026-11.
"""

from typing import Any


class Refusal(Exception):
    """A definite no, or the sandbox's pretence of a bad day."""

    def __init__(self, status: int, kind: str, message: str, code: str | None = None) -> None:
        super().__init__(kind)
        self.status = status
        said = {"type": kind, "message": message, "code": code}
        self.body: dict[str, Any] = {"error": {n: v for n, v in said.items() if v is not None}}


def invalid(message: str) -> Refusal:
    """Refuse a request that makes no sense here."""
    return Refusal(400, "invalid_request_error", message)


def not_found(what: str) -> Refusal:
    """Know nothing of an id."""
    return Refusal(404, "invalid_request_error", f"No such {what}")


def stranger(message: str) -> Refusal:
    """Refuse a caller who did not prove who they are."""
    return Refusal(401, "authentication_error", message)


def refused_by_channel(channel: str, message: str) -> Refusal:
    """Pass on what the channel below said."""
    told = f"对支付渠道的请求未能成功。来自 {channel} 渠道的错误信息：{message}"
    return Refusal(402, "channel_error", told, "channel_request_error")
