"""Which events and tickets make sense. Pure."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime

from contracts.errors import InvalidRequest, InvalidState, MaxBelowSold
from contracts.event_plans import EventPlan, TicketTypePlan
from contracts.states import EventStatus

# Buyers have seen what was published: it closes and opens again, but is no draft any more.
STATUS_MOVES: Mapping[EventStatus, frozenset[EventStatus]] = {
    EventStatus.DRAFT: frozenset({EventStatus.DRAFT, EventStatus.PUBLISHED}),
    EventStatus.PUBLISHED: frozenset({EventStatus.PUBLISHED, EventStatus.CLOSED}),
    EventStatus.CLOSED: frozenset({EventStatus.CLOSED, EventStatus.PUBLISHED}),
}
# Far from the ends of the calendar, where changing the time zone of a moment is an error.
_YEARS = range(2000, 3000)


def check_event(plan: EventPlan) -> None:
    """Look for what contradicts itself.

    :raises InvalidRequest: naming the field.
    """
    _check_words("title", plan.title)
    for field, moment in _moments(plan).items():
        if moment is not None and moment.year not in _YEARS:
            raise _invalid(field, "This year is out of reach.")
    if plan.ends_at < plan.starts_at:
        raise _invalid("endsAt", "An event does not end before it starts.")
    if (
        plan.sale_starts_at is not None
        and plan.sale_ends_at is not None
        and plan.sale_ends_at <= plan.sale_starts_at
    ):
        raise _invalid("saleEndsAt", "A sale does not end before it starts.")


def check_move(before: EventStatus, after: EventStatus) -> None:
    """Look whether an event may go from one status to another.

    :raises InvalidState: it may not.
    """
    if after not in STATUS_MOVES[before]:
        raise InvalidState(
            f"An event does not go from {before} to {after}.", eventStatus=before.value
        )


def check_type(plan: TicketTypePlan) -> None:
    """Look for what contradicts itself.

    :raises InvalidRequest: naming the field.
    """
    _check_words("name", plan.name)
    quantities = [tier.quantity for tier in plan.tiers]
    if len(set(quantities)) != len(quantities):
        raise _invalid("priceTiers", "Two tiers have the same quantity.")
    if max(quantities, default=0) > plan.max_per_order:
        raise _invalid("priceTiers", "A tier is larger than maxPerOrder.")
    if plan.price_minor and 1 in quantities:
        raise _invalid("priceTiers", "The price is already the tier of one.")


def check_room(maximum: int | None, held: int) -> None:
    """Look whether a maximum leaves everybody the seat they have.

    :raises MaxBelowSold: more seats are taken than there would be.
    """
    if maximum is not None and maximum < held:
        raise MaxBelowSold(currentQuantity=held)


def _moments(plan: EventPlan) -> dict[str, datetime | None]:
    return {
        "startsAt": plan.starts_at,
        "endsAt": plan.ends_at,
        "saleStartsAt": plan.sale_starts_at,
        "saleEndsAt": plan.sale_ends_at,
    }


def _check_words(field: str, words: str) -> None:
    if not words.strip() or any(unicodedata.category(sign) == "Cc" for sign in words):
        raise _invalid(field, "Words are needed, without control characters.")


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(errors=[{"field": field, "message": message}])
