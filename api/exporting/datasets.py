"""What there is to take out, and the columns of each.

The one hard idea: every row names its contact and its holder. The contact is whom the world knows,
and is gone once the person was erased; the holder is random, stays, and ties rows of all files
together.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.exporting.fields import Field, Form, Values, amounts, instants, texts
from ledger.amounts import SPEND_SCALE, Points, format_amount
from ledger.balances_export import HolderBalance, walking
from ledger.connection import Connection
from ledger.facts import Recorded, Transfer
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId
from ledger.policies import Definition
from ledger.reading import contacts_of
from ledger.tenants import Catalogue
from ledger.walks import (
    HoldStanding,
    LotStanding,
    every_contact,
    every_hold,
    every_lot,
    every_transaction,
)

Rows = AsyncIterator[list[Values]]
Owners = dict[HolderId, ContactId]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be taken out, and from where.

    Attributes:
        definitions: Those whose points are looked at.
        effective_at, recorded_at: Of balances, as of when.
        at: The instant of reading; `None` for the database's clock.
    """

    connection: Connection
    catalogue: Catalogue
    tenant: TenantId
    definitions: tuple[Definition, ...]
    effective_at: datetime | None = None
    recorded_at: datetime | None = None
    at: datetime | None = None

    @property
    def numbers(self) -> list[DefinitionId]:
        """The definitions by the books' own numbers."""
        return [definition.id for definition in self.definitions]

    def amount(self, definition: DefinitionId, points: Points | int) -> str:
        """Points as a plain number."""
        return format_amount(points, self.catalogue.definitions[definition].scale)

    def number(self, definition: DefinitionId) -> int:
        """A definition's number outside."""
        return self.catalogue.definitions[definition].engage_id

    async def now(self) -> datetime:
        """The instant of reading."""
        if self.at is not None:
            return self.at
        found: datetime = await self.connection.fetchval("select clock_timestamp()")
        return found


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of rows.

    Attributes:
        read: Reads them, inside a transaction of one snapshot; balances see to that themselves.
    """

    name: str
    fields: tuple[Field, ...]
    read: Callable[[Asked], Rows]

    async def rows(self, asked: Asked) -> Rows:
        """All of them, some thousands at a time, as of one snapshot of the books.

        Raises `FutureRecordError` for a `recorded_at` still to come.
        """
        if self.read is _balances:
            async for found in self.read(asked):
                yield found
            return
        async with asked.connection.transaction(isolation="repeatable_read", readonly=True):
            async for found in self.read(asked):
                yield found


_WHO: Final = (Field("contactId", Form.GUID), Field("holderId", Form.GUID))
_DEFINITION: Final = Field("definitionId", Form.INTEGER)
_ALLOCATIONS: Final = Field(
    "allocations", Form.LIST, (Field("lot", Form.INTEGER), Field("amount", Form.AMOUNT))
)
_ORIGIN: Final = (Field("originHolderId", Form.GUID), Field("originLot", Form.INTEGER))

BALANCES: Final = (
    *_WHO,
    _DEFINITION,
    *amounts("available", "pending", "held", "debt", "net"),
)

TRANSACTIONS: Final = (
    Field("transactionId", Form.GUID),
    *_WHO,
    Field("number", Form.INTEGER),
    _DEFINITION,
    Field("kind"),
    *amounts("amount", "net"),
    *instants("effectiveAt", "recordedAt", "occurredAt"),
    *texts("source", "idempotencyKey", "description", "reference", "actor"),
    Field("reverses", Form.GUID),
    Field("linked", Form.GUID),
    *instants("holdExpiresAt"),
    *amounts("part", "whole"),
    *amounts("availableAfter", "pendingAfter", "heldAfter", "debtAfter"),
    Field(
        "transfers",
        Form.LIST,
        (
            Field("line", Form.INTEGER),
            *texts("debit", "credit"),
            *amounts("amount"),
            *instants("effectiveAt"),
            _ALLOCATIONS,
        ),
    ),
    Field(
        "lots",
        Form.LIST,
        (
            Field("lot", Form.INTEGER),
            Field("line", Form.INTEGER),
            *amounts("amount"),
            *instants("effectiveAt", "validFrom", "validTo"),
            *_ORIGIN,
        ),
    ),
    Field(
        "terms",
        Form.LIST,
        (
            Field("lot", Form.INTEGER),
            Field("term", Form.INTEGER),
            *instants("validFrom", "validTo"),
        ),
    ),
    *texts("textsHash", "hash"),
)

TRANSFERS: Final = (
    Field("transactionId", Form.GUID),
    *_WHO,
    Field("number", Form.INTEGER),
    Field("line", Form.INTEGER),
    _DEFINITION,
    *texts("kind", "debit", "credit"),
    *amounts("amount"),
    *instants("effectiveAt", "recordedAt"),
    _ALLOCATIONS,
)

LOTS: Final = (
    *_WHO,
    _DEFINITION,
    Field("lot", Form.INTEGER),
    Field("number", Form.INTEGER),
    Field("state"),
    *amounts("issued", "remaining", "lapsed"),
    *instants("effectiveAt", "validFrom", "validTo"),
    *_ORIGIN,
)

HOLDS: Final = (
    Field("transactionId", Form.GUID),
    *_WHO,
    _DEFINITION,
    Field("number", Form.INTEGER),
    *amounts("amount"),
    *instants("effectiveAt", "holdExpiresAt"),
    Field("isOpen", Form.BOOLEAN),
    Field("endedByNumber", Form.INTEGER),
)

CONTACTS: Final = _WHO


async def _balances(asked: Asked) -> Rows:
    async with walking(
        asked.connection,
        asked.numbers,
        effective_at=asked.effective_at,
        recorded_at=asked.recorded_at,
        now=asked.at,
    ) as walk:
        async for found in walk.every():
            yield [balance_row(asked, one) for one in found]


def balance_row(asked: Asked, found: HolderBalance) -> Values:
    """A balance as a row."""
    exactly = [asked.amount(found.definition, points) for points in found.balance]
    net = asked.amount(found.definition, found.balance.net)
    return (found.contact, found.holder, asked.number(found.definition), *exactly, net)


async def _transactions(asked: Asked) -> Rows:
    async for found in every_transaction(asked.connection, asked.numbers):
        owners = await _owners(asked, [one.transaction.holder for one in found])
        yield [_transaction_row(asked, owners, one) for one in found]


async def _transfers(asked: Asked) -> Rows:
    async for found in every_transaction(asked.connection, asked.numbers):
        owners = await _owners(asked, [one.transaction.holder for one in found])
        yield [
            (
                told.id,
                owners.get(told.holder),
                told.holder,
                told.number,
                transfer.line,
                asked.number(told.definition),
                told.kind.word,
                transfer.debit.word,
                transfer.credit.word,
                asked.amount(told.definition, transfer.amount),
                transfer.effective_at,
                told.recorded_at,
                _allocations(asked, told.definition, transfer),
            )
            for told in (one.transaction for one in found)
            for transfer in told.transfers
        ]


def _transaction_row(asked: Asked, owners: Owners, found: Recorded) -> Values:
    told = found.transaction
    texts_ = told.texts
    return (
        told.id,
        owners.get(told.holder),
        told.holder,
        told.number,
        asked.number(told.definition),
        told.kind.word,
        asked.amount(told.definition, told.amount),
        asked.amount(told.definition, told.net),
        told.effective_at,
        told.recorded_at,
        told.occurred_at,
        told.source,
        texts_.idempotency_key,
        texts_.description,
        texts_.reference,
        texts_.actor,
        told.reverses,
        told.linked,
        told.hold_expires_at,
        None if told.part is None else format_amount(told.part, SPEND_SCALE),
        None if told.whole is None else format_amount(told.whole, SPEND_SCALE),
        *(asked.amount(told.definition, points) for points in told.after),
        *_facts(asked, found),
        found.texts_hash.hex(),
        found.hash.hex(),
    )


def _facts(asked: Asked, found: Recorded) -> tuple[list[Values], list[Values], list[Values]]:
    """A transaction's transfers, the lots it issued and the terms it changed."""
    told = found.transaction
    transfers: list[Values] = [
        (
            transfer.line,
            transfer.debit.word,
            transfer.credit.word,
            asked.amount(told.definition, transfer.amount),
            transfer.effective_at,
            _allocations(asked, told.definition, transfer),
        )
        for transfer in told.transfers
    ]
    lots: list[Values] = [
        (
            lot.lot,
            lot.line,
            asked.amount(told.definition, lot.amount),
            lot.effective_at,
            lot.valid_from,
            lot.valid_to,
            *(lot.origin or (None, None)),
        )
        for lot in told.lots
    ]
    terms: list[Values] = [tuple(term) for term in told.terms]
    return transfers, lots, terms


