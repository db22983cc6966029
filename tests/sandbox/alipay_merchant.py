"""A merchant of Alipay: signs and verifies with nothing but cryptography."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from tests.sandbox.simulator import ALIPAY_APP_ID, Keyring, Received, new_trade_no

CHINA = timezone(timedelta(hours=8))
GATEWAY = "/alipay/gateway.do"


class AlipayMerchant:
    """Calls the gateway; what it answers must be signed."""

    def __init__(self, keyring: Keyring, base_url: str) -> None:
        self._key = keyring.merchant
        self.alipay: RSAPublicKey = keyring.alipay.public_key()
        self.http = httpx.Client(base_url=base_url, trust_env=False, timeout=30)

    def form(self, method: str, words: dict[str, Any], **changes: str) -> dict[str, str]:
        """Sign a call."""
        form = {
            "app_id": ALIPAY_APP_ID,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": in_china(datetime.now(UTC)),
            "version": "1.0",
            "biz_content": json.dumps(words, ensure_ascii=False),
        } | changes
        text = "&".join(f"{name}={form[name]}" for name in sorted(form))
        sign = self._key.sign(text.encode(), PKCS1v15(), SHA256())
        return form | {"sign": base64.b64encode(sign).decode()}

    def post(self, form: dict[str, str]) -> httpx.Response:
        """Send a call."""
        return self.http.post(GATEWAY, data=form)

    def call(self, method: str, words: dict[str, Any], **changes: str) -> dict[str, Any]:
        """Make a call, check its answer's signature and return what it says."""
        text = self.post(self.form(method, words, **changes)).text
        name = f"{method.replace('.', '_')}_response"
        start = text.index(f'"{name}":') + len(name) + 3
        content = text[start : text.rindex(',"sign":"')]
        sign = json.loads(text)["sign"]
        assert self.is_signed(sign, content), text
        return dict(json.loads(content))

    def precreate(self, words: dict[str, Any], notify_url: str) -> dict[str, Any]:
        """Have a code made."""
        return self.call("alipay.trade.precreate", words, notify_url=notify_url)

    def query(self, number: str) -> dict[str, Any]:
        """Ask for a trade."""
        return self.call("alipay.trade.query", {"out_trade_no": number})

    def close(self, number: str) -> dict[str, Any]:
        """Close a trade."""
        return self.call("alipay.trade.close", {"out_trade_no": number})

    def refund(self, number: str, request_no: str, amount: str) -> dict[str, Any]:
        """Ask for money back."""
        words = {"out_trade_no": number, "out_request_no": request_no, "refund_amount": amount}
        return self.call("alipay.trade.refund", words)

    def query_refund(self, number: str, request_no: str) -> dict[str, Any]:
        """Ask for a refund."""
        words = {"out_trade_no": number, "out_request_no": request_no}
        return self.call("alipay.trade.fastpay.refund.query", words)

    def is_signed(self, sign: str, text: str, key: RSAPublicKey | None = None) -> bool:
        """Tell whether Alipay signed a text."""
        try:
            (key or self.alipay).verify(
                base64.b64decode(sign, validate=True), text.encode(), PKCS1v15(), SHA256()
            )
        except InvalidSignature:
            return False
        return True

    def believes(self, fields: dict[str, str], key: RSAPublicKey | None = None) -> bool:
        """Tell whether Alipay signed the fields of a notice or of a way back."""
        names = sorted(fields.keys() - {"sign", "sign_type"})
        return self.is_signed(fields["sign"], "&".join(f"{n}={fields[n]}" for n in names), key)


def a_trade(**changes: str) -> dict[str, Any]:
    """Return the words of a trade of 99 yuan."""
    return {
        "out_trade_no": new_trade_no(),
        "total_amount": "99.00",
        "subject": "Guichet Demo Night 演示票",
        "time_expire": in_china(datetime.now(UTC) + timedelta(minutes=30)),
    } | changes


def fields_of(received: Received) -> dict[str, str]:
    """Read a notice."""
    return dict(parse_qsl(received.body.decode(), keep_blank_values=True, strict_parsing=True))


def in_china(at: datetime) -> str:
    """Write an instant as Alipay reads it."""
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
