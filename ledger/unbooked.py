"""What falls due by an instant and is not booked, over many accounts, as known now or known then.

The one hard idea: an account's due transfers are derived from its chain as far as it was known, and
reading every chain for that would be absurd. So this module finds the few holders where the answer
can differ from what is booked: accounts on which something is still due, accounts on which it was
booked since, and, for an instant that lay ahead of what was known, accounts with a boundary in
between, which may have been pre-empted since (points spent, a term extended, a hold captured).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from ledger.asof import due_as_of
from ledger.connection import Connection
from ledger.due import due_drafts
from ledger.due_reading import ACCOUNT_AND_DUE, due_accounts_from
from ledger.facts import Transfer
from ledger.history import recorded_of
from ledger.identity import DefinitionId, HolderId
from ledger.requests import CLOCK_SKEW
from ledger.state import AccountState

CHUNK_HOLDERS: Final = 200
"""Whose chains are in memory at once."""

CHUNK_UNCHANGED: Final = 2_000
"""Whose accounts and lots are."""


@dataclass(frozen=True, slots=True)
class Unbooked:
    """What falls due on one account.

    Attributes:
        account: As it is once this is booked.
        transfers: Those that take effect by the instant asked for.
    """

    holder: HolderId
    account: AccountState
    transfers: tuple[Transfer, ...]


DUE = (
    "-- Accounts with something due, and their lots. Index: account_next_due_at_idx, lot_pk.\n"
    + ACCOUNT_AND_DUE.format(accounts="ledger.account", at="$2")
    + """
    where account.next_due_at <= instant.now and account.definition_id = any($1::smallint[])
    order by account.holder_id, account.definition_id
"""
)

# Adding nothing keeps the planner from account_next_due_at_idx, which would be read from its
# beginning for every few holders: by a later instant, most of the books may be due.
_DUE_BY: Final = "account.next_due_at + interval '0'"

DUE_AMONG = (
    "-- The same among some holders. Index: account_pk, lot_pk.\n"
    + ACCOUNT_AND_DUE.format(accounts="ledger.account", at="$2")
    + f"""
    where {_DUE_BY} <= instant.now and account.holder_id = any($1::uuid[])
    order by account.holder_id, account.definition_id
"""
)

_BOOKED_SINCE_OR_STILL_DUE: Final = """
    -- Whose due transfers of then were booked since, or are still to be booked.
    -- Index: {indexes}.
    select holder_id from ledger.transfer
    where {of} = any($1) and recorded_at > $3 and effective_at <= $2
      and (debit = 1 and credit = 13 or debit = 2 and credit = 1 or debit = 3 and credit = 1)
    union
    select holder_id from ledger.account
    where {of} = any($1) and {due_by} <= $2
"""

# A lot takes effect no later than it is recorded, but for the skew of clocks that is allowed.
_KNOWN_THEN: Final = f"lot.effective_at <= $3 + interval '{CLOCK_SKEW.seconds} seconds'"

_PRE_EMPTED: Final = """
    -- Who had a boundary between what was known and the later instant that is asked about; whether
    -- it was ever reached or not. Index: {indexes}.
    select holder_id from ledger.lot
    where {of} = any($1) and {known} and first_valid_to > $3 and first_valid_to <= $2
    union
    select holder_id from ledger.lot
    where {of} = any($1) and {known} and first_valid_from > $3 and first_valid_from <= $2
      and first_valid_from > effective_at
    union
    select term.holder_id from ledger.term join ledger.lot using (holder_id, lot)
    where lot.{of} = any($1) and {known}
      and (term.valid_to > $3 and term.valid_to <= $2
        or term.valid_from > $3 and term.valid_from <= $2)
    union
    select holder_id from ledger.hold
    where {of} = any($1) and expires_at > $3 and expires_at <= $2
"""

CHANGED_SINCE = """
    -- Who has booked something since. Index: holder_pk.
    select id from ledger.holder where id = any($1::uuid[]) and last_recorded_at > $2