def _allocations(asked: Asked, definition: DefinitionId, transfer: Transfer) -> list[Values]:
    return [(part.lot, asked.amount(definition, part.amount)) for part in transfer.allocations]


async def _lots(asked: Asked) -> Rows:
    async for found in every_lot(asked.connection, asked.numbers, await asked.now()):
        owners = await _owners(asked, [one.holder for one in found])
        yield [_lot_row(asked, owners, one) for one in found]


def _lot_row(asked: Asked, owners: Owners, found: LotStanding) -> Values:
    return (
        owners.get(found.holder),
        found.holder,
        asked.number(found.definition),
        found.lot,
        found.number,
        "spent" if not found.remaining else "available" if found.active else "pending",
        asked.amount(found.definition, found.issued),
        asked.amount(found.definition, found.remaining),
        asked.amount(found.definition, found.lapsed),
        found.effective_at,
        found.valid_from,
        found.valid_to,
        *(found.origin or (None, None)),
    )


async def _holds(asked: Asked) -> Rows:
    async for found in every_hold(asked.connection, asked.numbers, await asked.now()):
        owners = await _owners(asked, [one.holder for one in found])
        yield [_hold_row(asked, owners, one) for one in found]


def _hold_row(asked: Asked, owners: Owners, found: HoldStanding) -> Values:
    return (
        found.id,
        owners.get(found.holder),
        found.holder,
        asked.number(found.definition),
        found.number,
        asked.amount(found.definition, found.amount),
        found.effective_at,
        found.expires_at,
        found.is_open,
        found.ended_by,
    )


async def _contacts(asked: Asked) -> Rows:
    async for found in every_contact(asked.connection, asked.tenant):
        yield list(found)


async def _owners(asked: Asked, holders: Sequence[HolderId]) -> Owners:
    return await contacts_of(asked.connection, sorted(set(holders)))


DATASETS: Final = {
    dataset.name: dataset
    for dataset in (
        Dataset("balances", BALANCES, _balances),
        Dataset("transactions", TRANSACTIONS, _transactions),
        Dataset("transfers", TRANSFERS, _transfers),
        Dataset("lots", LOTS, _lots),
        Dataset("holds", HOLDS, _holds),
        Dataset("contacts", CONTACTS, _contacts),
    )
}
"""Everything, by name."""
