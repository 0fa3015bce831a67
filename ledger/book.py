"""The book: decides a batch, transaction by transaction, on holders as they were loaded.

The one hard idea: everything here is a function of what was loaded, the requests and the instant.
No clock, no database, no randomness; the same batch on the same state writes the same facts, which
is what lets properties and simulations run the real rules by the million. Loading what a batch
needs and storing what it wrote is `ledger.posting`'s business.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.due import book_due, next_due
from ledger.entries import Entry, Header, Known, told_by, write
from ledger.facts import Allocation, Texts, Transaction
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId, key_hash
from ledger.kinds import Kind, LedgerAccount
from ledger.outcomes import Booked, Code, Outcome, Refused, RefusedError, Replayed
from ledger.policies import Definition
from ledger.requests import (
    Activate,
    Adjust,
    Cancel,
    Capture,
    Close,
    Earn,
    Extend,
    Hold,
    Move,
    Open,
    Redeem,
    Release,
    Request,
    Return,
    Reverses,
)
from ledger.rules.adjust import adjust
from ledger.rules.admission import admit, instants
from ledger.rules.cancel import cancel
from ledger.rules.closing import close
from ledger.rules.context import Moment, Original
from ledger.rules.earn import earn
from ledger.rules.holds import capture, give_up, hold
from ledger.rules.moves import move_in, move_out
from ledger.rules.opening import open_balance
from ledger.rules.redeem import redeem
from ledger.rules.returns import take_back
from ledger.rules.terms import activate, extend
from ledger.state import AccountState, HolderState

_TICK: Final = timedelta(microseconds=1)

Contact = tuple[TenantId, ContactId]
"""Who a request speaks of."""

Place = tuple[HolderId, int]
"""A transaction's holder and number."""


