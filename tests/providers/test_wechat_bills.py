"""The refund bill over real HTTP: what it names, and what is not believed."""

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from contracts.attempt import AttemptRequest, BilledRefund
from contracts.facts import RefundOutcome
from contracts.money import Money
from providers.provider import (
    KeepsBills,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)
from providers.wechat.adapter import WeChatPay
from providers.wechat.client import MAX_BILL_BYTES
from tests.providers.scripted import PLATFORM, Scripted
from tests.providers.stages import WeChatStage, wechat
from tests.providers.wire_server import Sent, a_refusal, an_answer
from tests.sandbox.simulator import clear_of_midnight

DAY = date(2026, 11, 20)
NAMES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,退款申请时间,退款成功时间,微信退款单号,商户退款单号,"
    "退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,"
    "费率备注"
)
TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)


def a_row(attempt_no: str = "G0123456789ABCDE01", refund_no: str = "console1") -> str:
    values = [""] * len(NAMES.split(","))
    values[6], values[17], values[22] = attempt_no, refund_no, "Guichet Demo Night"
    return ",".join(f"`{value}" for value in values)


def a_bill(*rows: str, count: str | None = None) -> str:
    totals = f"`{count or len(rows)},`0.00,`1.00,`0.00,`0.00,`0.00,`1.00"
    return "\r\n".join(["\ufeff" + NAMES, *rows, TOTALS, totals, ""])


def offers(scripted: Scripted, file: bytes, **changes: str) -> None:
    """Let the gateway offer a bill, and hand out *file* for it."""
    offer = {
        "hash_type": "SHA1",
        "hash_value": hashlib.sha1(file).hexdigest(),  # noqa: S324 - the vendor's choice
        "download_url": f"{scripted.gateway.url}/v3/billdownload/file?token=t0k-en",
    } | changes
    body = json.dumps(offer).encode()

    async def script(sent: Sent) -> bytes:
        if sent.target.startswith("/v3/bill/"):
            return an_answer(200, body, PLATFORM.headers(body))
        return an_answer(200, file, {"content-type": "text/plain"})

    scripted.gateway.script = script


