"""How long to wait before trying again. Pure."""

from datetime import datetime, timedelta

# WeChat Pay's own advice for merchants whose notices may be lost: ask at these ages.
LOOK_AGES_SECONDS = (5, 30, 60, 180, 300, 600, 1800)
_LATER_LOOKS = timedelta(minutes=30)
# Once nobody can pay any more, the next answer settles the attempt: ask until there is one.
_LAST_LOOKS = timedelta(minutes=1)


def doubling(tries: int, *, most_seconds: int) -> timedelta:
    """Return 1 s after the first try, twice as long after each further one, up to a limit."""
    # The exponent is bounded too: nobody needs 2 ** 10_000.
    return timedelta(seconds=min(2 ** min(max(tries, 1) - 1, 20), most_seconds))


def next_look_at(
    *, opened_at: datetime, now: datetime, payable_until: datetime, grace_seconds: int
) -> datetime:
    """Return when to ask again about an attempt that was asked about at *now*.

    By age at first, then seldom, and once more as soon as "not paid" would be final.
    """
    # A second more, because an answer given at the very end of the grace is not after it.
    final_at = payable_until + timedelta(seconds=grace_seconds + 1)
    if now >= final_at:
        return now + _LAST_LOOKS
    by_age = (opened_at + timedelta(seconds=age) for age in LOOK_AGES_SECONDS)
    return min(next((at for at in by_age if at > now), now + _LATER_LOOKS), final_at)
