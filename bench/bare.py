"""``python -m bench.bare``: the adapter's own calls to the simulator, and nothing around them.

Reads its settings from the environment as the service does, waits for a line on its input, and
prints how many calls it made and in how many seconds.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta

import uvloop

from contracts.attempt import AttemptRequest
from contracts.money import Money
from contracts.numbers import attempt_no, new_order_no
from contracts.states import Channel
from providers.provider import Provider
from runtime.logs import configure_logs
from runtime.settings import Settings, read_settings
from runtime.wiring import open_house


async def call(settings: Settings, *, clients: int, seconds: float) -> tuple[int, float]:
    """Open attempts from as many *clients* at once for *seconds*."""
    async with open_house(settings) as house:
        provider = house.providers["wechat"]
        # The first call makes the connection.
        await asyncio.gather(*(provider.open(_request(settings)) for _ in range(clients)))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        started = time.perf_counter()
        made = await asyncio.gather(
            *(_keep_calling(provider, settings, started + seconds) for _ in range(clients))
        )
        return sum(made), time.perf_counter() - started


async def _keep_calling(provider: Provider, settings: Settings, until: float) -> int:
    made = 0
    while time.perf_counter() < until:
        await provider.open(_request(settings))
        made += 1
    return made


def _request(settings: Settings) -> AttemptRequest:
    assert settings.wechat_pay_mch_id
    assert settings.wechat_service_account_app_id
    return AttemptRequest(
        attempt_no=attempt_no(new_order_no(), 1),
        provider="wechat",
        channel=Channel.WECHAT_NATIVE,
        merchant_id=settings.wechat_pay_mch_id,
        appid=settings.wechat_service_account_app_id,
        amount=Money(amount_minor=5000, currency="CNY"),
        description="Bench Night",
        payable_until=datetime.now(UTC) + timedelta(minutes=30),
        notify_url=settings.notify_url,
    )


def main() -> None:
    """Call as the command line says: clients, seconds."""
    settings = read_settings()
    configure_logs("WARNING")
    made, seconds = uvloop.run(call(settings, clients=int(sys.argv[1]), seconds=float(sys.argv[2])))
    sys.stdout.write(f"{made} {seconds}\n")


if __name__ == "__main__":
    main()
