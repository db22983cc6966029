"""One turn: a command, what it made true of an order, and what is written of that."""

from datetime import datetime

import msgspec

from actors.decide import decide
from actors.duties import case_of, effects_of, seat_cause_of
from actors.evolve import evolve_all
from actors.gift_codes import gift_code, gift_code_hash
from contracts.commands import OrderCommand
from contracts.events import AttemptOpened, OrderEvent
from contracts.order import Invite, Order
from contracts.policy import Policy
from models.legacy_fields import LegacyFields
from models.written import WrittenTurn


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One command answered: the order after it, and what became true."""

    before: Order
    order: Order
    events: tuple[OrderEvent, ...]


def turn_of(order: Order, command: OrderCommand, now: datetime, policy: Policy) -> Turn:
    """Decide a command and fold what it made true; nothing is written by that.

    :raises contracts.errors.Conflict: the order's state does not allow the command.
    """
    events = decide(order, command, now, policy)
    after = evolve_all(order, events)
    moved = msgspec.structs.replace(after, version=order.version + bool(events))
    return Turn(before=order, order=moved, events=tuple(events))


def written(
    turn: Turn,
    policy: Policy,
    *,
    notice_id: int | None = None,
    answers: dict[str, str] | None = None,
) -> WrittenTurn:
    """Say what is to be written of a turn.

    *notice_id* is the notice that caused it, if one did; *answers* go with the place it makes.
    """
    moved = turn.order.seats_held != turn.before.seats_held
    return WrittenTurn(
        before=turn.before,
        after=turn.order,
        events=turn.events,
        effects=tuple(
            effect
            for event in turn.events
            for effect in effects_of(event, tells_sales=policy.tells_sales)
        ),
        cases=tuple(case for event in turn.events if (case := case_of(event)) is not None),
        seat_cause=seat_cause_of(list(turn.events)) if moved else None,
        invite_hashes={
            invite.position: _invite_hash(policy, turn.order.order_no, invite)
            for invite in turn.order.invites
            if invite.id is None or _is_reissued(turn.before, invite)
        },
        answers=answers,
        notice_id=notice_id,
        legacy_fields=_legacy_fields(turn) if policy.legacy_payment_fields else None,
    )


def _invite_hash(policy: Policy, order_no: str, invite: Invite) -> str:
    code = gift_code(policy.gift_code_key, order_no, invite.position, invite.generation)
    return gift_code_hash(code)


def _is_reissued(before: Order, invite: Invite) -> bool:
    earlier = next(i for i in before.invites if i.position == invite.position)
    return earlier.generation != invite.generation


def _legacy_fields(turn: Turn) -> LegacyFields | None:
    for event in turn.events:
        # Not every provider's payer needs one of the two.
        if isinstance(event, AttemptOpened) and (event.opened.code_url or event.opened.prepay_id):
            return LegacyFields(code_url=event.opened.code_url, prepay_id=event.opened.prepay_id)
    return None
