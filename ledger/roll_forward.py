"""The roll-forward: from what holders had at the start of a period to what they have at its end.

The one hard idea: opening and closing are two trial balances, which come from stored buckets and
roll-ups; what happened in between is summed from the transfers themselves. So that opening plus
movements gives closing is a finding, not a tautology.

A period begins at its first instant and ends just before the instant it runs until, so that months
follow each other without a gap and without counting anything twice: points that lapse at midnight
lapse in the new month.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger.amounts import Points
from ledger.connection import Connection
from ledger.facts import Balance
from ledger.identity import DefinitionId, TenantId
from ledger.kinds import BUCKETS, PROGRAM_ACCOUNTS, LedgerAccount
from ledger.periods import settled_now
from ledger.reading_as_of import FutureRecordError
from ledger.tenants import Catalogue
from ledger.trial_balance import DefinitionTrial, trial_balance_within
from ledger.unbooked import unbooked

TICK: Final = timedelta(microseconds=1)
"""The shortest time the books know."""

_EVER: Final = datetime.max.replace(tzinfo=UTC)

Flows = Mapping[tuple[DefinitionId, LedgerAccount, LedgerAccount], int]
"""What moved from a debit side to a credit side."""


class PeriodEmptyError(ValueError):
    """A period that ends before it has begun."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What passed between the holders and one program account.

    Attributes:
        to_holders: Issued, given back, brought in.
        from_holders: Taken back, spent, lapsed.
    """

    account: LedgerAccount
    to_holders: int
    from_holders: int

    @property
    def net(self) -> int:
        """What it added to all that holders have."""
        return self.to_holders - self.from_holders


@dataclass(frozen=True, slots=True)
class DefinitionRollForward:
    """The roll-forward of one definition, in its minor units.

    Attributes:
        debt_incurred, debt_settled: What debt arose, and what of it was repaid, cancelled or let
            go.
    """

    definition: DefinitionId
    opening: Balance
    movements: tuple[Movement, ...]
    closing: Balance
    debt_incurred: int
    debt_settled: int

    @property
    def difference(self) -> int:
        """What closing exceeds opening plus movements by; zero in books that are right."""
        return self.closing.net - self.opening.net - sum(one.net for one in self.movements)

    @property
    def debt_difference(self) -> int:
        """The same of debt alone."""
        return self.closing.debt - self.opening.debt - self.debt_incurred + self.debt_settled


@dataclass(frozen=True, slots=True)
class RollForward:
    """The roll-forwards of a tenant's definitions.

    Attributes:
        begins: The first instant of the period.
        until: The first instant after it.
        recorded_at: As the books knew it then; `None` for as they know it now.
    """

    begins: datetime
    until: datetime
    recorded_at: datetime | None
    definitions: tuple[DefinitionRollForward, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether everything adds up."""
        return not any(one.difference or one.debt_difference for one in self.definitions)


FLOWS = """
    -- What took effect in a period, as known at an instant, by both sides.
    -- Index: transfer_effective_at_idx.
    select definition_id, debit, credit, sum(amount) as amount from ledger.transfer
    where definition_id = any($1::smallint[]) and effective_at >= $2 and effective_at < $3
      and recorded_at <= $4
    group by definition_id, debit, credit
"""


async def roll_forward(
    connection: Connection,
    catalogue: Catalogue,
    tenant: TenantId,
    begins: datetime,
    until: datetime,
    *,
    recorded_at: datetime | None = None,
    at: datetime | None = None,
) -> RollForward:
    """A tenant's roll-forward over a period, due transfers counted as if they were booked.

    As known now or at `recorded_at`; `at` replaces the database's clock. Not to be called inside a
    transaction. Raises `PeriodEmptyError`, and `FutureRecordError` for a `recorded_at` still to
    come. A period may end in the future: then it is closed with what will lapse by then.
    """
    if begins >= until:
        raise PeriodEmptyError("the period must end after it begins")
    if recorded_at is not None and recorded_at > (at or await settled_now(connection)):
        raise FutureRecordError("recordedAt must not be in the future")
    definitions = [one.id for one in catalogue.definitions_of(tenant)]
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        now = at or await connection.fetchval("select clock_timestamp()")
        opening, closing = [
            await trial_balance_within(
                connection, catalogue, tenant, instant - TICK, recorded_at, now
            )
            for instant in (begins, until)
        ]
        flows = await _flows(connection, definitions, begins, until, recorded_at)
    return RollForward(
        begins,
        until,
        recorded_at,
        tuple(
            _rolled(before, after, flows)
            for before, after in zip(opening.definitions, closing.definitions, strict=True)
        ),
    )


async def _flows(
    connection: Connection,
    definitions: list[DefinitionId],
    begins: datetime,
    until: datetime,
    recorded_at: datetime | None,
) -> Flows:
    flows: dict[tuple[DefinitionId, LedgerAccount, LedgerAccount], int] = defaultdict(int)
    rows = await connection.fetch(FLOWS, definitions, begins, until, recorded_at or _EVER)
    for row in rows:
        sides = (LedgerAccount(row["debit"]), LedgerAccount(row["credit"]))
        flows[row["definition_id"], *sides] = int(row["amount"])
    async for due in unbooked(connection, definitions, until - TICK, recorded_at):
        for transfer in due.transfers:
            if transfer.effective_at >= begins:
                flows[due.account.definition, transfer.debit, transfer.credit] += transfer.amount
    return flows


def _rolled(before: DefinitionTrial, after: DefinitionTrial, flows: Flows) -> DefinitionRollForward:
    definition = before.definition

    def moved(debits: tuple[LedgerAccount, ...], credits_: tuple[LedgerAccount, ...]) -> int:
        return sum(
            flows.get((definition, debit, credit), 0) for debit in debits for credit in credits_
        )

    everywhere = (*BUCKETS, *PROGRAM_ACCOUNTS)
    return DefinitionRollForward(
        definition=definition,
        opening=_held(before),
        movements=tuple(
            Movement(account, moved((account,), BUCKETS), moved(BUCKETS, (account,)))
            for account in PROGRAM_ACCOUNTS
        ),
        closing=_held(after),
        debt_incurred=moved((LedgerAccount.DEBT,), everywhere),
        debt_settled=moved(everywhere, (LedgerAccount.DEBT,)),
    )


def _held(trial: DefinitionTrial) -> Balance:
    available, pending, held, debt = (trial.credit(bucket) for bucket in BUCKETS)
    return Balance(Points(available), Points(pending), Points(held), Points(-debt))
