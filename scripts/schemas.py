"""Writes contracts/schemas from the structs, so that the two cannot differ."""

import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.normalized import NormalizedEvent
from contracts.wire import bridge, miniprogram, payments
from contracts.wire.problems import Problem
from scripts.stamp import ROOT

FOLDER = ROOT / "contracts" / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Several structs are variants of one payload.
PAYLOADS: Mapping[str, tuple[type[msgspec.Struct], ...]] = {
    "client-context": (payments.ClientContext,),
    "prepare-request": (payments.PrepareRequest,),
    "prepare-response": (
        payments.NativeOrderToPay,
        payments.JsapiOrderToPay,
        payments.BridgeOrderToPay,
    ),
    "order-to-pay": (
        payments.NativeOrderToPay,
        payments.JsapiOrderToPay,
        payments.BridgeOrderToPay,
        payments.OrderWithoutChannel,
    ),
    "problem": (Problem,),
    "bridge-settings": (bridge.BridgeSettings,),
    "bridge-report": (bridge.BridgeReport,),
    "bridge-ticket-request": (bridge.BridgeTicketRequest,),
    "bridge-ticket-response": (bridge.BridgeTicket,),
    "bridge-redeem-request": (bridge.RedeemBridgeTicket,),
    "bridge-redeem-response": (bridge.RedeemedBridgeTicket,),
    "mini-bind-token-response": (bridge.BindToken,),
    "bind-mini-openid-request": (bridge.BindMiniOpenid,),
    "bind-mini-openid-with-token-request": (bridge.BindMiniOpenidWithToken,),
    "h5-bind-state-response": (bridge.BindState,),
    "bind-openid-request": (bridge.BindOpenid,),
    "bound-response": (bridge.Bound,),
    "get-capabilities-result": (miniprogram.Capabilities,),
    "request-payment-params": (payments.RequestPaymentParams,),
    "request-payment-result": (miniprogram.PaymentResult,),
    "payment-event": (NormalizedEvent,),
    "bridge-message": (
        miniprogram.CapabilitiesMessage,
        miniprogram.PaymentMessage,
        miniprogram.CapabilitiesResponse,
        miniprogram.PaymentResponse,
    ),
}


def schema_of(name: str) -> dict[str, Any]:
    """Write the schema of one payload."""
    variants, parts = msgspec.json.schema_components(PAYLOADS[name], ref_template="#/$defs/{name}")
    only = variants[0] if len(variants) == 1 else {"anyOf": list(variants)}
    return {"$schema": _DIALECT, "title": name, **only, "$defs": parts}


def written(name: str) -> str:
    """Write the file of one payload."""
    text = msgspec.json.format(msgspec.json.encode(schema_of(name), order="sorted"), indent=2)
    return text.decode() + "\n"


def main() -> int:
    """Write every schema where it belongs, and remove what is none any more."""
    FOLDER.mkdir(exist_ok=True)
    for name in PAYLOADS:
        (FOLDER / f"{name}.json").write_text(written(name), encoding="utf-8")
    for file in FOLDER.glob("*.json"):
        if file.stem not in PAYLOADS:
            file.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
