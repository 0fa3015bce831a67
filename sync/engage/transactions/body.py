"""The exact bytes that tell Engage a batch of movements.

Contract: docs/contracts/engage.md, "Transactions".
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from ledger.amounts import Points, format_amount
from ledger.identity import ContactId
from sync.engage.totals import time_stamp


class Movement(NamedTuple):
    """One row of a request.

    Attributes:
        amount: In minor units of the definition's scale, negative for what is taken away.
        definition: Engage's `definitionId`.
        stamp: When it happened, made unique for the account.
        valid_from: Since when it counts.
        valid_to: When Engage takes it away again; `None` for never.
    """

    contact: ContactId
    amount: int
    scale: int
    definition: int
    stamp: datetime
    source: str
    description: str
    valid_from: datetime
    valid_to: datetime | None


class _Row(msgspec.Struct, rename="camel", omit_defaults=True):
    contact_id: str
    amount: msgspec.Raw
    definition_id: int
    time_stamp: str
    source: str
    description: str
    valid_from: str
    valid_to: str | None = None


def body_of(movements: Iterable[Movement]) -> bytes:
    """The request's body. Every time is given: Engage would fill in its own time zone's."""
    return msgspec.json.encode(
        [
            _Row(
                str(one.contact),
                msgspec.Raw(format_amount(Points(one.amount), one.scale).encode()),
                one.definition,
                time_stamp(one.stamp),
                one.source,
                one.description,
                time_stamp(one.valid_from),
                None if one.valid_to is None else time_stamp(one.valid_to),
            )
            for one in movements
        ]
    )
