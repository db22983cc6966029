"""Payment notices signed before the clock starts, by the sandbox platform's own key.

Written from the vendor's pages and not from our code or the simulator's: WeChat Pay v3, payment
notice and signatures, read 2026-11.
"""

import asyncio
import base64
import json
import multiprocessing
import secrets
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench.shots import request
from bench.stage import Payable
from sandbox.supervisor.keys import Keys

PATH: Final = "/api/webhooks/wechatpay"
_PIECES = 2


@dataclass(frozen=True)
class _Platform:
    """What a signing process must know."""

    key_file: Path
    serial: str
    api_v3_key: str
    merchant_id: str
    appid: str


class Signers:
    """Two processes that sign: a signature takes about a millisecond of CPU."""

    def __init__(self, keys: Keys) -> None:
        self._platform = _Platform(
            key_file=keys.platform_private_key,
            serial=keys.secrets.platform_public_key_id,
            api_v3_key=keys.secrets.api_v3_key,
            merchant_id=keys.secrets.mch_id,
            appid=keys.secrets.service_account_app_id,
        )
        self._pool = ProcessPoolExecutor(_PIECES, multiprocessing.get_context("spawn"))

    async def sign(self, orders: Sequence[Payable]) -> list[bytes]:
        """Return one request per order, good for five minutes from now."""
        loop = asyncio.get_running_loop()
        size = -(-len(orders) // _PIECES)
        pieces = [orders[at : at + size] for at in range(0, len(orders), size)]
        sign = partial(_sign, self._platform)
        signed = await asyncio.gather(
            *(loop.run_in_executor(self._pool, sign, piece) for piece in pieces)
        )
        return [request for piece in signed for request in piece]

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()


def _sign(platform: _Platform, orders: Sequence[Payable]) -> list[bytes]:
    key = load_pem_private_key(platform.key_file.read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return [_request(platform, key, order) for order in orders]


def _request(platform: _Platform, key: RSAPrivateKey, order: Payable) -> bytes:
    body = _notice(platform, order)
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    signature = key.sign(message, PKCS1v15(), SHA256())
    headers = {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": base64.b64encode(signature).decode(),
        "Wechatpay-Serial": platform.serial,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }
    return request("POST", PATH, body=body, headers=headers)


def _notice(platform: _Platform, order: Payable) -> bytes:
    paid_at = time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(time.time() + 8 * 3600))
    nonce = secrets.token_hex(6)
    plaintext = json.dumps(_transaction(platform, order, paid_at)).encode()
    sealed = AESGCM(platform.api_v3_key.encode()).encrypt(nonce.encode(), plaintext, b"transaction")
    notice = {
        "id": str(uuid.uuid4()),
        "create_time": paid_at,
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "resource": {
            "original_type": "transaction",
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": "transaction",
            "nonce": nonce,
        },
    }
    return json.dumps(notice, ensure_ascii=False).encode()


def _transaction(platform: _Platform, order: Payable, paid_at: str) -> dict[str, object]:
    amount = {"total": order.amount_minor, "payer_total": order.amount_minor}
    return {
        "mchid": platform.merchant_id,
        "appid": platform.appid,
        "out_trade_no": order.attempt_no,
        "transaction_id": f"42{order.order_id:026d}",
        "trade_type": "NATIVE",
        "trade_state": "SUCCESS",
        "success_time": paid_at,
        "payer": {"openid": "oBenchBenchBenchBenchBench00"},
        "amount": amount | {"currency": "CNY", "payer_currency": "CNY"},
    }
