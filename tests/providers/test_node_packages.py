"""Stripe's and Alipay's own Node.js packages agree with our signatures, in both directions."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from contracts.attempt import AttemptRequest, Redirect
from contracts.states import Channel
from providers.provider import NoticeRefused
from scripts import node_packages
from tests.providers.alipay_stage import AlipayStage, alipay
from tests.providers.node_packages import Disagreement, NodePackages, running_packages
from tests.providers.signing import private_pem, public_pem
from tests.providers.stripe_stage import STRIPE_KEY, STRIPE_WEBHOOK_SECRET, StripeStage, stripe
from tests.sandbox.simulator import ALIPAY_APP_ID


@pytest.fixture(scope="module")
def packages() -> Iterator[NodePackages]:
    with running_packages() as packages:
        yield packages


@pytest.fixture(scope="module")
async def at_stripe(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StripeStage]:
    async with stripe(tmp_path_factory.mktemp("stripe")) as stage:
        yield stage


@pytest.fixture(scope="module")
async def at_alipay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AlipayStage]:
    async with alipay(tmp_path_factory.mktemp("alipay")) as stage:
        yield stage


async def opened(stage: StripeStage | AlipayStage) -> AttemptRequest:
    attempt = stage.an_attempt()
    await stage.provider.open(attempt)
    await stage.arrive(attempt.attempt_no)
    return attempt


class TestStripesPackage:
    async def test_believes_what_our_simulator_signs(
        self, packages: NodePackages, at_stripe: StripeStage
    ) -> None:
        attempt = await opened(at_stripe)
        at_stripe.pay(attempt.attempt_no)
        (notice,) = await at_stripe.notices(attempt.attempt_no, 1)
        told = {"payload": notice.body.decode(), "header": notice.headers["stripe-signature"]}

        known = packages.ask("stripe.verify", **told, secret=STRIPE_WEBHOOK_SECRET)

        assert known == json.loads(notice.body)["id"]
        with pytest.raises(Disagreement, match="signature"):
            packages.ask("stripe.verify", **told, secret="whsec_another")

    async def test_signs_what_our_adapter_believes(
        self, packages: NodePackages, at_stripe: StripeStage
    ) -> None:
        body = b'{"id":"evt_node","object":"event","type":"payout.paid","livemode":false}'
        sealed = {"payload": body.decode(), "timestamp": int(time.time())}
        good = packages.ask("stripe.sign", **sealed, secret=STRIPE_WEBHOOK_SECRET)
        bad = packages.ask("stripe.sign", **sealed, secret="whsec_another")
        now = datetime.now(UTC)

        told = at_stripe.provider.verify({"stripe-signature": good}, body, now)

        assert told.event_id == "evt_node"
        with pytest.raises(NoticeRefused):
            at_stripe.provider.verify({"stripe-signature": bad}, body, now)

    async def test_is_served_by_our_simulator(
        self, packages: NodePackages, at_stripe: StripeStage
    ) -> None:
        at = urlsplit(at_stripe.simulated.base_url)
        about: dict[str, Any] = {"key": STRIPE_KEY, "host": at.hostname, "port": at.port}
        about |= {"path": "/stripe/v1/payment_intents", "idempotencyKey": "node"}
        metadata = {"attempt_no": "GNODE00000000000001"}
        wanted = {"amount": 9900, "currency": "cny", "metadata": metadata}

        first = packages.ask("stripe.call", wanted=wanted, **about)
        again = packages.ask("stripe.call", wanted=wanted, **about)

        assert first["id"] == again["id"]
        assert first["status"] == "requires_payment_method"


class TestAlipaysPackage:
    def keys(self, stage: AlipayStage) -> dict[str, str]:
        return {
            "appId": ALIPAY_APP_ID,
            "gateway": f"{stage.simulated.base_url}/alipay/gateway.do",
            "privateKey": bare(private_pem(stage.simulated.keyring.merchant)),
            "publicKey": bare(public_pem(stage.simulated.keyring.alipay)),
        }

    async def test_believes_what_our_simulator_tells(
        self, packages: NodePackages, at_alipay: AlipayStage
    ) -> None:
        attempt = await opened(at_alipay)
        at_alipay.pay(attempt.attempt_no)
        (notice,) = await at_alipay.notices(attempt.attempt_no, 1)
        words = dict(parse_qsl(notice.body.decode(), keep_blank_values=True))

        keys = self.keys(at_alipay)

        assert packages.ask("alipay.verify", words=words, **keys) is True
        changed = words | {"total_amount": "0.01"}
        assert packages.ask("alipay.verify", words=changed, **keys) is False

    async def test_believes_our_signature_under_a_page(
        self, packages: NodePackages, at_alipay: AlipayStage
    ) -> None:
        attempt = at_alipay.an_attempt(channel=Channel.ALIPAY_PC_DIRECT)
        handed_out = await at_alipay.provider.open(attempt)
        page = at_alipay.provider.payer_parameters(attempt, handed_out, datetime.now(UTC))
        assert isinstance(page, Redirect)
        words = dict(parse_qsl(urlsplit(page.url).query, keep_blank_values=True))
        # Their check of a notice is their check of any parameters: it is given our own key here.
        ours = bare(public_pem(at_alipay.simulated.keyring.merchant))

        keys = self.keys(at_alipay) | {"publicKey": ours}

        assert packages.ask("alipay.verify", words=words, **keys) is True
        assert packages.ask("alipay.verify", words=words | {"charset": "gbk"}, **keys) is False

    async def test_calls_our_simulator_and_believes_its_answer(
        self, packages: NodePackages, at_alipay: AlipayStage
    ) -> None:
        attempt = await opened(at_alipay)
        asked = {"bizContent": {"out_trade_no": attempt.attempt_no}}
        keys = self.keys(at_alipay)

        told = packages.ask("alipay.call", method="alipay.trade.query", words=asked, **keys)

        assert told["tradeStatus"] == "WAIT_BUYER_PAY"
        another = keys | {"publicKey": bare(public_pem(at_alipay.simulated.keyring.merchant))}
        with pytest.raises(Disagreement):
            packages.ask("alipay.call", method="alipay.trade.query", words=asked, **another)

    async def test_makes_a_page_that_our_simulator_shows(
        self, packages: NodePackages, at_alipay: AlipayStage
    ) -> None:
        attempt = at_alipay.an_attempt()
        trade = {
            "out_trade_no": attempt.attempt_no,
            "total_amount": "99.00",
            "subject": "Guichet Demo Night",
            "product_code": "FAST_INSTANT_TRADE_PAY",
        }
        words = {"bizContent": trade, "notify_url": attempt.notify_url}

        url = packages.ask(
            "alipay.page", method="alipay.trade.page.pay", words=words, **self.keys(at_alipay)
        )

        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as http:
            page = await http.get(url)
        assert page.status_code == 200
        assert "99.00" in page.text


class TestFetchingThem:
    def test_says_what_is_missing_where_there_is_no_npm(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(node_packages, "_DONE", tmp_path / "never")
        monkeypatch.setattr(node_packages, "VENV", tmp_path)
        monkeypatch.setenv("PATH", str(tmp_path))

        assert node_packages.main() == 1

        told = capsys.readouterr().out
        assert f"{tmp_path / 'bin' / 'npm'}: No such file" in told
        assert "cannot be had" in told


def bare(pem: str) -> str:
    """Return a key as Alipay hands it out: base64 without its first and last line."""
    return "".join(pem.strip().splitlines()[1:-1])
