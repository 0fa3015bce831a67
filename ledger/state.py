"""Where points stand: holders, accounts and lots as the sum of their facts.

The one hard idea: `AccountState.apply` is the only place that says what a transfer does. Posting,
reading as of an instant, and `verify` all fold the same facts through it, so they can't disagree.
Nothing here decides what may happen; that is the rules' business.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from ledger.amounts import Points
from ledger.facts import Allocation, Balance, LotIssue, Term, Transfer
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId
from ledger.kinds import LedgerAccount

_AVAILABLE = LedgerAccount.AVAILABLE
_PENDING = LedgerAccount.PENDING
_HELD = LedgerAccount.HELD
_DEBT = LedgerAccount.DEBT
_EXPIRED = LedgerAccount.EXPIRED


class LotState(msgspec.Struct, gc=False):
    """Points issued together, and what has become of them.

    Attributes:
        issued: The amount at issue.
        remaining: What still stands in available or pending.
        lapsed: What expired unspent.
        active: Whether its remaining stands in available (else in pending).
        movements: Every change of `remaining` by effective time, expiry apart, where it was
            loaded: needed only to judge debits that come late.
        changed, amended: Whether it is other than stored; whether its validity is, too.
    """

    lot: int
    definition: DefinitionId
    number: int
    issued: Points
    remaining: Points
    lapsed: Points
    active: bool
    effective_at: datetime
    valid_from: datetime
    valid_to: datetime | None
    term: int = 0
    movements: list[tuple[datetime, int]] | None = None
    changed: bool = False
    amended: bool = False
    is_new: bool = False


class HoldState(msgspec.Struct, gc=False):
    """Points set aside: which lots they came from, until one transaction ends the hold.

    Attributes:
        id, number: The transaction that placed it.
        parts: What it took of which lot, soonest to expire first.
        expires_at: When it times out by itself; `None` for never.
        ended_by: The transaction that captured, released or timed it out.
    """

    id: UUID
    number: int
    parts: tuple[Allocation, ...]
    expires_at: datetime | None
    ended_by: int | None = None
    changed: bool = False
    is_new: bool = True


class AccountState(msgspec.Struct, gc=False):
    """One holder's points of one definition.

    Attributes:
        debt_since: While there is debt, the latest effective time at which some of it arose;
            repayments take effect no earlier, so that debt is at no instant below zero.
        last_effective_at: The latest effective time booked; a fact before it is late.
        next_due_at: No due transfer lies before this instant; `None` when none is to come.
        lots: The lots in the working set; which are loaded depends on what is asked.
        complete: Whether every lot with points remaining and every open hold is loaded.
        closed: For good: nothing is booked any more.
    """

    definition: DefinitionId
    available: int = 0
    pending: int = 0
    held: int = 0
    debt: int = 0
    debt_since: datetime | None = None
    last_effective_at: datetime | None = None
    next_due_at: datetime | None = None
    lots: dict[int, LotState] = {}
    holds: dict[int, HoldState] = {}
    complete: bool = True
    closed: bool = False
    is_new: bool = True
    changed: bool = False

    @property
    def balance(self) -> Balance:
        """The buckets as they are now."""
        return Balance(
            Points(self.available), Points(self.pending), Points(self.held), Points(self.debt)
        )

    def issue(self, issue: LotIssue, number: int, *, active: bool) -> LotState:
        """Open a lot for a transfer that brought new points in (the transfer is applied apart)."""
        lot = LotState(
            lot=issue.lot,
            definition=self.definition,
            number=number,
            issued=issue.amount,
            remaining=issue.amount,
            lapsed=Points(0),
            active=active,
            effective_at=issue.effective_at,
            valid_from=issue.valid_from,
            valid_to=issue.valid_to,
            movements=[(issue.effective_at, issue.amount)],
            changed=True,
            is_new=True,
        )
        self.lots[issue.lot] = lot
        self.expect(issue.valid_to if active else issue.valid_from)
        return lot

    def amend(self, term: Term) -> None:
        """Give a lot its next term of validity."""
        lot = self.lots[term.lot]
        lot.term = term.term
        lot.valid_from = term.valid_from
        lot.valid_to = term.valid_to
        lot.changed = lot.amended = True
        self.expect(lot.valid_to if lot.active else lot.valid_from)

    def place(self, hold: HoldState) -> None:
        """Open a hold for what a transfer just set aside."""
        self.holds[hold.number] = hold
        self.expect(hold.expires_at)

    def expect(self, boundary: datetime | None) -> None:
        """Note that something may fall due at `boundary`."""
        if boundary is not None and (self.next_due_at is None or boundary < self.next_due_at):
            self.next_due_at = boundary
            self.changed = True

    def apply(self, transfer: Transfer) -> None:
        """Book one transfer: the buckets of both its sides and the lots it names."""
        debit, credit, amount = transfer.debit, transfer.credit, transfer.amount
        effective_at = transfer.effective_at
        self.changed = True
        if self.last_effective_at is None or effective_at > self.last_effective_at:
            self.last_effective_at = effective_at
        if debit == _DEBT and (self.debt_since is None or effective_at > self.debt_since):
            self.debt_since = effective_at
        self._add(credit, amount)
        self._add(debit, -amount)
        if self.debt == 0:
            self.debt_since = None
        if transfer.allocations:
            self._allocate(transfer)

    def _add(self, account: LedgerAccount, amount: int) -> None:
        """Credit a bucket (negative amounts debit it); the program's side is kept elsewhere."""
        if account == _AVAILABLE:
            self.available += amount
        elif account == _PENDING:
            self.pending += amount
        elif account == _HELD:
            self.held += amount
        elif account == _DEBT:
            self.debt -= amount

    def _allocate(self, transfer: Transfer) -> None:
        debit, credit = transfer.debit, transfer.credit
        leaves = debit in (_AVAILABLE, _PENDING)
        enters = credit in (_AVAILABLE, _PENDING)
        expiring = _EXPIRED in (debit, credit)
        for number, amount in transfer.allocations:
            lot = self.lots[number]
            lot.changed = True
            change = (amount if enters else 0) - (amount if leaves else 0)
            lot.remaining = Points(lot.remaining + change)
            if expiring:
                lot.lapsed = Points(lot.lapsed - change)
            elif change and lot.movements is not None:
                lot.movements.append((transfer.effective_at, change))
            if enters and not leaves:
                # What comes back late may have to lapse before it is looked ahead again.
                self.expect(lot.valid_to if lot.active else lot.valid_from)
            if credit == _AVAILABLE:
                # Activation; where part of one is taken back later, the lot stays active.
                lot.active = True


class HolderState(msgspec.Struct, gc=False):
    """Whoever holds points: the head of a chain of transactions, and the accounts behind it.

    Attributes:
        number: Of the last transaction; 0 before the first.
        head: Its hash; 32 zero bytes before the first.
        last_lot: The number of the last lot issued.
        salt: Mixed into the hash of personal texts; `None` once the holder was erased.
        opened_for: The tenant and contact, while the holder is not stored yet.
    """

    id: HolderId
    number: int
    head: bytes
    last_recorded_at: datetime | None
    last_lot: int
    salt: bytes | None
    opened_for: tuple[TenantId, ContactId] | None = None
    accounts: dict[DefinitionId, AccountState] = {}

    def account(self, definition: DefinitionId) -> AccountState:
        """The holder's account of a definition, opened where it is the first time."""
        account = self.accounts.get(definition)
        if account is None:
            account = self.accounts[definition] = AccountState(definition)
        return account
