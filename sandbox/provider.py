"""The seam between the control API, the delivery of notices and each simulated provider."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec
from litestar.types import ControllerRouterHandler

from sandbox.records import Notice, Refund, Trade, Wish

RefundOutcome = Literal["success", "close", "abnormal"]


class Conflict(Exception):
    """The trade or refund is in a state that forbids this; nothing moved."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One signed copy of a notice, ready to be posted."""

    headers: dict[str, str]
    body: bytes


class Provider(Protocol):
    """What a simulated provider offers to the rest of the sandbox."""

    @property
    def name(self) -> str:
        """The name under which its trades are listed."""
        ...

    @property
    def operations(self) -> frozenset[str]:
        """The calls for which faults can be queued."""
        ...

    @property
    def resend_seconds(self) -> Sequence[float]:
        """The waits between the sends of a notice nobody accepted, in real seconds."""
        ...

    def routes(self) -> Sequence[ControllerRouterHandler]:
        """Answer on the provider's own paths."""
        ...

    def pay(self, trade: Trade, wish: Wish) -> str:
        """Take the buyer's money and return the new status.

        :raises Conflict: the trade cannot be paid any more.
        """
        ...

    def fail(self, trade: Trade, wish: Wish) -> str:
        """Refuse one attempt of the buyer to pay and return the status."""
        ...

    def close(self, trade: Trade, wish: Wish) -> str:
        """Close an unpaid trade from the provider's side and return the new status.

        :raises Conflict: the trade is paid.
        """
        ...

    def settle_refund(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a refund to its end and return its new status.

        :raises Conflict: that end cannot follow the present status.
        """
        ...

    def console_refund(
        self, trade: Trade, amount_minor: int, *, signed: bool, days_ago: int
    ) -> Refund:
        """Refund in the provider's own console, past the merchant's service.

        With *signed* the merchant is told as of a refund it asked for. With *days_ago* the refund
        is dated back, so that a past day's bill has it.

        :raises Conflict: there is not that much to refund.
        """
        ...

    def crafted(
        self, trade: Trade, kind: str, overrides: Mapping[str, object]
    ) -> tuple[str, str, Envelope]:
        """Make one notice with chosen faults; return its id, address and copy.

        :raises msgspec.ValidationError: an override is unknown or has the wrong form.
        """
        ...

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy afresh; *flaw* is a fault mode that spoils the signature."""
        ...

    def rotate(self) -> dict[str, str]:
        """Sign with a new key from now on; return what the merchant needs to believe it.

        Until the sandbox is started again; a crafted notice may still use the key before.

        :raises Conflict: its keys cannot be changed on one side alone.
        """
        ...

    def accepted(self, status: int, body: bytes) -> bool:
        """Tell whether the merchant's answer ends the sends."""
        ...
