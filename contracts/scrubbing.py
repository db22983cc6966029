"""What must never be kept of a provider's words: who somebody is, and what opens or pays anything.

Adapters leave such things out; this is the net below them, so it goes by names alone.
"""

from typing import Any

# How names are compared: client_secret, clientSecret and client-secret are one.
_LISTED = """
    clientsecret credential credentials secret apikey token accesstoken refreshtoken
    sign signature paysign prepayid codeurl qrcode qrcodeurl package
    openid subopenid unionid payer
    buyerid buyerlogonid buyeruserid buyeropenid buyeraccount buyerusername
    card cardnumber cardno number cvc cvv expmonth expyear fingerprint last4 dynamiclast4 iin
    billing billingdetails shipping shippingdetails customerdetails collectedinformation
    receiptemail customeremail email phone mobile idcard certno certname
"""
_NAMES = frozenset(_LISTED.split())
# No provider nests so deep; what does would cost us the stack.
_DEPTH_MAX = 32
_CUT = "(cut)"


def scrubbed(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out whatever stands under a name on the list, at any depth.

    What is left can be stored: text that no database takes is replaced, sign by sign.
    """
    return {_clean(key): _scrub(key, value, 1) for key, value in body.items() if not _is_out(key)}


def is_secret_name(name: str) -> bool:
    """Tell whether what stands under *name* is never kept."""
    return name.lower().replace("_", "").replace("-", "") in _NAMES


def _is_out(key: object) -> bool:
    return is_secret_name(str(key))


def _scrub(key: object, value: object, depth: int) -> object:
    if depth > _DEPTH_MAX:
        return _CUT
    if isinstance(value, dict):
        return {_clean(k): _scrub(k, v, depth + 1) for k, v in value.items() if not _is_out(k)}
    if isinstance(value, list | tuple):
        return [_scrub(key, each, depth + 1) for each in value]
    if isinstance(value, str):
        return _CUT if key == "url" and _is_payable(value) else _clean(value)
    return value


def _is_payable(url: str) -> bool:
    # Whoever has the address of a hosted page can pay there, or read who does.
    return "://" in url


def _clean(text: object) -> str:
    # PostgreSQL takes no NUL, and UTF-8 no half of a pair.
    return str(text).replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
