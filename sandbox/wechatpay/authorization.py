"""Who is calling: the Authorization header and the signature over the exact request.

Checks run as at the real gateway: header form, merchant, age, then the signature. Everything but a
missing User-Agent or Accept is 401 SIGN_ERROR.

Source: WeChat Pay v3, how to sign a request, read 2026-11.
"""

import re
from collections.abc import Mapping

import msgspec

from sandbox.settings import WechatSettings
from sandbox.wechatpay.keys import SIGNATURE_TYPE, Keys
from sandbox.wechatpay.refusal import bad_signature, unlawful

# The vendor's limit on clock skew, either way.
SKEW_MAX_SECONDS = 300
_NONCE_LENGTH_MAX = 32
_PAIR = re.compile(r'([a-z_]+)="([^"]*)"')
_NAMES = frozenset({"mchid", "nonce_str", "signature", "timestamp", "serial_no"})


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature covers: the bytes as they came, nothing decoded."""

    method: str
    target: str
    body: bytes
    headers: Mapping[str, str]


def request_message(*, method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """Return the five lines a merchant signs; *target* is the path with its query string."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def authorize(
    request: SignedRequest, *, settings: WechatSettings, keys: Keys, now_seconds: float
) -> None:
    """Let a genuine and fresh call of our merchant pass.

    :raises Refusal: 400 INVALID_REQUEST or 401 SIGN_ERROR.
    """
    for name in ("User-Agent", "Accept"):
        if not request.headers.get(name, "").strip():
            raise unlawful(f"Http头缺少{name}")
    pairs = parse_authorization(request.headers.get("Authorization"))
    if pairs["mchid"] != settings.mch_id:
        raise bad_signature("mchid", "unknown merchant")
    _check_age(pairs["timestamp"], now_seconds)
    if pairs["serial_no"].upper() != settings.merchant_serial_no.upper():
        raise bad_signature("serial_no", "unknown merchant certificate")
    message = request_message(
        method=request.method,
        target=request.target,
        timestamp=pairs["timestamp"],
        nonce=pairs["nonce_str"],
        body=request.body,
    )
    if not keys.verify_merchant(message, pairs["signature"]):
        raise bad_signature("signature", "sign not match")


def parse_authorization(header: str | None) -> dict[str, str]:
    """Read the five quoted pairs, in any order.

    :raises Refusal: 401 SIGN_ERROR for every other form.
    """
    scheme, _, rest = (header or "").partition(" ")
    if scheme != SIGNATURE_TYPE:
        raise bad_signature("authorization", "missing or unknown scheme")
    matches = [_PAIR.fullmatch(part) for part in rest.split(",")]
    pairs = {match[1]: match[2] for match in matches if match}
    if len(matches) != len(_NAMES) or pairs.keys() != _NAMES:
        raise bad_signature("authorization", "not five quoted pairs")
    if not 1 <= len(pairs["nonce_str"]) <= _NONCE_LENGTH_MAX:
        raise bad_signature("nonce_str", "length")
    return pairs


def _check_age(timestamp: str, now_seconds: float) -> None:
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise bad_signature("timestamp", "not a number of seconds")
    if abs(now_seconds - int(timestamp)) > SKEW_MAX_SECONDS:
        raise bad_signature("timestamp", "expired")
