"""The doors around the Mini Program bridge: its gate, its tickets, its reports, its payers."""

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from contracts.bridge import BRIDGE_VERSION_PATTERN
from contracts.wire.fields import ShortText
from contracts.wire.payments import RequestPaymentParams

# Real ones are some 32 letters and digits, and never longer than an address allows.
LoginCode: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Token: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
_Message: TypeAlias = Annotated[str, Meta(max_length=1024)]


class BridgeSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """How many users may use the bridge, by hundreds, and the oldest one that may pay."""

    rollout_percent: Annotated[int, Meta(ge=0, le=100)]
    min_version: Annotated[str, Meta(pattern=BRIDGE_VERSION_PATTERN, max_length=32)]

    def __post_init__(self) -> None:
        """Refuse a line break at the end, which a pattern lets pass."""
        if self.min_version.endswith("\n"):
            raise ValueError("Only numbers and dots make a version")


class BridgeReport(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What a page heard from the bridge; *errCode* is one of the bridge's, or any other word."""

    order_no: ShortText
    ok: bool
    err_code: ShortText | None = None
    err_msg: _Message | None = None
    bridge_version: ShortText | None = None
    shell_version: ShortText | None = None


class BridgeTicketRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What the native page shall pay for: *bizId* is its id or its number."""

    biz_type: ShortText
    biz_id: Annotated[str, Meta(min_length=1, max_length=64)]


class BridgeTicket(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Good for one redeeming, by the payer alone."""

    ticket: str
    expires_at: datetime


class RedeemBridgeTicket(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """A ticket, and the code of a fresh ``wx.login``."""

    ticket: Token
    code: LoginCode


class RedeemedBridgeTicket(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the native page hands to ``wx.requestPayment``, signed a moment ago."""

    request_payment_params: RequestPaymentParams


class BindToken(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Lets the Mini Program say who its user is, once."""

    bind_token: str
    expires_at: datetime


class BindMiniOpenid(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The code of a fresh ``wx.login``."""

    code: LoginCode


class BindMiniOpenidWithToken(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """A token made for the user's page, and the code of a fresh ``wx.login``."""

    bind_token: Token
    code: LoginCode


class BindState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the WeChat browser goes next; it comes back with a code and *state*."""

    state: str
    authorize_url: str
    expires_at: datetime


class BindOpenid(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What came back from the authorization page."""

    code: LoginCode
    state: Token


class Bound(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Your WeChat account is known; what could not be paid can be."""

    bound: bool
