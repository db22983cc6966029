"""``python -m bench.signatures``: one core signs with a merchant's key, and nothing else happens.

Takes the key's file and how many seconds, and prints how many signatures it made and in how many
seconds.
"""

import sys
import time
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

# As long as what is signed for a payer.
_MESSAGE: Final = b"x" * 128
_BITS: Final = 2048
_PADDING, _HASH = PKCS1v15(), SHA256()


def sign(key: RSAPrivateKey, *, seconds: float) -> tuple[int, float]:
    """Sign for *seconds*; return how often, and how long that really was."""
    # The first one is dearer: it prepares the key.
    key.sign(_MESSAGE, _PADDING, _HASH)
    made, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        key.sign(_MESSAGE, _PADDING, _HASH)
        made += 1
    return made, passed


def main() -> None:
    """Sign as the command line says: key file, seconds."""
    key = load_pem_private_key(Path(sys.argv[1]).read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size == _BITS
    made, passed = sign(key, seconds=float(sys.argv[2]))
    sys.stdout.write(f"{made} {passed}\n")


if __name__ == "__main__":
    main()
