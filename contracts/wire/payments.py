"""The doors to paying: where the payer is, and what the payer's client pays with.

An answer's ``channel`` says which payload it holds. No other pairing decodes, and none can be
built.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.wire.fields import ShortText


class ClientContext(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Where the payer is; unknown words fall back to the User-Agent."""

    environment_type: ShortText | None = None
    mini_program_bridge_supported: bool | None = None
    mini_program_bridge_version: ShortText | None = None
    shell_version: ShortText | None = None


class PrepareRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What to pay for: *bizId* is its id or its number."""

    biz_type: ShortText
    biz_id: Annotated[str, Meta(min_length=1, max_length=64)]
    client_context: ClientContext | None = None


class PrepareError(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why there is nothing to pay with yet; the order stays payable."""

    code: str


class NativePayload(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Shown as a code for WeChat to scan."""

    code_url: str


class JsapiParams(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Handed to WeChat's payment window as they are; *timeStamp* is in seconds."""

    app_id: str
    time_stamp: str
    nonce_str: str
    package: str
    sign_type: str
    pay_sign: str


class JsapiPayload(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """For the WeChat browser."""

    jsapi_params: JsapiParams


class RequestPaymentParams(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Handed to wx.requestPayment by the Mini Program around the page; none may be changed."""

    app_id: str
    time_stamp: str
    nonce_str: str
    package: str
    sign_type: str
    pay_sign: str
    order_no: str


class BridgePayload(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """For the Mini Program bridge."""

    request_payment_params: RequestPaymentParams


class _ToPay(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    payload_type: ClassVar[type[Any] | None] = None

    order_id: int
    order_no: str
    status: str
    quantity: int
    total_amount: int
    currency: str
    expired_at: datetime
    is_existing: bool
    prepare_error: PrepareError | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse a payload of another channel, whatever the types were said to be."""
        payload = getattr(self, "pay_payload", None)
        if payload is not None and type(payload) is not self.payload_type:
            msg = f"{type(self).__name__} cannot hold {type(payload).__name__}"
            raise TypeError(msg)


class NativeOrderToPay(
    _ToPay, frozen=True, kw_only=True, rename="camel", tag_field="channel", tag="WECHAT_NATIVE"
):
    """An order and its code to scan; amounts in minor units."""

    payload_type = NativePayload

    pay_payload: NativePayload | None
    payment_method: Literal["WECHAT_NATIVE"] = "WECHAT_NATIVE"
    code_url: Annotated[
        str | UnsetType, Meta(description="As in payPayload, for older clients")
    ] = UNSET


class JsapiOrderToPay(
    _ToPay, frozen=True, kw_only=True, rename="camel", tag_field="channel", tag="WECHAT_JSAPI"
):
    """An order and how the WeChat browser pays it; amounts in minor units."""

    payload_type = JsapiPayload

    pay_payload: JsapiPayload | None
    payment_method: Literal["WECHAT_JSAPI"] = "WECHAT_JSAPI"
    jsapi_params: Annotated[
        JsapiParams | UnsetType, Meta(description="As in payPayload, for older clients")
    ] = UNSET


class BridgeOrderToPay(
    _ToPay, frozen=True, kw_only=True, rename="camel", tag_field="channel", tag="MINIPROGRAM_BRIDGE"
):
    """An order and how the Mini Program pays it; amounts in minor units."""

    payload_type = BridgePayload

    pay_payload: BridgePayload | None
    # The bridge pays by JSAPI inside the shell, and is recorded as that.
    payment_method: Literal["WECHAT_JSAPI"] = "WECHAT_JSAPI"
    jsapi_params: Annotated[
        JsapiParams | UnsetType, Meta(description="The same six, for older clients")
    ] = UNSET


class OrderWithoutChannel(_ToPay, frozen=True, kw_only=True, rename="camel"):
    """An order whose provider is reached by no channel of WeChat; amounts in minor units."""

    channel: None = None
    pay_payload: None = None
    payment_method: None = None


ChannelOrderToPay: TypeAlias = NativeOrderToPay | JsapiOrderToPay | BridgeOrderToPay
OrderToPay: TypeAlias = ChannelOrderToPay | OrderWithoutChannel
