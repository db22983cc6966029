"""An Alipay that signs, written from the vendor's pages and not from our own code."""

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote_plus, urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from contracts.evidence import Evidence
from providers.alipay.settings import AlipaySettings
from tests.providers.merchant import MERCHANT_KEY
from tests.providers.signing import NOW, new_key, private_pem, public_pem
from tests.providers.wire_server import an_answer
from tests.sandbox.simulator import ALIPAY_APP_ID, ALIPAY_SELLER_ID

ALIPAY_KEY, NEXT_KEY, FOREIGN_KEY = new_key(), new_key(), new_key()
CHINA = timezone(timedelta(hours=8))
ATTEMPT_NO = "G0123456789ABCDE01"
TRADE_NO = "2026112122001400000000000001"
PAYER = "2088102122524333"


class Kept(list[Evidence]):
    """Everything that an adapter kept."""

    def __call__(self, evidence: Evidence) -> None:
        self.append(evidence)


def settings(**changes: Any) -> AlipaySettings:  # noqa: ANN401 - any field
    return AlipaySettings(
        **{
            "app_id": ALIPAY_APP_ID,
            "seller_id": ALIPAY_SELLER_ID,
            "private_key_pem": private_pem(MERCHANT_KEY),
            "alipay_public_keys_pem": (public_pem(ALIPAY_KEY),),
        }
        | changes
    )


def signature(message: bytes, key: RSAPrivateKey = ALIPAY_KEY) -> str:
    return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()


def china(at: datetime = NOW) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def a_told_trade(**changes: str | None) -> dict[str, str]:
    """Return the fields of a notice; None leaves one out."""
    honest: dict[str, str | None] = {
        "notify_time": china(),
        "notify_type": "trade_status_sync",
        "notify_id": "2026112100222155624068450559358070",
        "charset": "utf-8",
        "version": "1.0",
        "app_id": ALIPAY_APP_ID,
        "seller_id": ALIPAY_SELLER_ID,
        "buyer_id": PAYER,
        "buyer_logon_id": "138****0000",
        "out_trade_no": ATTEMPT_NO,
        "trade_no": TRADE_NO,
        "trade_status": "TRADE_SUCCESS",
        "subject": "演示票 {100%}+",
        "total_amount": "99.00",
        "receipt_amount": "90.00",
        "buyer_pay_amount": "90.00",
        "fund_bill_list": '[{"amount":"90.00","fundChannel":"PCREDIT"}]',
        "gmt_payment": china(NOW - timedelta(seconds=1)),
    }
    fields = honest | changes
    return {name: value for name, value in fields.items() if value is not None}


def a_notice(
    key: RSAPrivateKey = ALIPAY_KEY,
    /,
    *,
    is_service: bool = False,
    skips_blanks: bool = False,
    charset: str = "utf-8",
    **changes: str | None,
) -> bytes:
    """Make a signed notice."""
    fields = a_told_trade(**{"charset": charset} | changes) | {"sign_type": "RSA2"}
    left_out = set() if is_service else {"sign_type"}
    names = sorted(n for n, v in fields.items() if n not in left_out and (v or not skips_blanks))
    text = "&".join(f"{name}={fields[name]}" for name in names)
    sign = signature(text.encode(charset), key)
    return urlencode({"sign": sign} | fields, encoding=charset).encode()


def and_also(body: bytes, **fields: str) -> bytes:
    """Add fields that nobody signed."""
    return body + "".join(f"&{n}={quote_plus(v)}" for n, v in fields.items()).encode()


def a_raw_answer(name: str, content: bytes, key: RSAPrivateKey | None = ALIPAY_KEY) -> bytes:
    """Answer with *content* letter for letter, signed unless there is no key."""
    sign = b"" if key is None else b',"sign":"%b"' % signature(content, key).encode()
    return an_answer(200, b'{"%b":%b%b}' % (name.encode(), content, sign))


def says(method: str, key: RSAPrivateKey | None = ALIPAY_KEY, /, **content: object) -> bytes:
    """Answer one method."""
    words = {"code": "10000", "msg": "Success"} | content
    return a_raw_answer(f"{method.replace('.', '_')}_response", json.dumps(words).encode(), key)
