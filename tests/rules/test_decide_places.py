from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts import errors
from contracts.commands import (
    Cancel,
    DecidePlace,
    OrderCommand,
    RecordPayment,
    RecordRefund,
    RedeemInvite,
    ReissueInvite,
    RequestRefund,
)
from contracts.facts import FactSource, RefundOutcome
from contracts.money import Money
from contracts.order import Invite, Order, Redeemer, Refund, Registration
from contracts.states import (
    LIVE_REGISTRATIONS,
    InviteStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    RegistrationStatus,
)
from tests.rules.builders import (
    NOW,
    ORDER_NO,
    PRICE,
    a_payment,
    a_refund,
    after,
    an_attempt,
    an_order_of,
    kinds,
)

OWNER, GUEST = 7, 8
NUMBER = f"{ORDER_NO}01R01"


def paid(quantity: int = 2, **changes: Any) -> Order:  # noqa: ANN401 - any field may matter
    order = an_order_of(quantity, attempts=(an_attempt(1),), **changes)
    return after(order, RecordPayment(order_id=1, fact=a_payment(1)))[0]


def redeem(invite_id: int = 1, generation: int = 1, user_id: int = GUEST) -> RedeemInvite:
    return RedeemInvite(order_id=1, invite_id=invite_id, generation=generation, user_id=user_id)


def asked_by(order: Order, user_id: int = GUEST, *, has_place: bool = False) -> Order:
    return replace(order, redeemer=Redeemer(user_id=user_id, has_place=has_place))


def written(order: Order) -> Order:
    """Give ids to what is new, as the database does."""
    places = (replace(r, id=n) for n, r in enumerate(order.registrations, 1))
    gifts = (replace(i, id=n) for n, i in enumerate(order.invites, 1))
    return replace(order, registrations=tuple(places), invites=tuple(gifts))


def redeemed(order: Order, invite_id: int = 1, user_id: int = GUEST) -> Order:
    taken, _ = after(asked_by(order, user_id), redeem(invite_id, user_id=user_id))
    return written(taken)


def moved(refund: Refund, outcome: RefundOutcome) -> RecordRefund:
    fact = a_refund(refund.refund_no, outcome, attempt_no=refund.attempt_no, refunded=refund.amount)
    return RecordRefund(order_id=1, fact=fact)


def answer(registration_id: int = 1, *, approve: bool = True) -> DecidePlace:
    return DecidePlace(order_id=1, registration_id=registration_id, approve=approve, by_user_id=1)


def with_invite(order: Order, **changes: Any) -> Order:  # noqa: ANN401 - as above
    return replace(order, invites=(replace(order.invites[0], **changes), *order.invites[1:]))


class TestAGuest:
    @pytest.mark.parametrize(
        ("requires_approval", "status"),
        [(False, RegistrationStatus.APPROVED), (True, RegistrationStatus.PENDING)],
    )
    def test_has_a_place_for_the_gift_seat(
        self, *, requires_approval: bool, status: RegistrationStatus
    ) -> None:
        order, events = after(asked_by(paid(requires_approval=requires_approval)), redeem())

        assert kinds(events) == ["InviteRedeemed"]
        assert order.invites[0].status is InviteStatus.REDEEMED
        assert (order.invites[0].redeemed_by, order.invites[0].redeemed_at) == (GUEST, NOW)
        assert order.registrations[1] == Registration(user_id=GUEST, status=status, invite_id=1)
        assert order.seats_held == 2

    def test_has_the_same_place_when_asking_again(self) -> None:
        order = redeemed(paid())

        assert after(asked_by(order, has_place=True), redeem())[1] == []

    def test_takes_nothing_that_another_has_taken(self) -> None:
        with pytest.raises(errors.InviteTaken):
            after(asked_by(redeemed(paid()), user_id=9), redeem(user_id=9))

    def test_needs_to_have_no_place_yet(self) -> None:
        with pytest.raises(errors.AlreadyRegistered):
            after(asked_by(paid(), has_place=True), redeem())

    def test_is_not_believed_to_have_none_when_nobody_looked(self) -> None:
        with pytest.raises(errors.AlreadyRegistered):
            after(paid(), redeem())

    @pytest.mark.parametrize(("invite_id", "generation"), [(9, 1), (1, 2), (1, 0)])
    def test_needs_a_code_of_today(self, invite_id: int, generation: int) -> None:
        with pytest.raises(errors.NotFound):
            after(asked_by(paid()), redeem(invite_id, generation))

    @pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.PAID}))
    def test_needs_an_order_that_is_paid(self, status: OrderStatus) -> None:
        order = replace(asked_by(paid()), status=status)

        with pytest.raises(errors.InviteNotActive):
            after(order, redeem())

    @pytest.mark.parametrize(
        "changes", [{"status": InviteStatus.INVALID}, {"refund_no": NUMBER}], ids=str
    )
    def test_takes_no_seat_that_is_on_its_way_back(self, changes: dict[str, Any]) -> None:
        with pytest.raises(errors.InviteNotActive):
            after(asked_by(with_invite(paid(), **changes)), redeem())


