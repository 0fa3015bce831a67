"""The book on paper: one member's account kept in memory by the real rules, with no database.

It is what `ledger.posting` does around a `Book`, less the storing: every lot ever issued stays
loaded with its movements. The books' clock stands still until a test says which day it is.
"""

import itertools
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from ledger.book import Book
from ledger.chain import GENESIS
from ledger.entries import Entry
from ledger.facts import Transaction, Transfer
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId
from ledger.kinds import BUCKETS, LedgerAccount
from ledger.outcomes import Booked, Outcome, Refused
from ledger.policies import Definition, Policy, Returns
from ledger.requests import Request
from ledger.state import AccountState, HolderState
from tests.bookkeeping.asking import Instant, Till
from tests.bookkeeping.words import holding, said, standing, when

TENANT = TenantId(1)
DEFINITION = DefinitionId(1)
MEMBER = ContactId(UUID("00000000-0000-4000-8000-000000001001"))
SPACE = UUID("00000000-0000-4000-8000-000000000000")
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)


class NotBookedError(Exception):
    """A request that a test expected to be booked, or expects to be refused."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(f"{refused.code}: {refused.field} {refused.message}")
        self.refused = refused


def identifiers() -> Iterator[UUID]:
    """Identifiers that are the same in every run."""
    return (uuid5(SPACE, str(number)) for number in itertools.count())


def definition(
    policy: Policy | None = None,
    *later: tuple[str, Policy],
    zone: str = "UTC",
    scale: int = 0,
) -> Definition:
    """A definition with its policy, and those that came into force later."""
    versions = [(BEGINNING, policy or Policy()), *((when(since), one) for since, one in later)]
    return Definition(
        id=DEFINITION,
        tenant=TENANT,
        engage_id=1,
        name="Points",
        scale=scale,
        zone=ZoneInfo(zone),
        policies=tuple(versions),
    )


def hold_sound(entries: Iterable[Entry]) -> None:
    """Hold what the database would: amounts above zero, and parts that come to no more."""
    for entry in entries:
        for transfer in entry.transaction.transfers:
            parts = [part.amount for part in transfer.allocations]
            assert min([transfer.amount, *parts]) > 0, transfer
            assert not parts or sum(parts) == transfer.amount, transfer
            assert transfer.debit is not transfer.credit, transfer
            assert transfer.effective_at <= entry.transaction.recorded_at, transfer


class Paper:
    """A member's account; `today` is the books' clock."""

    def __init__(self, kept: Definition | None = None, *, today: str = "1 January") -> None:
        self.definition = kept or definition()
        self.holder = HolderState(HolderId(uuid5(SPACE, "holder")), 0, GENESIS, None, 0, b"salt")
        self.book = Book(
            holders={(TENANT, MEMBER): self.holder},
            definitions={DEFINITION: self.definition},
            known={},
            originals={},
            places={},
            now=when(today),
            ids=identifiers(),
        )
        self.till = Till(TENANT, DEFINITION)

    @classmethod
    def returning(cls, returns: Returns, *, debt_limit: int | None = None) -> "Paper":
        """A member of a program with this policy for returns."""
        return cls(definition(Policy(returns=returns, debt_limit=debt_limit)))

    def today(self, text: str) -> None:
        """Let time pass; nothing is booked by that alone."""
        self.book.now = when(text)

    def sweep(self, text: str | None = None) -> None:
        """Book what has fallen due, on a day."""
        if text is not None:
            self.today(text)
        self.book.book_due(self.holder, DEFINITION)

    def earn(self, lot: int | str, *, on: Instant = None, key: str | None = None) -> Transaction:
        """Earn points, such as `100 from 1 February until 1 March`; a bare number has no end."""
        return self.book_it(self.till.earn(MEMBER, lot, on=on, key=key))

    def earn_by_policy(
        self, amount: int, *, on: Instant = None, valid_from: str | None = None
    ) -> Transaction:
        """Earn points whose end the policy says."""
        return self.book_it(self.till.earn_by_policy(MEMBER, amount, on=on, valid_from=valid_from))

    def redeem(self, amount: int, *, on: Instant = None, allow_debt: bool = False) -> Transaction:
        """Spend points."""
        return self.book_it(self.till.redeem(MEMBER, amount, on=on, allow_debt=allow_debt))

    def adjust(self, amount: int, *, on: Instant = None) -> Transaction:
        """Correct the balance."""
        return self.book_it(self.till.adjust(MEMBER, amount, on=on))

    def give_back(
        self,
        amount: int | None = None,
        *,
        of: str = "purchase",
        on: Instant = None,
        part: int | None = None,
        whole: int | None = None,
    ) -> Transaction:
        """Return goods of the purchase that was earned on under a key."""
        return self.book_it(
            self.till.give_back(MEMBER, amount, of=of, on=on, part=part, whole=whole)
        )

    def book_it(self, request: Request) -> Transaction:
        """Post a request that must be booked; raises `NotBookedError` where it is refused."""
        outcome = self.post(request)
        if isinstance(outcome, Refused):
            raise NotBookedError(outcome)
        assert isinstance(outcome, Booked)
        return outcome.transaction

    def post(self, request: Request) -> Outcome:
        """Post a request, whatever comes of it."""
        written = len(self.entries)
        outcome = self.book.post(request)
        hold_sound(self.entries[written:])
        return outcome

    @property
    def account(self) -> AccountState:
        """The account as it is booked, nothing due added."""
        return self.holder.account(DEFINITION)

    @property
    def balance(self) -> str:
        """The booked buckets that are not empty."""
        return holding(self.account.balance, self.definition.scale)

    @property
    def lots(self) -> str:
        """What remains in the lots."""
        return standing(self.account.lots.values())

    @property
    def entries(self) -> list[Entry]:
        """Everything written so far."""
        return self.book.entries

    @property
    def transfers(self) -> list[Transfer]:
        """Every transfer written so far."""
        return [one for entry in self.entries for one in entry.transaction.transfers]

    def total(self, account: LedgerAccount) -> int:
        """What a ledger account holds, credits less debits."""
        return sum(one.amount for one in self.transfers if one.credit is account) - sum(
            one.amount for one in self.transfers if one.debit is account
        )

    def balance_on(self, text: str) -> str:
        """The buckets as they stood at an instant, by what is known now."""
        at = when(text)
        sums = dict.fromkeys(BUCKETS, 0)
        for one in self.transfers:
            if one.effective_at <= at:
                for side, amount in ((one.credit, one.amount), (one.debit, -one.amount)):
                    if side.is_bucket:
                        sums[side] += amount
        sums[LedgerAccount.DEBT] *= -1
        return ", ".join(f"{sums[one]} {one.word}" for one in BUCKETS if sums[one]) or "nothing"

    def impossible_instants(self) -> list[str]:
        """The instants at which, by what is known now, a bucket or a lot stood below zero."""
        found = []
        for at in sorted({one.effective_at for one in self.transfers}):
            stood = [one for one in self.transfers if one.effective_at <= at]
            for bucket in BUCKETS:
                sign = -1 if bucket is LedgerAccount.DEBT else 1
                total = sign * (
                    sum(one.amount for one in stood if one.credit is bucket)
                    - sum(one.amount for one in stood if one.debit is bucket)
                )
                if total < 0:
                    found.append(f"{said(at)}: {total} {bucket.word}")
        return found
