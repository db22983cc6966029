"""Form-encoded words as Stripe takes them: ``a[b][0][c]=d``, unknown ones refused.

Source: Stripe API, "Introduction" and the parameters of each call, read 2026-11.
"""

import re
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from sandbox.stripe.refusal import bad_parameter

_T = TypeVar("_T")
_PART = re.compile(r"\[([^\[\]]*)\]")
_PARTS_MAX = 200


def read_form(text: str) -> dict[str, Any]:
    """Read nested words; lists come as ``a[]`` or ``a[0]``."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=_PARTS_MAX):
        head, _, _ = name.partition("[")
        _put(found, [head, *_PART.findall(name)], value)
    return {name: _listed(value) for name, value in found.items()}


def convert(words: dict[str, Any], kind: type[_T]) -> _T:
    """Read the words of one call.

    :raises Refusal: one is unknown, missing or malformed.
    """
    try:
        return msgspec.convert(words, kind, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        named = re.search(r"`\$?\.?([\w.\[\]]+)`", text)
        param = named.group(1) if named else ""
        if "unknown field" in text:
            raise bad_parameter("parameter_unknown", param, "Received unknown parameter") from None
        if "missing required" in text:
            raise bad_parameter("parameter_missing", param, "Missing required param") from None
        raise bad_parameter("parameter_invalid_integer", param, text) from None


def _put(into: dict[str, Any], parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        inner = into.setdefault(part or str(len(into)), {})
        if not isinstance(inner, dict):
            raise bad_parameter("parameter_invalid_integer", part, "Invalid object")
        into = inner
    into[parts[-1] or str(len(into))] = value


def _listed(value: Any) -> Any:  # noqa: ANN401 - words of any depth
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(one) for name, one in value.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
