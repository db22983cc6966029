"""One adapter for every test that does not change its keys: loading keys takes a while."""

from collections.abc import AsyncIterator

import pytest

from providers.wechat.adapter import WeChatPay
from tests.providers.scripted import Scripted, hang_up, public_key_mode
from tests.providers.wire_server import WireServer


@pytest.fixture(scope="session")
async def adapter() -> AsyncIterator[Scripted]:
    async with (
        WireServer(hang_up) as gateway,
        WeChatPay(public_key_mode(gateway.url)) as provider,
    ):
        yield Scripted(provider, gateway)


@pytest.fixture
def scripted(adapter: Scripted) -> Scripted:
    adapter.gateway.script = hang_up
    while not adapter.gateway.sent.empty():
        adapter.gateway.sent.get_nowait()
    return adapter
