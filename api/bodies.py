"""Reading JSON bodies without mercy: what two parsers could read differently is refused.

1. Types are exact: "1", true and 1.0 are no integers; unknown members are refused.
2. A name twice, a NUL, half a surrogate pair, bad UTF-8 and bottomless nesting are refused.
3. Nothing is unpacked: a body that is said to be encoded is refused unread.
"""

import json
import re
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec
from litestar import Request
from litestar.dto import AbstractDTO
from litestar.exceptions import HTTPException
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from contracts.errors import InvalidRequest

_PATH = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_NAMED = re.compile(r"`([^`]*)`")
_MESSAGE_MAX = 200


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


_NOTHING = msgspec.json.Decoder(_Nothing)


class StrictBody(AbstractDTO[Any]):
    """Tells the framework to decode a handler's `data` here, and to document its struct as is."""

    _decoders: dict[str, msgspec.json.Decoder[Any]] = {}  # noqa: RUF012  # filled once per handler

    @classmethod
    def create_for_field_definition(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,
        backend_cls: object = None,  # noqa: ARG003  # the framework names it
    ) -> None:
        """Make the handler's decoder."""
        cls._decoders[handler_id] = msgspec.json.Decoder(field_definition.annotation)

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,  # noqa: ARG003  # the framework names it
        schema_creator: Any,  # noqa: ANN401  # the framework's own, private
    ) -> Reference | Schema:
        """Document the struct itself."""
        schema: Reference | Schema = schema_creator.for_field_definition(field_definition)
        return schema

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> NoReturn:
        """Never called: there is no second model behind the struct."""
        raise NotImplementedError

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> NoReturn:
        """Never called: there is no second model behind the struct."""
        raise NotImplementedError

    def decode_bytes(self, value: bytes) -> Any:  # noqa: ANN401  # a handler's struct
        """Read a body."""
        if "content-encoding" in self.asgi_connection.headers:
            raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return decode(self._decoders[str(self.asgi_connection.route_handler.handler_id)], value)


def decode(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:  # noqa: ANN401  # the struct
    """Read *body*.

    :raises InvalidRequest: with the field and the fault, as far as there is a field.
    """
    try:
        read = decoder.decode(body)
        _refuse_ambiguity(body)
    except msgspec.ValidationError as error:
        raise invalid(*_field_and_message(str(error))) from None
    except (ValueError, RecursionError):
        raise invalid("", "The body is not well-formed JSON.") from None
    return read


async def refuse_words(request: Request[Any, Any, Any]) -> None:
    """Insist that a request says nothing in its body, or ``{}``.

    :raises InvalidRequest: it says something, which nobody would read.
    """
    body = await request.body()
    if body:
        decode(_NOTHING, body)


def invalid(field: str, message: str) -> InvalidRequest:
    """Make the refusal of one field."""
    return InvalidRequest(errors=[{"field": field, "message": message[:_MESSAGE_MAX]}])


def _refuse_ambiguity(body: bytes) -> None:
    # A second parse, because the first keeps the last of two members and says nothing.
    read = json.loads(body, object_pairs_hook=_without_twins, parse_int=str, parse_float=str)
    if b"\\u" in body:
        _refuse_odd_text(read)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("twins")
    return members


def _refuse_odd_text(value: object) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            _refuse_odd_text(name)
            _refuse_odd_text(member)
    elif isinstance(value, list):
        for member in value:
            _refuse_odd_text(member)
    elif isinstance(value, str):
        # Half a surrogate pair has no UTF-8; the error is a ValueError.
        value.encode()
        if "\x00" in value:
            raise ValueError("NUL")


def _field_and_message(text: str) -> tuple[str, str]:
    message = text.split(" - at ", maxsplit=1)[0]
    path = found.group(1) if (found := _PATH.search(text)) else ""
    if message.startswith(("Object contains unknown field", "Object missing required field")):
        name = _NAMED.search(message)
        path = ".".join(filter(None, (path, name.group(1) if name else "")))
    return path[:_MESSAGE_MAX], message.replace("`", "")
