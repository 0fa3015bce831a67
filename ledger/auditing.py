"""Auditing one holder: fold every fact again and compare with what is stored.

The one hard idea: the audit uses the very fold that posting uses (`AccountState.apply`) and the
very chain, on facts read back; so it finds whatever was changed behind the books' back: a row
rewritten, removed or slipped in, a bucket or a remaining that drifted, a chain that was cut.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.chain import GENESIS, chain_hash, text_hash
from ledger.due import next_due
from ledger.facts import Recorded, Transaction
from ledger.folding import UnknownLotError, fold
from ledger.identity import DefinitionId, HolderId
from ledger.state import AccountState, LotState


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold.

    Attributes:
        rule: Which of the rules that always hold, by its number in `docs/books.md`.
        place: Where: the holder and, where it applies, the transaction, account or lot.
        message: What was found and what should have been.
        is_warning: The books are right, but a guard around them is not as it should be.
    """

    rule: int
    place: str
    message: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class StoredHolder:
    """A holder as stored, to be compared with its facts."""

    id: HolderId
    number: int
    head: bytes
    last_recorded_at: datetime | None
    last_lot: int
    salt: bytes | None
    accounts: Mapping[DefinitionId, AccountState]
    lots: Sequence[LotState]
    holds: Mapping[int, tuple[datetime | None, int | None]]


def audit(holder: StoredHolder, chain: Iterable[Recorded]) -> Iterator[Finding]:
    """Yield what is wrong with a holder; nothing where all is right."""
    folded: dict[DefinitionId, AccountState] = {}
    astray: dict[DefinitionId, tuple[int, ...]] = {}
    previous, number, recorded_at, last_lot = GENESIS, 0, None, 0
    for recorded in chain:
        told = recorded.transaction
        place = f"holder {holder.id}, transaction {told.number}"
        number += 1
        if told.number != number:
            yield Finding(9, place, f"is not number {number}: a transaction is missing before it")
            number = told.number
        if recorded_at is not None and told.recorded_at <= recorded_at:
            yield Finding(8, place, "was recorded no later than the one before it")
        recorded_at = told.recorded_at
        yield from _audit_chain(recorded, holder.salt, previous, place)
        previous = recorded.hash
        account = folded.setdefault(told.definition, AccountState(told.definition))
        yield from _audit_transaction(told, account, astray, place)
        for stray in recorded.strays:
            yield Finding(3, place, f"stores another {stray} than its facts have")
        last_lot += len(told.lots)
    if (number, previous) != (holder.number, holder.head):
        yield Finding(
            9,
            f"holder {holder.id}",
            f"says its last transaction is {holder.number}; the chain ends at {number}",
        )
    if recorded_at != holder.last_recorded_at:
        yield Finding(8, f"holder {holder.id}", "says it was last written at another instant")
    if last_lot != holder.last_lot:
        yield Finding(9, f"holder {holder.id}", f"counts {holder.last_lot} lots of {last_lot}")
    yield from _audit_state(holder, folded)


def _audit_chain(
    recorded: Recorded, salt: bytes | None, previous: bytes, place: str
) -> Iterator[Finding]:
    told = recorded.transaction
    if salt is not None and text_hash(told.texts, salt) != recorded.texts_hash:
        yield Finding(9, place, "its texts are not those that were hashed into the chain")
    if chain_hash(told, recorded.texts_hash, previous) != recorded.hash:
        yield Finding(9, place, "its facts do not give the hash that was chained")


