"""What a page and the Mini Program around it say to each other; none of it reaches our doors.

Written down in contracts/miniprogram-bridge.md, where it is told who says what, and when.
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from contracts.bridge import BridgeError
from contracts.wire.fields import ShortText
from contracts.wire.payments import RequestPaymentParams

_RequestId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
_Marked: TypeAlias = Annotated[bool, Meta(extra_json_schema={"const": True})]


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What ``getCapabilities()`` resolves to."""

    bridge_version: ShortText
    supports_request_payment: bool
    shell_version: ShortText | None = None


class PaymentResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What ``requestPayment(params)`` resolves to; *ok* is no proof that anything was paid."""

    ok: bool
    err_code: BridgeError | None = None
    err_msg: Annotated[str, Meta(max_length=1024)] | None = None


class CapabilitiesMessage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"is_bridge": "__hwMiniBridge", "request_id": "requestId"},
    tag_field="type",
    tag="HW_MINI_BRIDGE_GET_CAPABILITIES",
):
    """Asks what the shell can do."""

    is_bridge: _Marked
    request_id: _RequestId


class PaymentMessage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"is_bridge": "__hwMiniBridge", "request_id": "requestId"},
    tag_field="type",
    tag="HW_MINI_BRIDGE_REQUEST_PAYMENT",
):
    """Asks the shell to pay."""

    is_bridge: _Marked
    request_id: _RequestId
    payload: RequestPaymentParams


class CapabilitiesResponse(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"is_bridge": "__hwMiniBridge", "request_id": "requestId"},
    tag_field="type",
    tag="HW_MINI_BRIDGE_RESPONSE",
):
    """Answers what the shell can do, under the *requestId* of the question."""

    is_bridge: _Marked
    request_id: _RequestId
    payload: Capabilities


class PaymentResponse(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"is_bridge": "__hwMiniBridge", "request_id": "requestId"},
    tag_field="type",
    tag="HW_MINI_BRIDGE_RESPONSE",
):
    """Answers how the payment ended, under the *requestId* of the question."""

    is_bridge: _Marked
    request_id: _RequestId
    payload: PaymentResult