"""

_WHOLE: Final = {
    "of": "definition_id",
    "due_by": "account.next_due_at",
    "known": _KNOWN_THEN,
    "indexes": "transfer_due_idx, account_next_due_at_idx, lot_boundaries_idx",
}
_AMONG: Final = {
    "of": "holder_id",
    "due_by": _DUE_BY,
    "known": _KNOWN_THEN,
    "indexes": "transfer_pk, account_pk, lot_pk, term_pk, hold_pk",
}


async def unbooked(
    connection: Connection,
    definitions: Sequence[DefinitionId],
    effective_at: datetime,
    recorded_at: datetime | None,
) -> AsyncIterator[Unbooked]:
    """What falls due by `effective_at` on all accounts of these definitions.

    As the books knew at `recorded_at`; `None` for as they know now. To be called inside a
    transaction of one snapshot.
    """
    if recorded_at is None:
        async for found in _known_now(connection, definitions, effective_at):
            yield found
        return
    holders = await _candidates(connection, definitions, effective_at, recorded_at, _WHOLE)
    async for found in _known_then(connection, holders, effective_at, recorded_at):
        if found.account.definition in definitions:
            yield found


async def unbooked_among(
    connection: Connection,
    holders: Sequence[HolderId],
    effective_at: datetime,
    recorded_at: datetime | None,
) -> AsyncIterator[Unbooked]:
    """The same on all accounts of these holders; some thousands of them at most."""
    if recorded_at is None:
        rows = await connection.fetch(DUE_AMONG, list(holders), effective_at)
        for found in _from_rows(rows, effective_at):
            yield found
        return
    found_holders = await _candidates(connection, holders, effective_at, recorded_at, _AMONG)
    async for found in _known_then(connection, found_holders, effective_at, recorded_at):
        yield found


async def _known_now(
    connection: Connection, definitions: Sequence[DefinitionId], effective_at: datetime
) -> AsyncIterator[Unbooked]:
    rows: list[asyncpg.Record] = []
    async for row in connection.cursor(DUE, list(definitions), effective_at):
        if rows and (rows[0]["holder_id"], rows[0]["definition_id"]) != (
            row["holder_id"],
            row["definition_id"],
        ):
            for found in _from_rows(rows, effective_at):
                yield found
            rows = []
        rows.append(row)
    for found in _from_rows(rows, effective_at):
        yield found


def _from_rows(rows: Iterable[asyncpg.Record], effective_at: datetime) -> Iterable[Unbooked]:
    for holder, account, _ in due_accounts_from(rows):
        transfers = [
            one for _, _, draft in due_drafts(account, effective_at) for one in draft.transfers
        ]
        yield Unbooked(holder, account, _by(transfers, effective_at))


async def _candidates(
    connection: Connection,
    among: Sequence[DefinitionId] | Sequence[HolderId],
    effective_at: datetime,
    recorded_at: datetime,
    words: dict[str, str],
) -> list[HolderId]:
    """The holders among whom something may have been due then that is not booked as of then."""
    statement = _BOOKED_SINCE_OR_STILL_DUE.format(**words)
    if effective_at > recorded_at:
        statement += "    union" + _PRE_EMPTED.format(**words)
    statement += "    order by holder_id"
    rows = await connection.fetch(statement, list(among), effective_at, recorded_at)
    return [HolderId(row["holder_id"]) for row in rows]


async def _known_then(
    connection: Connection,
    holders: Sequence[HolderId],
    effective_at: datetime,
    recorded_at: datetime,
) -> AsyncIterator[Unbooked]:
    """What was due by what was known then; who has booked nothing since is known as of now."""
    for start in range(0, len(holders), CHUNK_UNCHANGED):
        some = holders[start : start + CHUNK_UNCHANGED]
        rows = await connection.fetch(CHANGED_SINCE, some, recorded_at)
        changed = [HolderId(row["id"]) for row in rows]
        unchanged = sorted(set(some).difference(changed))
        rows = await connection.fetch(DUE_AMONG, unchanged, effective_at)
        for found in _from_rows(rows, effective_at):
            yield found
        async for found in _folded(connection, changed, effective_at, recorded_at):
            yield found


async def _folded(
    connection: Connection,
    holders: Sequence[HolderId],
    effective_at: datetime,
    recorded_at: datetime,
) -> AsyncIterator[Unbooked]:
    for start in range(0, len(holders), CHUNK_HOLDERS):
        chains = await recorded_of(connection, holders[start : start + CHUNK_HOLDERS])
        for holder, chain in chains.items():
            told = [recorded.transaction for recorded in chain]
            for account, transfers in due_as_of(told, effective_at, recorded_at):
                yield Unbooked(holder, account, _by(transfers, effective_at))


def _by(transfers: Iterable[Transfer], effective_at: datetime) -> tuple[Transfer, ...]:
    return tuple(one for one in transfers if one.effective_at <= effective_at)
