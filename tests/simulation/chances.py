"""How hostile one seed's world is: which things go wrong, and how often."""

from random import Random

import msgspec


class Chances(msgspec.Struct, kw_only=True):
    """Probabilities per call, and mean seconds between blows; calm() makes all of it stop."""

    processes: int
    buyers: int
    seats: int
    event_cap: int | None
    order_expire_seconds: int
    prepare_claim_seconds: int
    honour_hours: int
    sweep_seconds: float
    seconds: float
    has_redis: bool
    statement_lost: float = 0.0
    answer_lost: float = 0.0
    statement_conflict: float = 0.0
    slow: float = 0.0
    redis_lost: float = 0.0
    provider_unreachable: float = 0.0
    provider_unknown: float = 0.0
    provider_refuses: float = 0.0
    provider_slow: float = 0.0
    provider_takes_late: float = 0.0
    wrong_amount: float = 0.0
    refund_fails: float = 0.0
    notice_lost: float = 0.0
    notice_twice: float = 0.0
    buyer_hangs_up: float = 0.0
    crash_at_step: float = 0.0
    crash_every: float = 0.0
    pause_every: float = 0.0
    flush_every: float = 0.0
    redis_away_every: float = 0.0
    database_away_every: float = 0.0
    provider_away_every: float = 0.0
    organizer_every: float = 0.0

    def calm(self) -> None:
        """Let nothing go wrong any more."""
        for name in _TROUBLES:
            setattr(self, name, 0.0)


_TROUBLES = tuple(
    field.name
    for field in msgspec.structs.fields(Chances)
    if field.default == 0.0 and isinstance(field.default, float)
)


def chances_of(random: Random) -> Chances:
    """Draw a world. Each trouble is off in about half of all worlds, so that they mix."""
    chances = Chances(
        processes=random.choice((2, 2, 3)),
        buyers=random.randint(3, 6),
        seats=random.randint(2, 5),
        event_cap=random.choice((None, None, 3, 5)),
        order_expire_seconds=random.choice((15, 30, 60)),
        prepare_claim_seconds=random.choice((4, 20)),
        honour_hours=random.choice((0, 1, 24)),
        sweep_seconds=random.choice((3.0, 10.0, 20.0)),
        seconds=random.choice((20.0, 40.0, 80.0)),
        has_redis=random.random() < 0.8,
    )
    for name, most in _MOST.items():
        if random.random() < 0.5:
            setattr(chances, name, most * random.random())
    for name, least in _EVERY.items():
        if random.random() < 0.4:
            setattr(chances, name, least * (1 + 3 * random.random()))
    return chances


_MOST = {
    "statement_lost": 0.01,
    "answer_lost": 0.01,
    "statement_conflict": 0.01,
    "slow": 0.05,
    "redis_lost": 0.05,
    "provider_unreachable": 0.15,
    "provider_unknown": 0.15,
    "provider_refuses": 0.05,
    "provider_slow": 0.1,
    "provider_takes_late": 0.6,
    "wrong_amount": 0.05,
    "refund_fails": 0.1,
    "notice_lost": 0.5,
    "notice_twice": 0.5,
    "buyer_hangs_up": 0.3,
    "crash_at_step": 0.004,
}
_EVERY = {
    "crash_every": 8.0,
    "pause_every": 6.0,
    "flush_every": 3.0,
    "redis_away_every": 10.0,
    "database_away_every": 15.0,
    "provider_away_every": 20.0,
    "organizer_every": 2.0,
}