class TestABill:
    async def test_names_every_refund_once(self, scripted: Scripted) -> None:
        rows = [a_row(), a_row(refund_no="console2"), a_row()]
        offers(scripted, a_bill(*rows).encode())

        named = await scripted.provider.billed_refunds(DAY)

        assert named == [
            BilledRefund(attempt_no="G0123456789ABCDE01", refund_no=number)
            for number in ("console1", "console2")
        ]
        asked, fetched = (scripted.gateway.sent.get_nowait() for _ in range(2))
        assert asked.target == "/v3/bill/tradebill?bill_date=2026-11-20&bill_type=REFUND"
        assert fetched.target == "/v3/billdownload/file?token=t0k-en"
        assert fetched.headers["authorization"].startswith("WECHATPAY2-SHA256-RSA2048 ")

    async def test_may_have_its_columns_elsewhere_and_wares_of_any_name(
        self, scripted: Scripted
    ) -> None:
        bill = (
            "商户退款单号,新的一列,商户订单号,商品名称\n"
            "`r1,`,`a1,`Songs,`and\u2028dances\n总交易单数,其他\n`1.0,`0\n"
        )
        offers(scripted, bill.encode())

        named = await scripted.provider.billed_refunds(DAY)

        assert named == [BilledRefund(attempt_no="a1", refund_no="r1")]

    @pytest.mark.parametrize(
        ("status", "code", "verdict"),
        [
            (400, "STATEMENT_CREATING", ProviderUnreachable),
            (400, "PARAM_ERROR", ProviderRefused),
            (400, "INVALID_REQUEST", ProviderRefused),
            (500, "SYSTEM_ERROR", OutcomeUnknown),
            (429, "FREQUENCY_LIMITED", ProviderUnreachable),
        ],
    )
    async def test_that_is_refused_names_the_next_move(
        self, scripted: Scripted, status: int, code: str, verdict: type[ProviderError]
    ) -> None:
        scripted.answers(a_refusal(status, code))

        with pytest.raises(ProviderError, match=code) as caught:
            await scripted.provider.billed_refunds(DAY)

        assert type(caught.value) is verdict

    async def test_of_a_quiet_day_is_empty(self, scripted: Scripted) -> None:
        scripted.answers(a_refusal(400, "NO_STATEMENT_EXIST"))

        assert list(await scripted.provider.billed_refunds(DAY)) == []

    async def test_whose_offer_is_not_signed_is_not_believed(self, scripted: Scripted) -> None:
        scripted.answers(an_answer(200, b"{}"))

        with pytest.raises(OutcomeUnknown, match="malformed"):
            await scripted.provider.billed_refunds(DAY)

        assert scripted.gateway.sent.qsize() == 1

    async def test_with_another_hash_is_not_believed(self, scripted: Scripted) -> None:
        offers(scripted, a_bill(a_row()).encode(), hash_value="0" * 40)

        with pytest.raises(OutcomeUnknown, match="hash"):
            await scripted.provider.billed_refunds(DAY)

    @pytest.mark.parametrize(
        "address",
        [
            "https://127.0.0.1:1/v3/billdownload/file?token=t",
            "http://127.0.0.1/v3/billdownload/file?token=t",
            "http://elsewhere.example/v3/billdownload/file?token=t",
            "{url}@elsewhere.example/v3/billdownload/file?token=t",
            "http://somebody@{place}/v3/billdownload/file?token=t",
            "{url}",
            "http://[oops/v3/billdownload/file?token=t",
            "http://127.0.0.1:nine/file",
            "/v3/billdownload/file?token=t",
        ],
    )
    async def test_that_lies_elsewhere_is_not_fetched(
        self, scripted: Scripted, address: str
    ) -> None:
        url = scripted.gateway.url
        told = address.format(url=url, place=url.removeprefix("http://"))
        offers(scripted, a_bill(a_row()).encode(), download_url=told)

        with pytest.raises(OutcomeUnknown, match="foreign_answer"):
            await scripted.provider.billed_refunds(DAY)

        assert scripted.gateway.sent.qsize() == 1

    @pytest.mark.parametrize(
        "changes", [{"hash_type": "MD5"}, {"hash_value": "x"}, {"download_url": "http://a b"}]
    )
    async def test_with_an_offer_that_cannot_be_read_is_unreadable(
        self, scripted: Scripted, changes: dict[str, str]
    ) -> None:
        offers(scripted, a_bill(a_row()).encode(), **changes)

        with pytest.raises(OutcomeUnknown, match="unreadable"):
            await scripted.provider.billed_refunds(DAY)

    @pytest.mark.parametrize(
        "bill",
        [
            "",
            "<html>no</html>",
            a_bill(a_row(), count="2"),
            a_bill(a_row(), count="many"),
            a_bill(a_row(), "no backtick"),
            a_bill(a_row(refund_no="")),
            a_bill(a_row(refund_no="a/../b")),
            a_bill(a_row(attempt_no="一")),
            a_bill(a_row(), "`too,`short"),
            a_bill(a_row()).replace("商户退款单号", "某单号"),
            "\r\n".join(a_bill(a_row()).split("\r\n")[:-3]),
            a_bill(a_row()).split("\r\n")[0],
        ],
    )
    async def test_with_one_bad_line_is_unreadable(self, scripted: Scripted, bill: str) -> None:
        offers(scripted, bill.encode())

        with pytest.raises(OutcomeUnknown, match="unreadable"):
            await scripted.provider.billed_refunds(DAY)

    async def test_in_no_known_letters_is_unreadable(self, scripted: Scripted) -> None:
        offers(scripted, a_bill(a_row()).encode("gbk", errors="replace"))

        with pytest.raises(OutcomeUnknown, match="unreadable"):
            await scripted.provider.billed_refunds(DAY)

    async def test_that_is_longer_than_any_genuine_one_is_not_read(
        self, scripted: Scripted
    ) -> None:
        offers(scripted, b" " * (MAX_BILL_BYTES + 1))

        with pytest.raises(OutcomeUnknown, match="transport"):
            await scripted.provider.billed_refunds(DAY)

    async def test_may_be_longer_than_other_answers(self, scripted: Scripted) -> None:
        rows = [a_row(refund_no=f"console{n}") for n in range(20_000)]
        offers(scripted, a_bill(*rows).encode())

        assert len(await scripted.provider.billed_refunds(DAY)) == 20_000


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WeChatStage]:
    folder: Path = tmp_path_factory.mktemp("wechat")
    async with wechat(folder) as on_stage:
        yield on_stage


def in_china(days_ago: int) -> date:
    now = datetime.now(UTC).astimezone(timezone(timedelta(hours=8)))
    return now.date() - timedelta(days=days_ago)


async def refunded_past_us(stage: WeChatStage, days_ago: int) -> tuple[AttemptRequest, str]:
    attempt = stage.an_attempt()
    await stage.provider.open(attempt)
    stage.pay(attempt.attempt_no)
    told = stage.simulated.act(attempt.attempt_no, "console-refund", amount=100, days_ago=days_ago)
    return attempt, told.json()["out_refund_no"]


class TestARefundPastUs:
    @pytest.fixture(autouse=True)
    def one_day(self) -> None:
        """Stay within one day of the bills."""
        clear_of_midnight()

    async def test_is_named_by_the_bill_and_told_by_the_query(self, stage: WeChatStage) -> None:
        provider = stage.provider
        assert isinstance(provider, WeChatPay)
        assert isinstance(provider, KeepsBills)
        attempt, refund_no = await refunded_past_us(stage, 2)

        named = await provider.billed_refunds(in_china(2))
        (billed,) = [one for one in named if one.attempt_no == attempt.attempt_no]
        moved = await provider.query_refund(billed)

        assert billed.refund_no == refund_no
        assert moved is not None
        assert (moved.outcome, moved.refunded) == (
            RefundOutcome.SUCCESS,
            Money(amount_minor=100, currency="CNY"),
        )

    async def test_is_found_by_a_later_look_when_the_bill_came_spoilt(
        self, stage: WeChatStage
    ) -> None:
        assert isinstance(stage.provider, WeChatPay)
        await refunded_past_us(stage, 3)
        stage.simulated.fault("bill", "bad_signature")
        with pytest.raises(OutcomeUnknown, match="bad_signature"):
            await stage.provider.billed_refunds(in_china(3))
        stage.simulated.fault("bill_file", "bad_signature")
        with pytest.raises(OutcomeUnknown, match="hash"):
            await stage.provider.billed_refunds(in_china(3))

        assert len(await stage.provider.billed_refunds(in_china(3))) == 1
