"""The simulator's own signing code against vectors published by WeChat Pay."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.wechatpay.authorization import request_message
from sandbox.wechatpay.keys import Keys
from tests.sandbox.simulator import Keyring, open_sealed

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "wechatpay.json").read_text()
)


class TestTheRequestText:
    @pytest.mark.parametrize("vector", VECTORS["request_messages"], ids=lambda v: v["name"])
    def test_is_the_published_one(self, vector: dict[str, str]) -> None:
        message = request_message(
            method=vector["method"],
            target=vector["target"],
            timestamp=vector["timestamp"],
            nonce=vector["nonce"],
            body=vector["body"].encode(),
        )

        assert message == vector["message"].encode()


class TestTheKeys:
    def test_verify_a_published_signature_and_no_other(self, tmp_path: Path) -> None:
        vector = VECTORS["rsa_verify"]
        settings = Keyring(tmp_path).wechat_settings()
        settings.merchant_public_key.write_text(vector["public_key_pem"])
        keys = Keys(settings)

        assert keys.verify_merchant(vector["message"].encode(), vector["signature"])
        assert not keys.verify_merchant(b"another message", vector["signature"])

    def test_seal_what_the_published_way_of_opening_opens(self, tmp_path: Path) -> None:
        vector = VECTORS["aead"]
        published = AESGCM(vector["key"].encode()).decrypt(
            vector["nonce"].encode(),
            base64.b64decode(vector["ciphertext_b64"]),
            vector["associated_data"].encode(),
        )
        sealed = Keys(Keyring(tmp_path).wechat_settings()).seal(published, "transaction")

        assert open_sealed(msgspec.structs.asdict(sealed)) == vector["plaintext"].encode()
        assert (len(sealed.nonce), sealed.algorithm) == (12, "AEAD_AES_256_GCM")

    def test_refuse_a_secret_of_another_length(self, tmp_path: Path) -> None:
        settings = Keyring(tmp_path).wechat_settings()

        with pytest.raises(ValueError, match="32 bytes"):
            Keys(msgspec.structs.replace(settings, api_v3_key="short"))
