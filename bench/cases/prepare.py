"""Asking again what an order is paid with: nothing is opened, at most something is signed."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from itertools import cycle
from typing import Final, TypeAlias

from bench.bench import Bench, say
from bench.beside import nothing_request, server_beside
from bench.house import ROOT
from bench.load import fire
from bench.rows import Row, ratios
from bench.shots import Shot, Volley, request
from bench.stage import Buyer, OnSale, bind_openids, payables, put_on_sale, settle_down

_CLIENTS: Final = 64
_PEOPLE: Final = 400
_PATH: Final = "/api/payments/wechat/prepare"
_NATIVE, _JSAPI, _BRIDGE = "Native", "JSAPI", "bridge"
_CONTEXTS: Final[Mapping[str, Mapping[str, object]]] = {
    _NATIVE: {"environmentType": "none"},
    _JSAPI: {"environmentType": "wechat"},
    _BRIDGE: {
        "environmentType": "miniprogram",
        "miniProgramBridgeSupported": True,
        "miniProgramBridgeVersion": "1.2.0",
    },
}
_PAYLOADS: Final = {
    _NATIVE: b'"payPayload":{"codeUrl":',
    _JSAPI: b'"payPayload":{"jsapiParams":',
    _BRIDGE: b'"payPayload":{"requestPaymentParams":',
}

_Requests: TypeAlias = dict[str, list[bytes]]


async def measure(bench: Bench) -> list[Row]:
    """Measure the three channels, empty requests and bare signatures in turn."""
    people = bench.buyers[: bench.sized(_PEOPLE)]
    await bind_openids(bench.database, people, bench.house.keys.secrets.mini_program_app_id)
    sales = {channel: await put_on_sale(bench.database) for channel in _CONTEXTS}
    asked = {channel: await _open(bench, channel, sales[channel], people) for channel in sales}
    nothing, anywhere = [nothing_request(b) for b in people], await put_on_sale(bench.database)
    volleys: dict[str, list[Volley]] = {channel: [] for channel in sales}
    empty: list[float] = []
    signed: list[float] = []
    opened = await _attempts(bench, sales)
    async with server_beside(bench, anywhere, people) as port:
        await settle_down(bench.database)
        for n in range(bench.rounds):
            volleys[_NATIVE].append(await _ask(bench, port, asked, _NATIVE))
            volley = await fire(port, cycle(nothing), clients=_CLIENTS, seconds=bench.seconds)
            empty.append(volley.rate(200))
            volleys[_JSAPI].append(await _ask(bench, port, asked, _JSAPI))
            volleys[_BRIDGE].append(await _ask(bench, port, asked, _BRIDGE))
            signed.append(await _sign(bench))
            told = [f"{channel} {volleys[channel][-1].rate(200):.0f}/s" for channel in volleys]
            told += [f"empty {empty[-1]:.0f}/s", f"signatures {signed[-1]:.0f}/s"]
            say(f"prepare {n + 1}: {', '.join(told)}")
    assert await _attempts(bench, sales) == opened, "something was opened again"
    return _rows(volleys, empty, signed)


def _rows(
    volleys: Mapping[str, list[Volley]], empty: list[float], signed: list[float]
) -> list[Row]:
    rates = {channel: [volley.rate(200) for volley in volleys[channel]] for channel in volleys}
    signatures = "bare RSA-2048 signatures of one core"
    return [
        *(Row(what=f"{c} prepared again, 64 clients", unit="1/s", values=rates[c]) for c in rates),
        Row(what="empty POSTs beside them, 64 clients", unit="1/s", values=empty),
        Row(what=signatures, unit="1/s", values=signed),
        Row(
            what="Native prepared again / empty POSTs",
            unit="ratio",
            values=ratios(rates[_NATIVE], empty),
            at_least=0.4,
        ),
        *(
            Row(
                what=f"{channel} prepared again / {signatures}",
                unit="ratio",
                values=ratios(rates[channel], signed),
                at_least=0.6,
            )
            for channel in (_JSAPI, _BRIDGE)
        ),
        *(
            Row(
                what=f"{channel} prepared again, p99",
                unit="ms",
                values=[volley.latency_ms(0.99) for volley in volleys[channel]],
            )
            for channel in volleys
        ),
    ]


async def _open(bench: Bench, channel: str, sale: OnSale, people: list[Buyer]) -> list[bytes]:
    """Make an order of each of *people*, open its payment, and build the request to ask again."""
    requests = [_order_request(channel, sale, buyer) for buyer in people]
    volley = await fire(bench.house.port, iter(requests), clients=_CLIENTS)
    volley.rate(201)
    # The worker would ask about these while the clock runs.
    await bench.database.execute(
        "UPDATE payment_attempts SET due_at = NULL WHERE due_at IS NOT NULL"
    )
    whose = {buyer.user_id: buyer for buyer in people}
    orders = await bench.database.fetch(
        "SELECT id, user_id FROM orders WHERE event_id = $1", sale.event_id
    )
    assert len(await payables(bench.database, sale)) == len(orders) == len(people)
    return [_prepare_request(channel, order_id, whose[user_id]) for order_id, user_id in orders]


def _order_request(channel: str, sale: OnSale, buyer: Buyer) -> bytes:
    ticket = {"ticketTypeId": sale.ticket_type_id}
    return _request(sale.path, buyer, ticket | {"clientContext": _CONTEXTS[channel]})


def _prepare_request(channel: str, order_id: int, buyer: Buyer) -> bytes:
    order = {"bizType": "EVENT_TICKET", "bizId": str(order_id)}
    return _request(_PATH, buyer, order | {"clientContext": _CONTEXTS[channel]})


def _request(path: str, buyer: Buyer, body: Mapping[str, object]) -> bytes:
    headers = {"Authorization": buyer.authorization}
    return request("POST", path, body=json.dumps(body).encode(), headers=headers)


async def _ask(bench: Bench, port: int, asked: _Requests, channel: str) -> Volley:
    unpayable: list[Shot] = []

    def look(shot: Shot) -> None:
        if _PAYLOADS[channel] not in shot.body:
            unpayable.append(shot)

    volley = await fire(
        port, cycle(asked[channel]), clients=_CLIENTS, seconds=bench.seconds, on_answer=look
    )
    assert not unpayable, unpayable[0].body
    return volley


async def _sign(bench: Bench) -> float:
    key_file = bench.house.keys.merchant_private_key
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.signatures", str(key_file), str(bench.seconds)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    made, passed = out.decode().split()
    return int(made) / float(passed)


async def _attempts(bench: Bench, sales: Mapping[str, OnSale]) -> int:
    count: int = await bench.database.fetchval(
        "SELECT count(*) FROM payment_attempts a JOIN orders o ON o.id = a.order_id"
        " WHERE o.event_id = ANY($1::bigint[])",
        [sale.event_id for sale in sales.values()],
    )
    return count
