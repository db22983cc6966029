"""What kinds of values settings have, beside plain words."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Seconds = Annotated[int, Meta(ge=0)]
Interval = Annotated[float, Meta(ge=0)]


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Only asking for the port says that it is none.
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    # Braces stay: a provider replaces words in them. A dollar is a variable that nobody replaced.
    is_plain = re.search(r"[\s$]", text) is None
    return parts.scheme in {"http", "https"} and bool(host) and is_plain


Url = Annotated[str, Meta(title="http or https address", extra={"check": _is_web_address})]
