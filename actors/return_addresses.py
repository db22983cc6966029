"""Where a payer's browser comes back to, so that the page there knows which order it is about."""

from urllib.parse import urlsplit, urlunsplit

_NAME = "order_id"
# How routes begin that a page keeps in its fragment; any other is a place on the page.
_ROUTES = ("/", "!/")


def with_order(url: str | None, order_no: str) -> str | None:
    """Name the order in an address, unless it names one already.

    Where the fragment is a page's route (``#/paid``, ``#!/paid``) that is where the page looks, so
    the order goes there. The rest stays letter for letter: providers replace words in it, such as
    ``{CHECKOUT_SESSION_ID}`` (Stripe, "Customize redirect behavior", read 2026-11).
    """
    if url is None:
        return None
    parts = urlsplit(url)
    has_route = parts.fragment.startswith(_ROUTES)
    route, _, asked = parts.fragment.partition("?") if has_route else ("", "", "")
    if _names_one(parts.query) or _names_one(asked):
        return url
    if has_route:
        return urlunsplit(parts._replace(fragment=f"{route}?{_naming(asked, order_no)}"))
    return urlunsplit(parts._replace(query=_naming(parts.query, order_no)))


def _names_one(query: str) -> bool:
    return any(pair.partition("=")[0] == _NAME for pair in query.split("&"))


def _naming(query: str, order_no: str) -> str:
    return "&".join(filter(None, (query, f"{_NAME}={order_no}")))
