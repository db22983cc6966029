"""Which faults of a call to WeChat only a person can put right."""

from contextlib import AbstractContextManager

from contracts.states import Channel
from providers.watch import Outcome, watched_call
from providers.wechat import errors, exchange
from providers.wechat.words import PROVIDER

_CONFIGURATION_FAULTS = errors.CONFIGURATION_FAULTS | exchange.CONFIGURATION_FAULTS


def watched(operation: str, channel: Channel | None = None) -> AbstractContextManager[Outcome]:
    """Watch one call to WeChat."""
    return watched_call(PROVIDER, operation, channel, faults=_CONFIGURATION_FAULTS)
