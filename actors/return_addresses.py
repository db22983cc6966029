"""Where a payer's browser comes back to, so that the page there knows which order it is about."""

from urllib.parse import urlsplit, urlunsplit

_NAME = "order_id"


def with_order(url: str | None, order_no: str) -> str | None:
    """Name the order in an address, unless it names one already.

    The rest stays letter for letter: providers replace words in it, such as
    ``{CHECKOUT_SESSION_ID}`` (Stripe, "Customize redirect behavior", read 2026-11).
    """
    if url is None:
        return None
    parts = urlsplit(url)
    if any(pair.partition("=")[0] == _NAME for pair in parts.query.split("&")):
        return url
    query = "&".join(filter(None, (parts.query, f"{_NAME}={order_no}")))
    return urlunsplit(parts._replace(query=query))
