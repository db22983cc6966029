"""Where payers are, and what WeChat checks of what they are handed."""

import base64
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from tests.api.service import ORDERS, Buyer

PREPARE = "/api/payments/wechat/prepare"
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"
WECHAT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
    " Mobile/15E148 MicroMessenger/8.0.50(0x18003231) NetType/WIFI Language/zh_CN"
)
SHELL = f"{WECHAT} miniProgram/wx2222222222222222"
BRIDGE = {
    "environmentType": "miniprogram",
    "miniProgramBridgeSupported": True,
    "miniProgramBridgeVersion": "1.2.0",
    "shellVersion": "3.1.4",
}
IN_WECHAT = {"environmentType": "wechat"}
ELSEWHERE = {"environmentType": "none"}
SIGNED = {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}


def prepare(
    buyer: Buyer,
    order: dict[str, Any],
    context: dict[str, Any] | None = None,
    *,
    user_agent: str = DESKTOP,
) -> httpx.Response:
    """Ask for a way to pay."""
    body: dict[str, Any] = {"bizType": "EVENT_TICKET", "bizId": str(order["orderId"])}
    if context is not None:
        body["clientContext"] = context
    return buyer.http.post(PREPARE, json=body, headers={"User-Agent": user_agent})


def pending(
    buyer: Buyer, query: dict[str, str] | None = None, *, user_agent: str = DESKTOP
) -> httpx.Response:
    """Look at what waits to be paid."""
    headers = {"User-Agent": user_agent}
    return buyer.http.get(f"{ORDERS}/pending", params=query or {}, headers=headers)


def in_query(context: dict[str, Any]) -> dict[str, str]:
    """Write a context as a query."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in context.items()
    }


def lose_openid(buyer: Buyer) -> None:
    """Become somebody of whom no openid is known."""
    answer = buyer.http.post("/api/auth/sandbox-login", json={"name": buyer.name, "openid": False})
    assert answer.status_code == 200


def verify_pay_sign(params: dict[str, Any], key: RSAPublicKey) -> None:
    """Check a signature as WeChat does, with the merchant's public key."""
    lines = (params["appId"], params["timeStamp"], params["nonceStr"], params["package"])
    message = "".join(f"{line}\n" for line in lines).encode()
    signature = base64.b64decode(params["paySign"], validate=True)
    key.verify(signature, message, PKCS1v15(), SHA256())
    assert params["signType"] == "RSA"
