"""The pieces that requests are made of."""

from typing import Annotated, TypeAlias

from msgspec import Meta

# JSON numbers are doubles to many clients: an id above 2^53 - 1 would reach us as another one.
ID_MAX = 2**53 - 1
QUANTITY_MAX = 100

Id: TypeAlias = Annotated[int, Meta(ge=1, le=ID_MAX)]
Quantity: TypeAlias = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
ShortText: TypeAlias = Annotated[str, Meta(max_length=64)]
