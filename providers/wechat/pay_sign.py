"""What the payer's own WeChat needs to open its payment window, signed by the merchant.

Offline: a stored prepay_id is signed again as often as it is asked for, each time with another
nonce and the time of now. The sign type travels along and is not signed.

Source: WeChat Pay v3, JSAPI and Mini Program, "Invoke the payment", read 2026-11.
"""

import base64
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from contracts.attempt import SignedCall

SIGN_TYPE = "RSA"
# 32 characters are the most the interface takes.
_NONCE_BYTES = 16
_PADDING, _HASH = PKCS1v15(), SHA256()


def signed_call(key: RSAPrivateKey, *, app_id: str, prepay_id: str, now: datetime) -> SignedCall:
    """Sign a prepay_id for the app that it was made for."""
    time_stamp, nonce = str(int(now.timestamp())), secrets.token_hex(_NONCE_BYTES)
    package = f"prepay_id={prepay_id}"
    return SignedCall(
        app_id=app_id,
        time_stamp=time_stamp,
        nonce_str=nonce,
        package=package,
        sign_type=SIGN_TYPE,
        pay_sign=pay_sign(key, app_id, time_stamp, nonce, package),
    )


def pay_sign(key: RSAPrivateKey, *lines: str) -> str:
    """Sign some lines, each with a line feed behind it."""
    message = "".join(f"{line}\n" for line in lines).encode()
    return base64.b64encode(key.sign(message, _PADDING, _HASH)).decode()
