"""Calls to WeChat Pay that bring no answer."""

import asyncio
import contextlib
import socket

import pytest

from providers.provider import (
    OutcomeUnknown,
    ProviderUnreachable,
)
from providers.wechat.adapter import WeChatPay
from tests.providers.merchant import (
    an_attempt,
)
from tests.providers.scripted import OPERATIONS, Scripted, calls, public_key_mode
from tests.providers.wire_server import Sent, WireServer


class TestAWorldThatFails:
    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_before_a_connection_leaves_the_call_to_be_repeated(self, operation: str) -> None:
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))  # never listens: connections are refused
            url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
            async with WeChatPay(public_key_mode(url)) as provider:
                with pytest.raises(ProviderUnreachable, match="connect"):
                    await calls(provider)[operation]()

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_after_a_connection_leaves_the_outcome_unknown(
        self, scripted: Scripted, operation: str
    ) -> None:
        scripted.answers(None)

        with pytest.raises(OutcomeUnknown, match="transport"):
            await calls(scripted.provider)[operation]()

    async def test_by_too_many_calls_leaves_the_last_to_be_repeated(self) -> None:
        arrived = asyncio.Event()

        async def silence(_: Sent) -> bytes | None:
            arrived.set()
            await asyncio.sleep(30)
            return None

        one_at_a_time = {"max_connections": 1, "connect_timeout_seconds": 1.0}
        async with (
            WireServer(silence) as gateway,
            WeChatPay(public_key_mode(gateway.url, **one_at_a_time)) as provider,
        ):
            first = asyncio.create_task(provider.query(an_attempt()))
            await arrived.wait()
            with pytest.raises(ProviderUnreachable, match="busy"):
                await provider.query(an_attempt())

            assert gateway.sent.qsize() == 1
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_by_silence_leaves_the_outcome_unknown(self, operation: str) -> None:
        async def silence(_: Sent) -> bytes | None:
            await asyncio.sleep(30)
            return None

        async with WireServer(silence) as gateway:
            patience = {"timeout_seconds": 1.0, "connect_timeout_seconds": 1.0}
            async with WeChatPay(public_key_mode(gateway.url, **patience)) as provider:
                with pytest.raises(OutcomeUnknown, match="timeout"):
                    await calls(provider)[operation]()

    async def test_by_dripping_leaves_the_outcome_unknown_in_time(self) -> None:
        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                while not writer.is_closing():
                    await asyncio.sleep(0.05)
                    writer.write(b" ")
                    await writer.drain()

        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            patience = {"timeout_seconds": 1.0, "connect_timeout_seconds": 1.0}
            async with WeChatPay(public_key_mode(url, **patience)) as provider:
                async with asyncio.timeout(30):
                    with pytest.raises(OutcomeUnknown, match="timeout"):
                        await provider.query(an_attempt())