class TestANewCode:
    def test_makes_the_old_one_worthless(self) -> None:
        order, events = after(paid(), ReissueInvite(order_id=1, invite_id=1))

        assert kinds(events) == ["InviteReissued"]
        assert order.invites[0].generation == 2
        with pytest.raises(errors.NotFound):
            after(asked_by(order), redeem(generation=1))
        assert kinds(after(asked_by(order), redeem(generation=2))[1]) == ["InviteRedeemed"]

    @pytest.mark.parametrize(
        ("order", "refusal"),
        [
            (redeemed(paid()), errors.InviteTaken),
            (an_order_of(2), errors.InviteNotActive),
            (with_invite(paid(), status=InviteStatus.INVALID), errors.InviteNotActive),
            (with_invite(paid(), refund_no=NUMBER), errors.InviteNotActive),
            (replace(paid(), invites=()), errors.NotFound),
        ],
    )
    def test_is_not_for_every_gift(self, order: Order, refusal: type[errors.Refusal]) -> None:
        with pytest.raises(refusal):
            after(order, ReissueInvite(order_id=1, invite_id=1))


class TestAnAnswer:
    @pytest.mark.parametrize("approve", [True, False])
    def test_decides_about_a_place_once(self, *, approve: bool) -> None:
        order, events = after(paid(requires_approval=True), answer(approve=approve))

        expected = RegistrationStatus.APPROVED if approve else RegistrationStatus.REJECTED
        assert order.registrations[0].status is expected
        assert events
        assert after(order, answer(approve=approve))[1] == []
        with pytest.raises(errors.InvalidState):
            after(order, answer(approve=not approve))

    @pytest.mark.parametrize(
        "status", [RegistrationStatus.PENDING_PAYMENT, RegistrationStatus.CANCELLED]
    )
    @pytest.mark.parametrize("approve", [True, False])
    def test_comes_too_early_or_too_late(
        self, status: RegistrationStatus, *, approve: bool
    ) -> None:
        order = paid()
        order = replace(order, registrations=(replace(order.registrations[0], status=status),))

        with pytest.raises(errors.InvalidState):
            after(order, answer(approve=approve))

    @pytest.mark.parametrize("approve", [True, False])
    def test_waits_for_money_on_its_way_back(self, *, approve: bool) -> None:
        order = paid(requires_approval=True)
        marked = replace(order.registrations[0], refund_no=NUMBER)

        with pytest.raises(errors.InvalidState):
            after(replace(order, registrations=(marked,)), answer(approve=approve))

    def test_is_about_a_place_of_the_order(self) -> None:
        with pytest.raises(errors.NotFound):
            after(paid(), answer(99))


class TestAGuestWhoIsRejected:
    def test_leaves_the_seat_to_the_buyer_as_a_fresh_gift(self) -> None:
        order, events = after(redeemed(paid(requires_approval=True)), answer(2, approve=False))

        assert kinds(events) == ["PlaceRejected"]
        assert order.registrations[1].status is RegistrationStatus.REJECTED
        assert order.invites[0].status is InviteStatus.REDEEMED
        assert order.invites[1] == Invite(position=2, status=InviteStatus.PENDING)
        assert (order.seats_held, order.status) == (2, OrderStatus.PAID)


