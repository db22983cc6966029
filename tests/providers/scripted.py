"""An adapter and a gateway that answers what a test tells it to."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from providers.wechat.adapter import WeChatPay
from providers.wechat.settings import WeChatSettings
from tests.providers.merchant import (
    a_refund_of,
    an_attempt,
    settings_of,
)
from tests.providers.signing import (
    Platform,
    public_pem,
)
from tests.providers.wire_server import Sent, WireServer, an_answer

PLATFORM = Platform()
OPERATIONS = ["open", "query", "close", "refund", "query_refund"]


class Scripted:
    """An adapter and the gateway it talks to."""

    def __init__(self, provider: WeChatPay, gateway: WireServer) -> None:
        self.provider = provider
        self.gateway = gateway

    def answers(self, raw: bytes | None) -> None:
        async def script(_: Sent) -> bytes | None:
            return raw

        self.gateway.script = script

    def says(self, content: object, **headers: str) -> None:
        body = json.dumps(content).encode()
        self.answers(an_answer(200, body, PLATFORM.headers(body) | headers))


async def hang_up(_: Sent) -> None:
    return None


def public_key_mode(url: str, **changes: Any) -> WeChatSettings:  # noqa: ANN401 - any field
    return settings_of(
        gateway=url,
        platform_public_keys_pem={PLATFORM.serial: public_pem(PLATFORM.key)},
        **changes,
    )


def calls(provider: WeChatPay) -> dict[str, Callable[[], Awaitable[object]]]:
    attempt = an_attempt()
    return {
        "open": lambda: provider.open(attempt),
        "query": lambda: provider.query(attempt),
        "close": lambda: provider.close(attempt),
        "refund": lambda: provider.refund(a_refund_of(attempt)),
        "query_refund": lambda: provider.query_refund(a_refund_of(attempt)),
    }
