"""Money on its way back, with a provider whose answers get lost."""

from actors.actor import Actor
from actors.checkout import Checkout
from actors.payers import Merchant
from contracts.attempt import RefundRequest
from contracts.facts import FactSource, RefundMoved, RefundOutcome
from models.engine import Database
from providers.provider import OutcomeUnknown
from tests.storage.stage import buy, opened, payment_of, put_on_sale

MERCHANT = Merchant(
    provider="wechat", merchant_id="1900000001", appid="wx1", notify_url="http://127.0.0.1/n"
)


class Teller:
    """Moves money at once, but its first answer is lost."""

    name = "wechat"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.moved: RefundMoved | None = None

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """Move the money."""
        self.asked.append("refund")
        self.moved = RefundMoved(
            provider="wechat",
            attempt_no=request.attempt_no,
            refund_no=request.refund_no,
            provider_refund_id="R1",
            refunded=request.amount,
            outcome=RefundOutcome.SUCCESS,
            source=FactSource.QUERY,
        )
        raise OutcomeUnknown("wechat", "refund", "timeout")

    async def query_refund(self, _request: RefundRequest) -> RefundMoved | None:
        """Tell whether it has moved."""
        self.asked.append("query_refund")
        return self.moved


class TestARefund:
    async def test_whose_answer_was_lost_is_asked_about_before_it_is_repeated(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        await actor.take_turn(payment_of(order))
        second = payment_of(order, provider_txn_id="TXN-2")
        refund = (await actor.take_turn(second)).order.refunds[0]
        teller = Teller()
        checkout = Checkout(
            actor=actor,
            database=database,
            providers={"wechat": teller},  # type: ignore[dict-item]  # as much as refunds need
            merchants={"wechat": MERCHANT},
        )

        for _ in range(2):
            await checkout.pursue_refund(order.id, refund.refund_no)

        assert teller.asked == ["query_refund", "refund", "query_refund"]
        assert (await actor.load(order.id)).refunds[0].status == "succeeded"
