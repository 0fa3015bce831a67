"""The forms of fields: how a GUID, an instant, an amount or a text is written in JSON.

The one hard idea: an amount stays the bytes it was sent as until it is read exactly, so no float is
ever made of it; going out, it is written digit by digit. What a form can't express to msgspec is in
its schema all the same and checked by `api.intake`.
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from ledger.amounts import Points, format_amount
from ledger.identity import KEY_LENGTH_MAX
from ledger.requests import SOURCE_LENGTH_MAX, TEXT_LENGTH_MAX

DEFINITION_MAX: Final = 2**31 - 1
"""The largest `definitionId`, which Engage keeps in 32 bits."""

_NO_CONTROL: Final = {"pattern": "^[^\\u0000-\\u001f\\u007f]*$"}

Guid = Annotated[UUID, Meta(description="A GUID; case does not matter, answers are lower case.")]

Instant = Annotated[
    datetime,
    Meta(
        tz=True,
        description=(
            "RFC 3339 with an offset, from 1970 to before 3000; answers are in UTC. Kept in "
            "microseconds: of more than six decimals of a second the nearest six are taken."
        ),
        examples=["2026-11-21T09:30:00Z"],
    ),
]

Amount = Annotated[
    msgspec.Raw,
    Meta(
        description=(
            "Points as a plain JSON number: no exponent, no more decimals than the definition's "
            "scale. Read and written exactly, never as a binary float. An amount that is sent has "
            "at most 16 digits; a balance or a sum may have more, so read those as decimals."
        ),
        extra_json_schema={"type": "number"},
    ),
]
"""A signed amount."""

PositiveAmount = Annotated[
    msgspec.Raw,
    Meta(
        description=(
            "Points above zero as a plain JSON number: no exponent, no more decimals than the "
            "definition's scale. Read exactly, never as a binary float."
        ),
        extra_json_schema={"type": "number", "exclusiveMinimum": 0},
    ),
]

Money = Annotated[
    msgspec.Raw,
    Meta(
        description="An amount of money above zero with at most four decimals, in any currency.",
        extra_json_schema={"type": "number", "exclusiveMinimum": 0},
    ),
]

DefinitionNumber = Annotated[
    int,
    Meta(ge=1, le=DEFINITION_MAX, description="Engage's id of the kind of points.", examples=[1]),
]

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200

PageLimit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]

ExplanationLimit = Annotated[int, Meta(ge=1, le=1000)]

CursorWord = Annotated[str, Meta(min_length=1, max_length=64)]

Flag = Annotated[str, Meta(extra_json_schema={"enum": ["true", "false"]})]
"""Yes or no, in an address."""

IdempotencyKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=KEY_LENGTH_MAX,
        description=(
            "What makes this transaction the one it is, such as the receipt's number. The same key "
            "with the same content books once, for ever."
        ),
        extra_json_schema=_NO_CONTROL,
    ),
]

Source = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=SOURCE_LENGTH_MAX,
        description="Which system it comes from, such as `pos`; no personal text.",
        extra_json_schema=_NO_CONTROL,
    ),
]

Description = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=TEXT_LENGTH_MAX,
        description="What the contact reads in the points log. Can be erased later.",
        extra_json_schema=_NO_CONTROL,
    ),
]

Reference = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=TEXT_LENGTH_MAX,
        description="Where to look it up, such as a receipt's number. Can be erased later.",
        extra_json_schema=_NO_CONTROL,
    ),
]

Actor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=TEXT_LENGTH_MAX,
        description="Who did it, such as a till or an agent. Can be erased later.",
        extra_json_schema=_NO_CONTROL,
    ),
]

Strict = Annotated[
    bool,
    Meta(
        description=(
            "Refuse what happened in a period that finance has closed, instead of booking it at "
            "the start of the open one."
        )
    ),
]

Everything = Annotated[
    bool,
    Meta(
        description="Must be true where it is given: all points go, pending ones and debt too.",
        extra_json_schema={"const": True},
    ),
]


def exactly(points: Points | int, scale: int) -> msgspec.Raw:
    """An amount as it is answered: `12.5`, never `12.50` or `1.25e1`."""
    return msgspec.Raw(b"%d" % points if scale == 0 else format_amount(points, scale).encode())
