"""Keys as operators hand them over: PEM, PEM on one line, or a file's path."""

from pathlib import Path

_BEGIN = "-----BEGIN "


class PemError(ValueError):
    """The value is no PEM and names no readable PEM file; the value itself is not shown."""


def read_pem(text: str) -> str:
    r"""Return the PEM that *text* is, is with ``\n`` for line ends, or names.

    :raises PemError: it is none of the three.
    """
    text = text.strip()
    if text.startswith(_BEGIN):
        return text.replace("\\n", "\n").strip() + "\n"
    try:
        content = Path(text).expanduser().read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise PemError("neither PEM nor a readable file") from None
    if not content.startswith(_BEGIN):
        raise PemError("the file holds no PEM")
    return content + "\n"
