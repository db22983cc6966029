"""Short random histories of orders, played the same way to PostgreSQL and to its stand-in."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from msgspec.structs import replace

from actors.actor import Actor
from contracts import facts
from contracts.attempt import Opened
from contracts.commands import (
    ApplyCoupon,
    Cancel,
    CreateOrder,
    Expire,
    OrderCommand,
    RecordAttempt,
    RecordOpened,
    RecordOpenFailed,
    RecordPayment,
    RecordRefund,
    RecordRefundRefused,
    RequestRefund,
    StartAttempt,
)
from contracts.effects import Case, CaseKind
from contracts.errors import Refusal
from contracts.money import Money
from contracts.order import Attempt, Order, Refund
from contracts.policy import Policy
from contracts.states import Channel, NoticeStatus
from models import attempts, inbox, orders, refunds, sweeps
from tests.simulation.twins import Twin

_STEPS = 28
_POLICY = Policy(gift_code_key=b"k" * 32, late_payment_honour_hours=1)
_CODES = ("half", " SOME", "All", "none such")
_LONG_AFTER = datetime(2099, 1, 1, tzinfo=UTC)


async def play(twin: Twin, seed: int) -> list[str]:
    """Play one script; return what was said on the way."""
    policy = Policy(
        gift_code_key=b"k" * 32, late_payment_honour_hours=1, legacy_payment_fields=seed % 2 == 0
    )
    script = Script(twin, Random(seed), policy)  # noqa: S311 - repeatable is the point
    try:
        for _ in range(_STEPS):
            await script.step()
    finally:
        await script.close()
    return script.said


class Script:
    """One history; the dice fall the same way as long as the answers are the same."""

    def __init__(self, twin: Twin, random: Random, policy: Policy) -> None:
        self._twin = twin
        self._database = twin.database
        self._random = random
        self._actor = Actor(database=twin.database, redis=None, policy=policy)
        self._orders: list[int] = []
        self._made = 0
        self.said: list[str] = []

    async def close(self) -> None:
        """Let go."""
        await self._actor.close()

    async def step(self) -> None:
        """Do one thing and note the answer."""
        kinds: list[tuple[Callable[[], Awaitable[Any]], int]] = [
            (self._create, 5),
            (self._turn, 14),
            (self._let_time_pass, 2),
            (self._claim, 3),
            (self._notice, 2),
            (self._ask, 1),
        ]
        (kind,) = self._random.choices([k for k, _ in kinds], [weight for _, weight in kinds])
        try:
            answer = await kind()
        except Refusal as refusal:
            answer = refusal.code
        self.said.append(f"{kind.__name__}: {answer}")

    async def _create(self) -> str:
        random = self._random
        self._made += 1
        key = random.choice((None, None, "k1", "k2"))
        command = CreateOrder(
            order_no=f"G{self._made:015}",
            event_id=1,
            ticket_type_id=random.choice((1, 1, 2)),
            user_id=random.randint(1, 4),
            quantity=random.choice((1, 1, 2)),
            payment_channel="wechat",
            idempotency_key=key,
            body_hash=key,
            coupon_code=random.choice((None, None, *_CODES)),
            answers=random.choice((None, {"diet": "none"})),
        )
        sale = await self._actor.create(command)
        if sale.order is not None:
            self._orders.append(sale.order.id)
        return f"{sale.order is not None} {sale.is_existing} {sale.is_repeat}"

    async def _turn(self) -> str:
        if not self._orders:
            return "none"
        order = await self._actor.load(self._random.choice(self._orders))
        command = self._command(order)
        if command is None:
            return "nothing to say"
        turn = await self._actor.take_turn(command)
        words = [type(event).__name__ for event in turn.events]
        return f"{type(command).__name__} {words} {turn.order.status} {turn.order.version}"

    def _command(self, order: Order) -> OrderCommand | None:
        random = self._random
        if order.settlement is not None and random.random() < 0.3:
            return self._refund(order)
        if order.refunds and random.random() < 0.5:
            return self._about_refund(order.id, random.choice(order.refunds))
        if order.attempts and random.random() < 0.7:
            return self._about_attempt(order, random.choice(order.attempts))
        if random.random() < 0.3:
            return random.choice((Cancel(order_id=order.id), Expire(order_id=order.id)))
        if random.random() < 0.3:
            return ApplyCoupon(order_id=order.id, code=random.choice(_CODES))
        return StartAttempt(
            order_id=order.id,
            provider="wechat",
            channel=random.choice((Channel.WECHAT_NATIVE, Channel.WECHAT_JSAPI)),
            merchant_id="m",
            appid="a",
            notify_url="http://127.0.0.1/notify",
        )

    def _about_attempt(self, order: Order, attempt: Attempt) -> OrderCommand:
        about = {"provider": "wechat", "attempt_no": attempt.attempt_no}
        number = attempt.attempt_no
        loaded = RecordOpened(order_id=order.id, attempt_no=number, opened=Opened(code_url="x"))
        return self._random.choice(
            (
                loaded,
                replace(loaded, seen=order),
                RecordOpenFailed(
                    order_id=order.id, attempt_no=number, burnt=self._random.random() < 0.5
                ),
                RecordAttempt(
                    order_id=order.id, fact=facts.PaymentNotPaid(**about, asked_at=_LONG_AFTER)
                ),
                RecordAttempt(order_id=order.id, fact=facts.AttemptClosedAtProvider(**about)),
                self._paid(order, attempt),
                self._paid(order, attempt),
                self._paid(order, attempt),
            )
        )

    def _paid(self, order: Order, attempt: Attempt) -> RecordPayment:
        random = self._random
        amount = attempt.request.amount.amount_minor + random.choice((0, 0, 0, 1))
        fact = facts.PaymentSucceeded(
            provider="wechat",
            attempt_no=attempt.attempt_no,
            provider_txn_id=f"T{attempt.attempt_no}{random.choice('aab')}",
            paid=Money(amount_minor=amount, currency="CNY"),
            merchant_id="m",
            appid="a",
            paid_at=datetime.now(UTC),
            source=facts.FactSource.NOTICE,
        )
        return RecordPayment(order_id=order.id, fact=fact)

    def _refund(self, order: Order) -> RequestRefund:
        random = self._random
        # Ids differ between the twins, and the key remembers what was named under it.
        key = random.choice((None, "r1", "r2"))
        places = [place.id for place in order.registrations if place.id is not None]
        invites = [invite.id for invite in order.invites if invite.id is not None]
        return RequestRefund(
            order_id=order.id,
            reason="sick",
            by_user_id=1,
            amount_minor=random.choice((None, 1, 1, 100)),
            idempotency_key=key,
            invite_ids=() if key else tuple(invites[: random.randint(0, 1)]),
            registration_ids=() if key else tuple(places[: random.randint(0, 1)]),
        )

    def _about_refund(self, order_id: int, refund: Refund) -> OrderCommand:
        if self._random.random() < 0.1:
            return RecordRefundRefused(
                order_id=order_id, refund_no=refund.refund_no, code="NOT_ENOUGH"
            )
        fact = facts.RefundMoved(
            provider="wechat",
            attempt_no=refund.attempt_no,
            refund_no=refund.refund_no,
            provider_refund_id=f"R{refund.refund_no}",
            refunded=refund.amount,
            outcome=self._random.choice(list(facts.RefundOutcome)),
            source=facts.FactSource.NOTICE,
        )
        return RecordRefund(order_id=order_id, fact=fact)

    async def _let_time_pass(self) -> str:
        if self._orders:
            order_id = self._random.choice(self._orders)
            await self._twin.let_time_pass(order_id)
            found = await sweeps.expired_orders(self._database, 10)
            return f"{order_id in [row.id for row in found]}"
        return "none"

    async def _claim(self) -> str:
        await self._twin.make_due()
        claim, table = self._random.choice(
            (
                (sweeps.claim_closes, "payment_attempts"),
                (sweeps.claim_looks, "payment_attempts"),
                (sweeps.claim_refunds, "refunds"),
                (sweeps.claim_effects, "effects"),
            )
        )
        rows: Any = await claim(self._database, 10)
        names = sorted(str(row.name) for row in rows)
        for row in sorted(rows, key=lambda row: str(row.name)):
            done = self._random.random()
            if table == "effects" and done < 0.4:
                await sweeps.finish_effects(self._database, [row.id])
            elif table == "effects" and done < 0.6:
                names.append(str(await sweeps.give_up_effect(self._database, row)))
            elif done < 0.8:
                until = row.claimed_at + timedelta(seconds=5)
                await sweeps.put_off(self._database, table, row, until)  # type: ignore[arg-type]  # one of three words
        return f"{len(rows)} {[_without_ids(name) for name in names]}"

    async def _notice(self) -> str:
        random = self._random
        new = [
            inbox.NewNotice(
                provider="wechat",
                event_id=f"n{random.randint(1, 6)}",
                headers={"a": "b"},
                body=b"x",
                trace_ctx=None,
            )
            for _ in range(random.randint(1, 2))
        ]
        stored = await inbox.store(self._database, new)
        for notice in filter(None, stored):
            await self._end_notice(notice.id)
        await self._twin.make_due()
        waiting = await sweeps.claim_notices(self._database, 10)
        return f"{[notice is not None for notice in stored]} {len(waiting)}"

    async def _end_notice(self, notice_id: int) -> None:
        chosen = self._random.random()
        known = await inbox.load_unfinished(self._database, notice_id)
        assert known is not None
        if chosen < 0.3:
            await inbox.finish(self._database, notice_id, NoticeStatus.PROCESSED, "no_money")
        elif chosen < 0.6:
            await inbox.put_off(self._database, notice_id, 5, "Refusal", tries=1)
        elif chosen < 0.8:
            case = Case(
                kind=CaseKind.UNKNOWN_ATTEMPT,
                subject=f"wechat:{self._random.randint(1, 2)}",
                reason="unknown_attempt",
                details={"a": "b"},
            )
            await inbox.open_case(self._database, case)

    async def _ask(self) -> str:
        if not self._orders:
            return "none"
        order = await self._actor.load(self._random.choice(self._orders))
        numbers = [attempt.attempt_no for attempt in order.attempts]
        found = await orders.order_ids_of_attempts(self._database, [*numbers, "unknown"])
        of_payments = [
            await orders.attempt_of_payment(self._database, payment.provider, txn)
            for payment in order.payments
            for txn in (payment.provider_txn_id, "unknown")
        ]
        asked = [await attempts.may_ask(self._database, n, 3600.0) for n in [*numbers, *numbers]]
        made = [await self._go_on_with(refund.refund_no) for refund in order.refunds]
        return f"{sorted(found)} {asked} {of_payments} {made}"

    async def _go_on_with(self, number: str) -> tuple[bool, ...]:
        claims = [
            await refunds.claim_refund(self._database, number, seconds=3600.0) for _ in range(2)
        ]
        made = [
            await refunds.may_make_refund(self._database, number, every_seconds=3600.0)
            for _ in range(2)
        ]
        if claims[0] is not None and self._random.random() < 0.7:
            await refunds.release_refund(self._database, number, claims[0])
            await refunds.note_refund_not_made(self._database, number)
        return (*(claim is not None for claim in claims), *made)


def _without_ids(name: str) -> str:
    # Duties name their holder by id, which rollbacks may have moved on in one twin only.
    return name.partition(":")[0] if "effect_id" in name else name
