"""The doors to intents: what is collected, how it is confirmed, and how it goes back."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.wire.fields import ID_MAX, Id, ShortText
from contracts.wire.payments import JsapiParams, RequestPaymentParams

_METADATA_MAX, _NAME_MAX, _VALUE_MAX = 20, 40, 500
# The framework describes no bounds inside a mapping.
_METADATA_DESCRIBED = {
    "extra": {
        "max_properties": _METADATA_MAX,
        "property_names": {"maxLength": _NAME_MAX},
        "additional_properties": {"type": "string", "maxLength": _VALUE_MAX},
    }
}
_REASON_MAX = 200

Amount: TypeAlias = Annotated[int, Meta(ge=1, le=ID_MAX, description="Minor units")]
Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[ -~]+$(?!\n)")]
Metadata: TypeAlias = Annotated[
    dict[
        Annotated[str, Meta(max_length=_NAME_MAX)],
        Annotated[str, Meta(max_length=_VALUE_MAX)],
    ],
    Meta(max_length=_METADATA_MAX, extra_json_schema=_METADATA_DESCRIBED),
]
Simulation: TypeAlias = Literal[
    "succeeded",
    "failed",
    "requires_action",
    "timeout_after_success",
    "duplicate",
    "out_of_order",
    "delayed",
    "wrong_amount",
]


class CreateIntent(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What to collect: exactly what the order costs."""

    order_id: Id
    amount: Amount
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)")]
    idempotency_key: Key
    metadata: Metadata | None = None


class Intent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Leave to collect an order's price; *amount* in minor units."""

    intent_id: int
    status: str
    amount: int
    currency: str
    client_secret: str


class ConfirmIntent(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """How to pay: *method* names a channel; *simulate* is heard by the mock provider only."""

    intent_id: Id
    idempotency_key: Key
    method: ShortText | None = None
    simulate: Simulation | None = None


class ActionData(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the payer's client goes on with: the one member that its channel has."""

    code_url: str | UnsetType = UNSET
    jsapi_params: JsapiParams | UnsetType = UNSET
    request_payment_params: RequestPaymentParams | UnsetType = UNSET
    redirect_url: str | UnsetType = UNSET
    client_secret: str | UnsetType = UNSET


class ConfirmedIntent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the attempt went; *actionData* is what the payer's client needs to go on."""

    intent_id: int
    attempt_id: int
    status: Annotated[str, Meta(description="processing, requires_action, failed or succeeded")]
    action_data: ActionData | UnsetType = UNSET
    paid_at: datetime | UnsetType = UNSET


class RefundPayment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """How much of an order's money goes back, all that is left when *amount* is not said."""

    order_id: Id
    idempotency_key: Key
    amount: Amount | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=_REASON_MAX)] = "requested_by_user"


class RetryRefund(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Which refund to go on with."""

    refund_id: Id
    idempotency_key: Key | None = None
