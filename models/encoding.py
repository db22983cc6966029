"""Rows as one JSON parameter: a set-based statement takes any number of them."""

from collections.abc import Sequence

import msgspec

_encoder = msgspec.json.Encoder()


def rows(values: Sequence[object]) -> str:
    """Encode rows for ``json_to_recordset($1)``."""
    return _encoder.encode(values).decode()


def document(value: object) -> str:
    """Encode one JSON document."""
    return _encoder.encode(value).decode()
