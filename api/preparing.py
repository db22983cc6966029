"""Where a payer says they are, and what is told of each wish to pay: one line, one count."""

import re
from typing import Literal

import structlog

from actors.channels import visit_of
from api.metrics import PREPARES
from api.rooms import Visitor
from contracts.channels import Visit
from contracts.order import Order
from contracts.states import Channel
from contracts.wire.payments import ClientContext

# A version says who must update; longer or stranger words are somebody's noise in our logs.
_LOGGED_MAX = 32
_STRANGE = re.compile(r"[^0-9A-Za-z.+_-]")

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")


def visit_in(request: Visitor, context: ClientContext | None) -> Visit:
    """Say where the payer of a request is."""
    said = context or ClientContext()
    return visit_of(
        claimed=said.environment_type,
        # Of two, each is looked at: whoever added one must not hide the other.
        user_agent=" ".join(request.headers.getall("user-agent", [])),
        bridge_supported=said.mini_program_bridge_supported,
        bridge_version=said.mini_program_bridge_version,
        shell_version=said.shell_version,
        is_told=context is not None,
    )


def context_in_query(
    environment_type: str | None,
    bridge_supported: Literal["true", "false"] | None,
    bridge_version: str | None,
    shell_version: str | None,
) -> ClientContext | None:
    """Read the context out of a query; None when it says nothing."""
    said = (environment_type, bridge_supported, bridge_version, shell_version)
    if said == (None, None, None, None):
        return None
    supported = None if bridge_supported is None else bridge_supported == "true"
    return ClientContext(
        environment_type=environment_type,
        mini_program_bridge_supported=supported,
        mini_program_bridge_version=bridge_version,
        shell_version=shell_version,
    )


def tell(
    visit: Visit, channel: Channel | None, refusal: str | None, order: Order | None = None
) -> None:
    """Count and log what became of a wish to pay; *refusal* is its code."""
    word, code = (channel.value if channel else "none"), refusal or "OK"
    PREPARES.labels(channel=word, code=code).inc()
    # Named as the page knows them: the line is read beside what the page says it sent.
    log.info(
        "payments.prepare",
        orderId=order and order.id,
        orderNo=order and order.order_no,
        channel=word,
        code=code,
        environmentType=visit.environment.value,
        shellVersion=loggable(visit.shell_version),
        bridgeVersion=loggable(visit.bridge_version),
        bridgeSupported=visit.bridge_supported,
    )


def loggable(text: str) -> str:
    """Shorten a client's word, and leave out what has no place in a version."""
    return _STRANGE.sub("?", text[:_LOGGED_MAX])
