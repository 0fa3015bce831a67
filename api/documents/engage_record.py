"""What was said between the books and Engage, as it is answered: told, parked, differing, gone.

The one hard idea: amounts are exact numbers in points, and whatever was said about a contact is
told in one form, whoever said it.
"""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.documents.forms import Amount, Guid, Instant, exactly
from ledger.identity import DefinitionId
from ledger.policies import Definition
from sync.engage.contacts.gone import Decision, GoneRecord
from sync.engage.drift.differences import DifferenceRecord
from sync.engage.parked import ParkedRecord
from sync.engage.record import Entry, Teller, What

RETRIED_MAX = 1000

Definitions = dict[DefinitionId, Definition]


class ParkedDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that Engage does not take.

    Attributes:
        row_id: By which a movement can be retried alone; null for a total.
        amount: The total as last told, or the movement.
        at: When the total was told, or when the movement happened.
        retry_at: When it is tried again by itself.
    """

    row_id: int | None
    contact_id: UUID | None
    definition_id: int
    amount: Amount
    at: Instant | None
    reason: str
    retry_at: Instant | None


class ParkedPage(msgspec.Struct, frozen=True, rename="camel"):
    """Some of what is parked: movements, oldest first, then totals."""

    parked: tuple[ParkedDocument, ...]
    next_cursor: str | UnsetType = UNSET


class RetryRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What is to be tried again: some movements, all of some contacts, or everything.

    Attributes:
        row_ids: Movements, as `rowId` names them.
        contact_ids: Contacts, totals and movements alike.
    """

    row_ids: Annotated[tuple[int, ...], Meta(min_length=1, max_length=RETRIED_MAX)] | UnsetType = (
        UNSET
    )
    contact_ids: (
        Annotated[tuple[Guid, ...], Meta(min_length=1, max_length=RETRIED_MAX)] | UnsetType
    ) = UNSET


class RetriedDocument(msgspec.Struct, frozen=True):
    """How many totals and movements will be told by the next pushes."""

    retried: int


class EntryDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that one side told the other about a contact.

    Attributes:
        teller: `books` or `engage`.
        what: A `total` or a `movement` that Engage was told, a `message` of Engage's, a
            `difference` that was found, or that the contact is `gone`.
        amount: What was told or asked; of a difference, what the books had.
        state: What became of it.
        settled_at: When that was known.
        about_id: The batch, the adjustment or the difference.
        transaction_id: What it became in the books.
    """

    at: Instant
    teller: Teller
    what: What
    definition_id: int | None
    amount: Amount | None
    state: str
    settled_at: Instant | None
    message: str | None
    about_id: UUID | None
    transaction_id: UUID | None


class RecordPage(msgspec.Struct, frozen=True, rename="camel"):
    """What was said about a contact, the latest first."""

    entries: tuple[EntryDocument, ...]
    next_cursor: str | UnsetType = UNSET


class DifferenceDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An account of which Engage had something else than the books.

    Attributes:
        engage_total, engage_pending: Null where Engage has none or doesn't say.
        books_pending: Only where Engage is told pending points.
        size: By how much both sides differed when last seen.
        repair: What was done about it last: `push` or `rows`.
        repairs: How often something was.
        unrepaired: Why nothing was.
        closed_at: When both sides were seen to agree again.
    """

    difference_id: UUID
    contact_id: UUID | None
    definition_id: int
    found_at: Instant
    seen_at: Instant
    engage_total: Amount | None
    engage_pending: Amount | None
    books_total: Amount
    books_pending: Amount | None
    size: Amount
    repair: str | None
    repaired_at: Instant | None
    repairs: int
    unrepaired: str | None
    closed_at: Instant | None


class DifferencePage(msgspec.Struct, frozen=True, rename="camel"):
    """Some differences, the latest first."""

    differences: tuple[DifferenceDocument, ...]
    next_cursor: str | UnsetType = UNSET


class GoneDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A contact of the books that Engage no longer has.

    Attributes:
        into: Whom its member number leads to now: probably they were merged.
        decision: What was done; `listed` leaves it to a person.
    """

    contact_id: UUID
    into: UUID | None
    noticed_at: Instant
    decided_at: Instant
    decision: Decision
    message: str | None


class GonePage(msgspec.Struct, frozen=True, rename="camel"):
    """Some contacts that are gone, the latest first."""

    contacts: tuple[GoneDocument, ...]
    next_cursor: str | UnsetType = UNSET


def parked_document(parked: ParkedRecord, definitions: Definitions) -> ParkedDocument:
    """Something parked, as it is answered."""
    definition = definitions[parked.definition]
    return ParkedDocument(
        row_id=parked.id,
        contact_id=parked.contact,
        definition_id=definition.engage_id,
        amount=exactly(parked.amount, definition.scale),
        at=parked.at,
        reason=parked.reason,
        retry_at=parked.retry_at,
    )


def entry_document(entry: Entry, definitions: Definitions) -> EntryDocument:
    """Something that was said, as it is answered."""
    definition = None if entry.definition is None else definitions[entry.definition]
    amount = None
    if entry.amount is not None and definition is not None:
        amount = exactly(entry.amount, definition.scale)
    return EntryDocument(
        at=entry.at,
        teller=entry.teller,
        what=entry.what,
        definition_id=None if definition is None else definition.engage_id,
        amount=amount,
        state=entry.state,
        settled_at=entry.settled_at,
        message=entry.message,
        about_id=entry.about,
        transaction_id=entry.transaction,
    )


def difference_document(found: DifferenceRecord, definitions: Definitions) -> DifferenceDocument:
    """A difference, as it is answered."""
    definition = definitions[found.definition]
    pending = found.books_pending
    return DifferenceDocument(
        difference_id=found.id,
        contact_id=found.contact,
        definition_id=definition.engage_id,
        found_at=found.found_at,
        seen_at=found.seen_at,
        engage_total=None if found.engage_total is None else exact_number(found.engage_total),
        engage_pending=None if found.engage_pending is None else exact_number(found.engage_pending),
        books_total=exactly(found.books_total, definition.scale),
        books_pending=None if pending is None else exactly(pending, definition.scale),
        size=exact_number(found.size),
        repair=found.repair,
        repaired_at=found.repaired_at,
        repairs=found.repairs,
        unrepaired=found.unrepaired,
        closed_at=found.closed_at,
    )


def gone_document(gone: GoneRecord) -> GoneDocument:
    """A contact that is gone, as it is answered."""
    return GoneDocument(
        contact_id=gone.contact,
        into=gone.into,
        noticed_at=gone.noticed_at,
        decided_at=gone.decided_at,
        decision=gone.decision,
        message=gone.message,
    )


def exact_number(amount: Decimal) -> msgspec.Raw:
    """Engage's own number, digit by digit."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return msgspec.Raw((text or "0").encode())