class TestABuyerWhoIsRejected:
    def test_is_owed_all_that_was_paid(self) -> None:
        order, events = after(paid(3, requires_approval=True), answer(approve=False))

        assert kinds(events) == ["PlaceRejected", "RefundRequested"]
        (refund,) = order.refunds
        assert (refund.refund_no, refund.amount) == (NUMBER, PRICE)
        assert (refund.reason, refund.idempotency_key) == ("rejected", "rejected:1")
        assert [invite.refund_no for invite in order.invites] == [NUMBER] * 2
        assert order.registrations[0].refund_no == NUMBER
        assert (order.payment_status, order.seats_held) == (PaymentStatus.REFUNDING, 3)

    def test_gives_the_seats_back_with_the_money(self) -> None:
        order, _ = after(paid(requires_approval=True), answer(approve=False))
        order, events = after(
            order, RecordRefund(order_id=1, fact=a_refund(NUMBER, RefundOutcome.SUCCESS))
        )

        assert kinds(events) == ["RefundAdvanced", "OrderRefunded"]
        assert order.seats_held == 0
        assert order.registrations[0].status is RegistrationStatus.REJECTED
        assert order.invites[0].status is InviteStatus.INVALID

    def test_is_owed_it_under_a_new_number_when_the_provider_closes_the_refund(self) -> None:
        order, _ = after(paid(requires_approval=True), answer(approve=False))
        order, events = after(
            order, RecordRefund(order_id=1, fact=a_refund(NUMBER, RefundOutcome.CLOSED))
        )

        assert kinds(events) == ["RefundAdvanced", "RefundRequested"]
        assert order.refunds[1].status is RefundStatus.REQUESTED
        assert order.invites[0].refund_no == order.refunds[1].refund_no

    def test_is_owed_only_what_has_not_gone_back(self) -> None:
        order = paid(requires_approval=True)
        rejected, _ = after(order, answer(approve=False))
        part = replace(
            rejected.refunds[0],
            amount=Money(amount_minor=900, currency="CNY"),
            status=RefundStatus.SUCCEEDED,
        )
        order, _ = after(replace(order, refunds=(part,)), answer(approve=False))

        assert order.refunds[1].amount.amount_minor == PRICE.amount_minor - 900
        assert order.refunds[1].refund_no == f"{ORDER_NO}01R02"

    def test_gives_nothing_away_though_the_refund_has_failed(self) -> None:
        order, _ = after(paid(requires_approval=True), answer(approve=False))
        order = with_invite(order, refund_no=None)

        for user in (OWNER, GUEST):
            with pytest.raises(errors.InviteNotActive):
                after(asked_by(order, user), redeem(user_id=user))

    def test_is_owed_what_another_refund_leaves_when_it_fails(self) -> None:
        part = RequestRefund(order_id=1, amount_minor=900, reason="sick", by_user_id=5)
        order, _ = after(paid(requires_approval=True), part)
        order, _ = after(order, answer(approve=False))
        first, rest = order.refunds
        assert order.registrations[0].refund_no is None

        order, _ = after(order, moved(rest, RefundOutcome.SUCCESS))
        assert (order.status, order.seats_held) == (OrderStatus.PAID, 2)
        order, events = after(order, moved(first, RefundOutcome.CLOSED))

        assert kinds(events) == ["RefundAdvanced", "RefundRequested"]
        assert order.refunds[2].amount.amount_minor == 900
        assert order.refunds[2].idempotency_key == "rejected:1#2"
        order, _ = after(order, moved(order.refunds[2], RefundOutcome.SUCCESS))
        assert (order.status, order.seats_held) == (OrderStatus.REFUNDED, 0)

    def test_has_no_seat_to_free_again_when_the_money_came_back(self) -> None:
        order, _ = after(paid(requires_approval=True), answer(approve=False))
        for outcome in (RefundOutcome.SUCCESS, RefundOutcome.CLOSED):
            order, _ = after(order, moved(order.refunds[0], outcome))
        assert (order.status, order.refunds[0].status) == ("PAID", "returned")
        by_hand = RequestRefund(order_id=1, reason="again", by_user_id=5)
        order, _ = after(order, by_hand)

        order, events = after(order, moved(order.refunds[1], RefundOutcome.CLOSED))
        assert kinds(events) == ["RefundAdvanced", "RefundRequested"]
        order, _ = after(order, moved(order.refunds[2], RefundOutcome.SUCCESS))

        assert (order.status, order.seats_held) == (OrderStatus.REFUNDED, 0)

    def test_is_owed_it_under_five_numbers_whatever_went_back_before(self) -> None:
        order = paid(requires_approval=True)
        for _ in range(4):
            part = RequestRefund(order_id=1, amount_minor=1, reason="sick", by_user_id=5)
            order, _ = after(order, part)
            order, _ = after(order, moved(order.refunds[-1], RefundOutcome.SUCCESS))
        order, _ = after(order, answer(approve=False))

        order, events = after(order, moved(order.refunds[-1], RefundOutcome.CLOSED))

        assert kinds(events) == ["RefundAdvanced", "RefundRequested"]

    def test_is_a_persons_to_help_when_five_numbers_were_closed(self) -> None:
        order, _ = after(paid(requires_approval=True), answer(approve=False))
        for _ in range(4):
            order, events = after(order, moved(order.refunds[-1], RefundOutcome.CLOSED))
            assert kinds(events) == ["RefundAdvanced", "RefundRequested"]

        _, events = after(order, moved(order.refunds[-1], RefundOutcome.CLOSED))

        assert kinds(events) == ["RefundAdvanced", "RefundStuck"]

    def test_leaves_marks_of_other_refunds_alone(self) -> None:
        order = with_invite(paid(3, requires_approval=True), refund_no="another")
        order, _ = after(order, answer(approve=False))

        assert [invite.refund_no for invite in order.invites] == ["another", NUMBER]

    def test_is_owed_nothing_when_all_is_on_its_way(self) -> None:
        order = paid(requires_approval=True)
        rejected, _ = after(order, answer(approve=False))
        _, events = after(replace(order, refunds=rejected.refunds), answer(approve=False))

        assert kinds(events) == ["PlaceRejected"]

    def test_who_paid_by_hand_gets_it_back_by_hand_first(self) -> None:
        order = paid(requires_approval=True)
        by_hand = replace(order.payments[0], provider="manual", source=FactSource.MANUAL)

        with pytest.raises(errors.InvalidState):
            after(replace(order, payments=(by_hand,)), answer(approve=False))

    def test_of_a_free_order_gives_the_seats_back_at_once(self) -> None:
        order = paid(requires_approval=True)
        nothing = Money(amount_minor=0, currency="CNY")
        order = replace(order, payments=(replace(order.payments[0], paid=nothing),))
        order, events = after(order, answer(approve=False))

        assert kinds(events) == ["PlaceRejected", "OrderRefunded"]
        assert order.seats_held == 0

    def test_is_not_while_guests_hold_seats(self) -> None:
        order = redeemed(paid(requires_approval=True))

        with pytest.raises(errors.InvalidState):
            after(order, answer(approve=False))
        rejected, _ = after(order, answer(2, approve=False))
        assert "RefundRequested" in kinds(after(rejected, answer(approve=False))[1])