class Book(msgspec.Struct):
    """The working set of one batch.

    Attributes:
        holders: By contact, as loaded and locked.
        definitions: By the books' own number.
        known: Keys found in the books, by hash; keys booked here are added.
        originals: Transactions that requests of this batch refer to, by holder and number.
        places: Where a transaction named by its id stands.
        now: The database's clock, read after the locks were held.
        closed_until: Up to where tenants have closed their books.
        ids: Identifiers for new transactions.
        entries: What was written, in order.
    """

    holders: Mapping[Contact, HolderState]
    definitions: Mapping[DefinitionId, Definition]
    known: dict[UUID, Known]
    originals: dict[Place, Original]
    places: dict[UUID, Place]
    now: datetime
    ids: Iterator[UUID]
    closed_until: Mapping[TenantId, datetime] = msgspec.field(default_factory=dict)
    entries: list[Entry] = []
    _indexed: int = 0

    def post_all(
        self, requests: Sequence[Request], keys: Sequence[UUID] | None = None
    ) -> list[Outcome]:
        """Decide requests in order; one that is refused never harms its neighbours.

        `keys` are the hashes of their idempotency keys, where these are at hand already.
        """
        if keys is None:
            keys = [key_hash(request.tenant, request.idempotency_key) for request in requests]
        return [self._post(request, key) for request, key in zip(requests, keys, strict=True)]

    def post(self, request: Request) -> Outcome:
        """Decide one request and, if it may be, write its transaction."""
        return self.post_all([request])[0]

    def _post(self, request: Request, key: UUID) -> Outcome:
        known = self.known.get(key)
        if known is not None:
            if known.stands_for(request.fingerprint):
                return Replayed(known.holder, known.number)
            return Refused(
                Code.KEY_REUSED,
                "was used before for a request with other content",
                "idempotencyKey",
            )
        holder = self.holders[request.tenant, request.contact]
        self.book_due(holder, request.definition)
        try:
            entry = self._decide(holder, request, key)
        except RefusedError as refusal:
            return refusal.refused
        kept = entry.fingerprint or b""
        self.known[key] = Known(holder.id, entry.transaction.number, kept, holder.salt)
        return Booked(entry.transaction)

    def book_due(self, holder: HolderState, definition: DefinitionId) -> None:
        """Book what has fallen due on an account, one transaction a kind and instant."""
        account = holder.account(definition)
        if account.next_due_at is None or account.next_due_at > self.now:
            return
        opened: list[tuple[tuple[Kind, datetime, int | None], Draft]] = []

        def write_opened() -> None:
            for (kind, at, _), draft in opened:
                self._write(holder, draft, Header(kind, _moved(draft), at, self._tick(holder)))
            opened.clear()

        def open_draft(kind: Kind, at: datetime, ended: int | None) -> Draft:
            if not opened or opened[0][0] != (kind, at, ended):
                write_opened()
                opened.append(((kind, at, ended), self._draft(holder, account)))
            return opened[0][1]

        book_due(account, self.now, open_draft)
        write_opened()
        self._look_ahead(account, None)

    def _decide(self, holder: HolderState, request: Request, key: UUID) -> Entry:
        account = holder.account(request.definition)
        admit(account, request)
        closed_until = self.closed_until.get(request.tenant)
        effective_at, occurred_at = instants(request, self.now, closed_until)
        definition = self.definitions[request.definition]
        if isinstance(request, Move):
            return self._move(holder, account, request, effective_at, occurred_at, key)
        moment = Moment(effective_at, self._tick(holder), definition)
        expected = account.next_due_at
        draft = self._draft(holder, account)
        header = self._apply_rule(holder, draft, request, moment)
        header.occurred_at = occurred_at
        self._settle_late(draft, expected)
        return self._write(holder, draft, told_by(request, header, key))

    def _apply_rule(
        self, holder: HolderState, draft: Draft, request: Request, moment: Moment
    ) -> Header:
        match request:
            case Earn():
                earn(draft, request, moment)
                kind, amount = Kind.EARN, request.amount
            case Redeem():
                redeem(draft, request, moment)
                kind, amount = Kind.REDEEM, request.amount
            case Adjust():
                adjust(draft, request, moment)
                kind, amount = Kind.ADJUST, request.amount
            case Hold():
                hold(draft, request, moment)
                kind, amount = Kind.HOLD, request.amount
            case Open():
                open_balance(draft, request, moment)
                kind, amount = Kind.OPEN, request.amount
            case Close():
                kind, amount = Kind.CLOSE, close(draft, moment)
                draft.account.closed = True
            case _:
                return self._apply_to_original(holder, draft, request, moment)
        return Header(kind, amount, moment.effective_at, moment.recorded_at)

    def _apply_to_original(
        self, holder: HolderState, draft: Draft, request: Request, moment: Moment
    ) -> Header:
        match request:
            case Return() | Cancel():
                return self._take_back(holder, draft, request, moment)
            case Capture():
                original = self._original(holder, request, request.hold, "holdId")
                kind, amount = Kind.CAPTURE, capture(draft, request, original, moment)
            case Release():
                original = self._original(holder, request, request.hold, "holdId")
                kind, amount = Kind.RELEASE, give_up(draft, original, moment)
            case Activate():
                original = self._original(holder, request, request.lots_of, "reverses")
                kind, amount = Kind.ACTIVATE, activate(draft, original, moment)
            case Extend():
                original = self._original(holder, request, request.lots_of, "reverses")
                kind, amount = Kind.EXTEND, extend(draft, request, original, moment)
            case _:
                raise TypeError(f"no rule for {type(request).__name__}")
        draft.reverses = original.id
        return Header(kind, amount, moment.effective_at, moment.recorded_at)

    def _take_back(
        self, holder: HolderState, draft: Draft, request: Return | Cancel, moment: Moment
    ) -> Header:
        original = self._original(holder, request, request.reverses, "reverses")
        if isinstance(request, Return):
            kind, asked = Kind.RETURN, take_back(draft, request, original, moment)
        else:
            kind, asked = Kind.CANCEL, cancel(draft, request, original, moment)
        draft.reverses = original.id
        original.returned += asked
        original.reversed += reversed_by(draft)
        original.part += request.part or 0
        original.whole = original.whole if request.whole is None else request.whole
        header = Header(kind, asked, moment.effective_at, moment.recorded_at)
        header.part, header.whole = request.part, request.whole
        return header

    def _move(
        self,
        holder: HolderState,
        giving: AccountState,
        request: Move,
        effective_at: datetime,
        occurred_at: datetime | None,
        key: UUID,
    ) -> Entry:
        """Book both halves of a move; the one that gives is the request's transaction."""
        target = self.holders[request.tenant, request.to_contact]
        from_definition = self.definitions[request.definition]
        to_definition = self.definitions[request.to_definition]
        if (target.id, request.to_definition) == (holder.id, request.definition):
            raise RefusedError(Code.MOVE_TO_ITSELF, "is where the points are already", "to")
        if to_definition.scale != from_definition.scale:
            raise RefusedError(
                Code.SCALES_DIFFER, "has another number of decimals", "to.definitionId"
            )
        self.book_due(target, request.to_definition)
        taking = target.account(request.to_definition)
        if taking.closed:
            raise RefusedError(Code.ACCOUNT_CLOSED, "has closed this account", "to")

        expected, owed = giving.next_due_at, giving.debt if request.amount is None else 0
        moment = Moment(effective_at, self._tick(holder), from_definition)
        draft = self._draft(holder, giving)
        passed = move_out(draft, request, moment)
        self._settle_late(draft, expected)
        amount = Points(sum(part for _, part in passed) - owed)
        header = Header(Kind.MOVE, amount, effective_at, moment.recorded_at)
        header.occurred_at = occurred_at
        brought_id = header.linked = next(self.ids)
        entry = self._write(holder, draft, told_by(request, header, key))

        expected = taking.next_due_at
        moment = Moment(effective_at, self._tick(target), to_definition)
        draft = self._draft(target, taking, brought_id)
        move_in(draft, holder.id, passed, owed, moment)
        self._settle_late(draft, expected)
        header = Header(Kind.RECEIVE, amount, effective_at, moment.recorded_at, request.source)
        header.linked, header.occurred_at = entry.transaction.id, occurred_at
        header.texts = Texts(None, request.description, request.reference, request.actor)
        self._write(target, draft, header)
        return entry

    def _settle_late(self, draft: Draft, expected: datetime | None) -> None:
        """Let what a late fact brought fall due within its own transaction."""
        book_due(draft.account, self.now, lambda _kind, _at, _hold: draft)
        self._look_ahead(draft.account, expected)

    def _original(
        self, holder: HolderState, request: Request, reverses: Reverses, name: str
    ) -> Original:
        """The transaction that a request refers to; found by the loader or booked just now."""
        self._index_entries()
        place: Place | None = None
        if reverses.transaction_id is not None:
            place = self.places.get(reverses.transaction_id)
        elif reverses.idempotency_key is not None:
            known = self.known.get(key_hash(request.tenant, reverses.idempotency_key))
            place = None if known is None else (known.holder, known.number)
        original = None if place is None else self.originals.get(place)
        if original is None or holder.id not in (original.holder, original.owner):
            raise RefusedError(Code.ORIGINAL_UNKNOWN, "names no transaction of this contact", name)
        return original

    def _index_entries(self) -> None:
        """Make what this batch booked so far known to those that refer to it."""
        for entry in self.entries[self._indexed :]:
            booked = entry.transaction
            place = (booked.holder, booked.number)
            self.places[booked.id] = place
            self.originals[place] = Original(
                booked.id,
                booked.holder,
                booked.number,
                booked.definition,
                booked.kind,
                booked.amount,
                booked.effective_at,
                tuple(lot.lot for lot in booked.lots),
                taken_by(booked),
            )
        self._indexed = len(self.entries)

    def _tick(self, holder: HolderState) -> datetime:
        """The instant the books learn of the holder's next transaction."""
        last = holder.last_recorded_at
        return self.now if last is None or last < self.now else last + _TICK

    def _look_ahead(self, account: AccountState, expected: datetime | None) -> None:
        """Note when the account's next due transfer is; never too late, possibly too early."""
        due = next_due(account)
        if not account.complete and expected is not None:
            due = expected if due is None else min(due, expected)
        if due != account.next_due_at:
            account.next_due_at = due
            account.changed = True

    def _write(self, holder: HolderState, draft: Draft, header: Header) -> Entry:
        entry = write(holder, draft, header)
        self.entries.append(entry)
        return entry

    def _draft(
        self, holder: HolderState, account: AccountState, identifier: UUID | None = None
    ) -> Draft:
        named = identifier or next(self.ids)
        return Draft(account, holder.number + 1, holder.last_lot + 1, named)


def reversed_by(draft: Draft) -> int:
    """The points that a return took back, of whatever lots or as debt."""
    return sum(t.amount for t in draft.transfers if t.credit == LedgerAccount.ISSUED)


def taken_by(transaction: Transaction) -> tuple[Allocation, ...]:
    """Which lots a redemption took, in the order it took them."""
    return tuple(
        part
        for transfer in transaction.transfers
        if transfer.credit == LedgerAccount.REDEEMED
        for part in transfer.allocations
    )


def _moved(draft: Draft) -> Points:
    """What a due transaction moved: its transfers between the same two sides as its first."""
    first = draft.transfers[0]
    sides = (first.debit, first.credit)
    return Points(sum(t.amount for t in draft.transfers if (t.debit, t.credit) == sides))
