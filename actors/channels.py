"""How a payer gets to WeChat Pay, and what a method of the payments API means. Pure.

1. A Mini Program's User-Agent is believed before the client; else the client's word for where it
   is, if it is one of the three; else the User-Agent.
2. In a Mini Program the bridge pays, or nothing does: it must be there, new enough, and switched
   on for the user. No other channel is ever a way out.
3. In the WeChat browser JSAPI pays, everywhere else a code to scan.
4. A user is let in by a number of their own, so a half-open gate answers one user one way.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from itertools import zip_longest

from contracts.bridge import BridgeGate
from contracts.channels import Environment, Visit
from contracts.errors import InvalidRequest, MiniProgramBridgeRequired
from contracts.states import Channel

# Every channel that may be chosen here; a provider that opens them all can be paid this way.
CHOICES = frozenset({Channel.WECHAT_NATIVE, Channel.WECHAT_JSAPI, Channel.MINIPROGRAM_BRIDGE})
# What a client of the payments API gets without a word for it: the first that its provider has.
_USUAL = (Channel.WECHAT_NATIVE, Channel.WX_PUB_QR, Channel.ALIPAY_QR, Channel.STRIPE)
# How it may call each channel: by its own word, and WeChat's by those of the course shop too.
_ALSO: Mapping[str, Channel] = {
    "wx_pub_qr": Channel.WECHAT_NATIVE,
    "wx_pub": Channel.WECHAT_JSAPI,
    "wx_lite": Channel.MINIPROGRAM_BRIDGE,
}
_ENVIRONMENTS = {word.value: word for word in Environment}
# Nine digits are more than any version has, and cost nothing to compare.
_PART = re.compile(r"[0-9]{1,9}")
# 1.2.0-beta is not 1.2.0 yet, and what is no number proves nothing.
_NO_NUMBER = -1
_PARTS_MAX = 8


def visit_of(
    *,
    claimed: str | None,
    user_agent: str,
    bridge_supported: bool | None = None,
    bridge_version: str | None = None,
    shell_version: str | None = None,
    is_told: bool = False,
) -> Visit:
    """Say where a payer is; *claimed* is the client's own word for it, which may be any."""
    return Visit(
        environment=_environment(claimed, user_agent.lower()),
        is_told=is_told,
        bridge_supported=bridge_supported is True,
        bridge_version=bridge_version or "",
        shell_version=shell_version or "",
    )


def choose_channel(visit: Visit, gate: BridgeGate, user_id: int) -> Channel:
    """Choose the one channel a payer can use where they are.

    :raises MiniProgramBridgeRequired: a Mini Program that cannot pay, or may not yet.
    """
    match visit.environment:
        case Environment.MINIPROGRAM:
            if not _may_cross(visit, gate, user_id):
                raise _upgrade_to(gate)
            return Channel.MINIPROGRAM_BRIDGE
        case Environment.WECHAT:
            return Channel.WECHAT_JSAPI
        case Environment.NONE:
            return Channel.WECHAT_NATIVE


def channel_of(method: str | None, channels: frozenset[Channel]) -> Channel:
    """Choose among a provider's *channels* the one a client names; unnamed, its usual one.

    A provider with one channel has no choice, whatever a client calls it.

    :raises InvalidRequest: it names none.
    """
    if len(channels) == 1:
        return next(iter(channels))
    chosen = next(filter(channels.__contains__, _USUAL if method is None else _named(method)), None)
    if chosen is None:
        names = ", ".join(sorted(channels | {n for n, one in _ALSO.items() if one in channels}))
        raise InvalidRequest(errors=[{"field": "method", "message": f"One of {names}."}])
    return chosen


def refuse_unless_rolled_out(gate: BridgeGate, user_id: int) -> None:
    """Insist that the bridge is switched on for a user.

    :raises MiniProgramBridgeRequired: it is not, or not any more.
    """
    if not is_rolled_out(user_id, gate.rollout_percent):
        raise _upgrade_to(gate)


def is_rolled_out(user_id: int, percent: int) -> bool:
    """Tell whether a user is among the first *percent* of all; more percent only add users."""
    digest = sha256(b"bridge %d" % user_id).digest()
    return int.from_bytes(digest[:8]) % 100 < percent


def is_at_least(version: str, floor: str) -> bool:
    """Compare two versions as numbers, part by part; a missing part is 0."""
    pairs = zip_longest(_parts(version), _parts(floor), fillvalue=0)
    return next((ours > least for ours, least in pairs if ours != least), True)


def _named(method: str) -> tuple[Channel, ...]:
    own = tuple(channel for channel in Channel if channel.value == method)
    return own + tuple(channel for name, channel in _ALSO.items() if name == method)


def _environment(claimed: str | None, user_agent: str) -> Environment:
    seen = _seen_in(user_agent)
    if seen is Environment.MINIPROGRAM:
        return seen
    return _ENVIRONMENTS.get(claimed or "", seen)


def _seen_in(user_agent: str) -> Environment:
    if "micromessenger" not in user_agent:
        return Environment.NONE
    return Environment.MINIPROGRAM if "miniprogram" in user_agent else Environment.WECHAT


def _may_cross(visit: Visit, gate: BridgeGate, user_id: int) -> bool:
    return (
        visit.bridge_supported
        and is_at_least(visit.bridge_version, gate.min_version)
        and is_rolled_out(user_id, gate.rollout_percent)
    )


def _upgrade_to(gate: BridgeGate) -> MiniProgramBridgeRequired:
    return MiniProgramBridgeRequired(requiresUpgrade=True, minBridgeVersion=gate.min_version)


def _parts(version: str) -> list[int]:
    parts = version.split(".", _PARTS_MAX)[:_PARTS_MAX]
    return [int(part) if _PART.fullmatch(part) else _NO_NUMBER for part in parts]
