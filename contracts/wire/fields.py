"""The pieces that requests are made of."""

from typing import Annotated, TypeAlias

from msgspec import Meta

# JSON numbers are doubles to many clients: an id above 2^53 - 1 would reach us as another one.
ID_MAX = 2**53 - 1
QUANTITY_MAX = 100
# Answers to an organizer's questions: enough for a form, too few to fill a disk with.
_ANSWERS_MAX, _QUESTION_MAX, _ANSWER_MAX = 50, 64, 1000
# The framework describes no bounds inside a mapping.
_ANSWERS_DESCRIBED = {
    "extra": {
        "max_properties": _ANSWERS_MAX,
        "property_names": {"maxLength": _QUESTION_MAX},
        "additional_properties": {"type": "string", "maxLength": _ANSWER_MAX},
    }
}

Id: TypeAlias = Annotated[int, Meta(ge=1, le=ID_MAX)]
Quantity: TypeAlias = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
ShortText: TypeAlias = Annotated[str, Meta(max_length=64)]
Answers: TypeAlias = Annotated[
    dict[
        Annotated[str, Meta(max_length=_QUESTION_MAX)],
        Annotated[str, Meta(max_length=_ANSWER_MAX)],
    ],
    Meta(max_length=_ANSWERS_MAX, extra_json_schema=_ANSWERS_DESCRIBED),
]
