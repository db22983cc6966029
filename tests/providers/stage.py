"""What the conformance suite needs of each provider."""

from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from contracts.attempt import AttemptRequest
from contracts.states import Channel
from providers.provider import Provider

# For who finds a payment by our number of it.
ANY_TXN = "4200000000000000001"


class Notice(NamedTuple):
    """What came to our door, with lower-case header names."""

    headers: dict[str, str]
    body: bytes


class Stage(Protocol):
    """What the conformance suite needs of a provider and of its simulator.

    *speaks* is whether its notices come to a door of its own, *signs_answers* whether its answers
    are signed, *signs_in_body* whether a notice's signature stands in its body,
    *numbers_openings* whether each opening of a number gets one of the provider's own, and
    *sticks* whether a refund can be stuck at the payer's bank. *fresh_for* is how long a notice is
    believed, *openid_channel* one that needs an openid.
    """

    speaks: bool
    signs_answers: bool
    signs_in_body: bool
    numbers_openings: bool
    sticks: bool
    fresh_for: timedelta
    openid_channel: Channel | None
    provider: Provider
    impatient: Provider
    secrets: frozenset[str]

    def an_attempt(self, **changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
        """Make a request that the simulator will accept."""

    def pay(self, attempt_no: str) -> None:
        """Be the payer."""

    def spoil(
        self, attempt_no: str, operation: str, mode: str, delay_ms: int | None = None
    ) -> None:
        """Let the next call of an operation about an attempt go wrong."""

    def settle(self, refund_no: str, outcome: str) -> None:
        """Bring a held refund to its end."""

    async def arrive(self, attempt_no: str) -> None:
        """Be the payer who has not paid yet; before that a provider may not know the number."""

    async def txn_of(self, attempt: AttemptRequest) -> str:
        """Say which payment of the provider's a refund of an attempt must name."""

    async def notices(self, attempt_no: str, count: int) -> list[Notice]:
        """Wait for so many notices about an attempt."""


def of_attempt(attempt_no: str, operation: str) -> dict[str, Any]:
    """Say in a fault whose call it is for, where the provider can tell.

    Who asks may name nothing that the provider knows, such as a refund that nobody made.
    """
    return {} if operation.startswith("query") else {"out_trade_no": attempt_no}
