"""Which rows of an accepted request Engage did not take, and why.

The one hard idea: 202 says nothing of single rows. The answer lists those that were not taken as
they were sent, contacts and definitions that don't exist, and messages; each is attributed to rows
as far as it surely can be. What is said and can't be attributed leaves every row it might be about
in doubt, to be settled by reading.

Contract: docs/contracts/engage.md, "Transactions".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from sync.engage.answers import MESSAGE_LENGTH_MAX, named_guids
from sync.engage.lenient import decimal_of, fields_of, instant_of, items_of, word_of

UNKNOWN_CONTACT: Final = "Engage does not know the contact"
NOT_ACCEPTED: Final = "Engage did not accept the row and does not say why"

_FINE: Final = timedelta(milliseconds=1)


class RowSent(NamedTuple):
    """A row as Engage may speak of it.

    Attributes:
        contact: Lower case.
        definition: Engage's `definitionId`.
    """

    contact: str
    definition: int
    amount: Decimal
    stamp: datetime


@dataclass(slots=True)
class Acceptance:
    """What became of the rows of an accepted request; all others were taken.

    Attributes:
        refused: By place, with the reason.
        doubtful: Places of which the answer leaves it open.
    """

    refused: dict[int, str] = field(default_factory=dict)
    doubtful: set[int] = field(default_factory=set)


def read_acceptance(body: bytes, rows: Sequence[RowSent]) -> Acceptance:
    """Read the answer to a request of these rows, in their order."""
    if not body.strip().startswith(b"{"):
        return Acceptance(doubtful=set(range(len(rows))))
    fields = fields_of(body)
    messages = _words(fields.get("errormessages"))
    acceptance = Acceptance()
    listed = items_of(fields.get("notaccepted"))
    is_odd = listed is None and bytes(fields.get("notaccepted", b"null")) != b"null"
    for index, item in enumerate(listed or []):
        said = messages[index] if len(messages) == len(listed or []) else None
        places = _places_of(item, rows, acceptance.refused)
        if len(places) == 1:
            acceptance.refused[places[0]] = said or _about(rows[places[0]], messages)
        else:
            # Several rows fit, or none: it is about one of those, or about any.
            acceptance.doubtful |= set(places or range(len(rows)))
    _miss_contacts(_words(fields.get("missingcontactids")), rows, acceptance)
    _miss_definitions(_words(fields.get("missingdefinitionids")), rows, acceptance)
    if is_odd or (messages and not acceptance.refused and not acceptance.doubtful):
        acceptance.doubtful = set(range(len(rows)))
    acceptance.doubtful -= acceptance.refused.keys()
    return acceptance


def _miss_contacts(missing: list[str], rows: Sequence[RowSent], acceptance: Acceptance) -> None:
    contacts = {one.lower() for one in missing}
    for place, row in enumerate(rows):
        if row.contact in contacts:
            acceptance.refused.setdefault(place, UNKNOWN_CONTACT)


def _miss_definitions(missing: list[str], rows: Sequence[RowSent], acceptance: Acceptance) -> None:
    for place, row in enumerate(rows):
        if str(row.definition) in missing:
            acceptance.refused.setdefault(
                place, f"Engage does not know point definition {row.definition}"
            )


def _places_of(item: msgspec.Raw, rows: Sequence[RowSent], known: dict[int, str]) -> list[int]:
    """The rows that an item of `notAccepted` may be about, as few as what it says allows."""
    fields = fields_of(item)
    contact, definition = word_of(fields.get("contactid")), word_of(fields.get("definitionid"))
    amount, stamp = decimal_of(fields.get("amount")), instant_of(fields.get("timestamp"))
    if contact is None:
        return []
    places = [
        place
        for place, row in enumerate(rows)
        if place not in known
        and row.contact == contact.lower()
        and (definition is None or str(row.definition) == definition)
    ]
    exact = [place for place in places if stamp is not None and _is_at(rows[place], stamp)]
    if len(exact) == 1:
        return exact
    alike = [place for place in places if rows[place].amount == amount]
    return alike or places


def _is_at(row: RowSent, stamp: datetime) -> bool:
    return abs(row.stamp - stamp) < _FINE


def _about(row: RowSent, messages: Sequence[str]) -> str:
    """What the messages say of a row, or all they say."""
    named = [one for one in messages if row.contact in named_guids(one)]
    return ("; ".join(named or messages) or NOT_ACCEPTED)[:MESSAGE_LENGTH_MAX]


def _words(value: msgspec.Raw | None) -> list[str]:
    words = (word_of(item) for item in items_of(value) or [])
    return [word[:MESSAGE_LENGTH_MAX] for word in words if word is not None]
