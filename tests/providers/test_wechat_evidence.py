"""What WeChat Pay answered is kept for audits, without what pays anything or says who paid."""

from collections.abc import AsyncIterator

import pytest

from contracts.evidence import Evidence, EvidenceKind
from providers.provider import OutcomeUnknown
from providers.wechat.adapter import WeChatPay
from tests.providers.merchant import OPENID, a_refund_of, an_attempt
from tests.providers.scripted import Scripted, public_key_mode
from tests.providers.signing import a_transaction
from tests.providers.wire_server import a_refusal, an_answer

ATTEMPT = an_attempt()
NO = ATTEMPT.attempt_no
REFUND = a_refund_of(ATTEMPT)


class Kept(Scripted):
    """An adapter that leaves what it is told here."""

    def __init__(self, provider: WeChatPay, scripted: Scripted, kept: list[Evidence]) -> None:
        super().__init__(provider, scripted.gateway)
        self.kept = kept


@pytest.fixture
async def told(scripted: Scripted) -> AsyncIterator[Kept]:
    kept: list[Evidence] = []
    settings = public_key_mode(scripted.gateway.url)
    async with WeChatPay(settings, kept.append) as provider:
        yield Kept(provider, scripted, kept)


class TestWhatIsKept:
    async def test_of_a_query_names_the_payment_and_no_payer(self, told: Kept) -> None:
        paid = a_transaction(out_trade_no=NO, payer={"openid": OPENID}, attach="weixin://hush")
        told.says(paid)
        await told.provider.query(ATTEMPT)

        (evidence,) = told.kept

        assert (evidence.attempt_no, evidence.kind) == (NO, EvidenceKind.TRADE)
        assert (evidence.source, evidence.object_id) == ("query", paid["transaction_id"])
        assert evidence.body["trade_state"] == "SUCCESS"
        assert evidence.body["amount"]["total"] == 9900
        for secret in (OPENID, "openid", "weixin://"):
            assert secret not in repr(evidence)

    async def test_of_a_refusal_and_of_a_close_is_the_code(self, told: Kept) -> None:
        told.answers(a_refusal(404, "ORDER_NOT_EXIST"))
        await told.provider.query(ATTEMPT)
        told.answers(a_refusal(400, "ORDER_CLOSED"))
        await told.provider.close(ATTEMPT)

        assert [(one.source, one.object_id, one.body) for one in told.kept] == [
            ("query", NO, {"out_trade_no": NO, "code": "ORDER_NOT_EXIST"}),
            ("close", NO, {"out_trade_no": NO, "code": "ORDER_CLOSED"}),
        ]

    async def test_of_a_refund_names_no_account(self, told: Kept) -> None:
        told.says(
            {
                "refund_id": "50000",
                "out_refund_no": REFUND.refund_no,
                "out_trade_no": NO,
                "status": "PROCESSING",
                "user_received_account": "Bank 0403",
                "amount": {"refund": 9900, "total": 9900, "currency": "CNY"},
            }
        )
        await told.provider.refund(REFUND)
        await told.provider.query_refund(REFUND)

        refund, query = told.kept

        assert (refund.source, query.source) == ("refund", "query_refund")
        assert (refund.attempt_no, refund.object_id) == (NO, REFUND.refund_no)
        assert (refund.body["status"], refund.body["amount"]["refund"]) == ("PROCESSING", 9900)
        assert "0403" not in repr(told.kept)

    async def test_has_nothing_of_an_opening(self, told: Kept) -> None:
        told.says({"code_url": "weixin://hush"})
        await told.provider.open(ATTEMPT)

        assert told.kept == []

    async def test_has_nothing_that_was_not_believed(self, told: Kept) -> None:
        told.says(a_transaction())
        with pytest.raises(OutcomeUnknown):
            await told.provider.query(ATTEMPT)
        told.answers(an_answer(200, b"{}"))
        with pytest.raises(OutcomeUnknown):
            await told.provider.query(ATTEMPT)

        assert told.kept == []