COMMANDS: list[OrderCommand] = [
    *(redeem(i, g, u) for i in (1, 2, 3) for g in (1, 2) for u in (OWNER, 8, 9)),
    *(ReissueInvite(order_id=1, invite_id=i) for i in (1, 2, 3)),
    *(answer(place, approve=approve) for place in (1, 2, 3, 4) for approve in (True, False)),
    RecordRefund(order_id=1, fact=a_refund(NUMBER, RefundOutcome.SUCCESS)),
    RecordRefund(order_id=1, fact=a_refund(NUMBER, RefundOutcome.CLOSED)),
    Cancel(order_id=1),
]


def turn(order: Order, command: OrderCommand) -> Order:
    """Take a turn in memory, refusals included."""
    if isinstance(command, RedeemInvite):
        places = [r for r in order.registrations if r.user_id == command.user_id]
        held = any(r.status in LIVE_REGISTRATIONS for r in places)
        order = asked_by(order, command.user_id, has_place=held)
    try:
        return written(after(order, command)[0])
    except errors.Refusal:
        return order


class TestEveryHistoryOfPlaces:
    @given(
        requires_approval=st.booleans(), history=st.lists(st.sampled_from(COMMANDS), max_size=30)
    )
    def test_keeps_every_seat_in_one_hand(
        self, *, requires_approval: bool, history: list[OrderCommand]
    ) -> None:
        order, ended = paid(3, requires_approval=requires_approval), False
        for command in history:
            order = turn(order, command)

            holders = [r.user_id for r in order.registrations if r.status in LIVE_REGISTRATIONS]
            assert len(holders) == len(set(holders))
            waiting = [
                r
                for r in order.registrations
                if r.status is RegistrationStatus.REJECTED and r.invite_id is None
            ]
            gifts = [i for i in order.invites if i.status is InviteStatus.PENDING]
            ended = ended or order.status is OrderStatus.REFUNDED
            if not ended:
                assert len(holders) + len(waiting) + len(gifts) == order.seats_held == 3
            else:
                assert (holders, gifts, order.seats_held) == ([], [], 0)
            made = [r.invite_id for r in order.registrations if r.invite_id is not None]
            taken = {i.id for i in order.invites if i.status is InviteStatus.REDEEMED}
            assert (len(made), set(made)) == (len(taken), taken)
