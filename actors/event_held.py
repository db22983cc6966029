"""Why an event moves nothing until a person has looked."""

from contracts.effects import Case, CaseKind
from contracts.normalized import NormalizedEvent


class EventHeld(Exception):
    """The event contradicts what it names; *reason* is from a closed set."""

    def __init__(self, event: NormalizedEvent, reason: str) -> None:
        super().__init__(reason)
        self.event = event
        self.reason = reason

    def case(self, notice_id: int) -> Case:
        """Ask a person about it."""
        data = self.event.data
        return Case(
            kind=CaseKind.EVENT_MISMATCH,
            subject=f"notice:{notice_id}",
            reason=self.reason,
            details={
                "type": self.event.type,
                "provider": self.event.provider,
                "order_id": str(data.order_id),
                "intent_id": str(data.intent_id),
                "amount_minor": str(data.amount),
                "currency": data.currency,
                "refund_no": data.refund_id or "",
            },
        )


class AttemptNotTold(EventHeld):
    """Money is said to have come, and several attempts of the intent could have taken it."""

    def __init__(self, event: NormalizedEvent) -> None:
        super().__init__(event, "attempt")