def _audit_transaction(
    told: Transaction,
    account: AccountState,
    astray: dict[DefinitionId, tuple[int, ...]],
    place: str,
) -> Iterator[Finding]:
    """Hold a transaction's facts against what is stored of it.

    `astray` keeps by how much an account's buckets are off: every later transaction passes that on,
    and only the one with which it changed is worth a finding.
    """
    if told.effective_at > told.recorded_at:
        yield Finding(8, place, "takes effect after it was recorded")
    try:
        fold(account, told)
    except UnknownLotError as unknown:
        yield Finding(3, place, str(unknown))
        return
    balance = account.balance
    off = tuple(now - then for now, then in zip(balance, told.after, strict=True))
    if any(off) and off == astray.get(told.definition):
        return
    astray[told.definition] = off
    if any(off):
        yield Finding(
            3, place, f"left {_buckets(balance)} by its transfers, {_buckets(told.after)} as stored"
        )
    if min(balance) < 0 or (balance.available > 0 and balance.debt > 0):
        yield Finding(3, place, f"left buckets that can't be: {_buckets(balance)}")


def _audit_state(
    holder: StoredHolder, folded: Mapping[DefinitionId, AccountState]
) -> Iterator[Finding]:
    stored_lots = {(lot.definition, lot.lot): lot for lot in holder.lots}
    for definition in sorted({*folded, *holder.accounts}):
        place = f"holder {holder.id}, definition {definition}"
        account = folded.get(definition, AccountState(definition))
        stored = holder.accounts.get(definition)
        if stored is None:
            yield Finding(3, place, "has transactions but no account")
            continue
        yield from _audit_account(account, stored, place)
        for lot in account.lots.values():
            yield from _audit_lot(lot, stored_lots.pop((definition, lot.lot), None), place)
    yield from _audit_holds(holder, folded)
    for definition, number in stored_lots:
        place = f"holder {holder.id}, definition {definition}"
        yield Finding(3, place, f"stores lot {number} that no transaction issued")


def _audit_account(account: AccountState, stored: AccountState, place: str) -> Iterator[Finding]:
    if stored.balance != account.balance:
        yield Finding(
            3,
            place,
            f"stores {_buckets(stored.balance)}; transfers make {_buckets(account.balance)}",
        )
    if (stored.debt_since, stored.last_effective_at) != (
        account.debt_since,
        account.last_effective_at,
    ):
        yield Finding(3, place, "stores other instants of debt or of last effect")
    remaining = sum(lot.remaining for lot in account.lots.values())
    if remaining != account.available + account.pending:
        yield Finding(3, place, f"lots hold {remaining}, available and pending do not")
    held = sum(
        part.amount
        for hold in account.holds.values()
        if hold.ended_by is None
        for part in hold.parts
    )
    if held != account.held:
        yield Finding(3, place, f"open holds have {held}, the bucket {account.held}")
    if stored.closed != account.closed:
        yield Finding(3, place, "is stored as closed and is not, or the other way round")
    boundary = next_due(account)
    if boundary is not None and (stored.next_due_at is None or stored.next_due_at > boundary):
        yield Finding(4, place, f"would miss what falls due at {boundary.isoformat()}")


def _audit_lot(lot: LotState, stored: LotState | None, place: str) -> Iterator[Finding]:
    if stored is None:
        yield Finding(3, place, f"lot {lot.lot} is missing")
        return
    fields = ("issued", "remaining", "lapsed", "active", "valid_from", "valid_to", "term")
    for name in fields:
        if getattr(lot, name) != getattr(stored, name):
            yield Finding(
                3,
                place,
                f"lot {lot.lot} stores {name} {getattr(stored, name)}; "
                f"its facts make {getattr(lot, name)}",
            )


def _audit_holds(
    holder: StoredHolder, folded: Mapping[DefinitionId, AccountState]
) -> Iterator[Finding]:
    holds = {
        number: (hold.expires_at, hold.ended_by)
        for account in folded.values()
        for number, hold in account.holds.items()
    }
    for number in sorted({*holds, *holder.holds}):
        if holds.get(number) != holder.holds.get(number):
            place = f"holder {holder.id}, hold {number}"
            yield Finding(3, place, "is not stored as its facts make it")


def _buckets(balance: tuple[int, int, int, int]) -> str:
    return "available {}, pending {}, held {}, debt {}".format(*balance)
