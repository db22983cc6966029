"""Keys as operators hand them over: PEM, PEM on one line, bare base64, or a file's path."""

import base64
import binascii
import re
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

_BEGIN = "-----BEGIN "
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
# Shorter than any key worth having, and longer than paths are.
_BARE = re.compile(r"[A-Za-z0-9+/=\s]{200,}")


class PemError(ValueError):
    """The value is no key and names no readable file with one; the value itself is not shown."""


def read_pem(text: str) -> str:
    r"""Return the PEM that *text* is, is with ``\n`` for line ends, is without armour, or names.

    Without armour is how Alipay hands keys out (Alipay, key tool, read 2026-11).

    :raises PemError: it is none of the four.
    """
    text = text.strip()
    found = _of_content(text)
    if found is not None:
        return found
    try:
        content = Path(text).expanduser().read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise PemError("neither PEM nor a readable file") from None
    found = _of_content(content)
    if found is None:
        raise PemError("the file holds no PEM")
    return found


def read_pems(text: str) -> tuple[str, ...]:
    """Return every PEM of a list: what commas separate, and blocks one after another.

    :raises PemError: a part is none of what :func:`read_pem` takes.
    """
    parts = [read_pem(part) for part in text.split(",") if part.strip()]
    return tuple(pem for part in parts for pem in _blocks(part))


def _blocks(pem: str) -> list[str]:
    # What is cut short stays as it is: who loads it says so.
    return [f"{found.group(0)}\n" for found in _BLOCK.finditer(pem)] or [pem]


def _of_content(text: str) -> str | None:
    if text.startswith(_BEGIN):
        return text.replace("\\n", "\n").strip() + "\n"
    if _BARE.fullmatch(text) is None:
        return None
    try:
        return _with_armour(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError, TypeError):
        raise PemError("neither PEM nor a readable file") from None


def _with_armour(der: bytes) -> str:
    try:
        pem = load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    except ValueError:
        key = load_der_private_key(der, password=None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()
