"""Which mail server takes our letters, read out of its URL."""

from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

import msgspec

from contracts.people import is_email

_DEFAULT_PORTS = {"smtp": 587, "smtps": 465}


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where letters are handed in; *starttls* None takes encryption where it is offered."""

    host: str
    port: int
    username: str | None
    password: str | None
    is_tls: bool
    starttls: bool | None

    def __repr__(self) -> str:
        """Show nothing secret: structs end up in error reports."""
        return f"MailServer(host={self.host!r})"


def read_mail_server(url: str, *, starttls: bool | None) -> MailServer:
    """Read ``smtp://[user:password@]host[:port]`` or ``smtps://...``.

    :raises ValueError: it is none of these.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("SMTP_URL")
    is_tls = parts.scheme == "smtps"
    return MailServer(
        host=parts.hostname,
        port=parts.port or _DEFAULT_PORTS[parts.scheme],
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        is_tls=is_tls,
        starttls=False if is_tls else starttls,
    )


def is_sender(text: str) -> bool:
    """Tell whether *text* is ``name@host`` or ``Some Name <name@host>``."""
    return text.isprintable() and is_email(parseaddr(text)[1])
