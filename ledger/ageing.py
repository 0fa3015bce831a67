"""Ageing: how long outstanding points have been there, and how soon they lapse.

The one hard idea: the bands are counted from lots and the totals come from the trial balance, so
that both agree is a finding. As the books stand, a lot's stored remaining tells; as of earlier
instants what remained is its issue and the allocations that took effect and were recorded by then.

Points set aside by holds and debt belong to no band: they are told apart. Moved points are as old
as their move.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from ledger.connection import Connection
from ledger.identity import DefinitionId, TenantId
from ledger.kinds import LedgerAccount
from ledger.periods import settled_now
from ledger.reading_as_of import FutureRecordError
from ledger.tenants import Catalogue
from ledger.trial_balance import DefinitionTrial, trial_balance_within
from ledger.unbooked import Unbooked, unbooked

DAYS: Final = (30, 90, 180, 365)
"""Where one band ends and the next begins, unless asked for otherwise."""

BANDS_MAX: Final = 20

_EVER: Final = datetime.max.replace(tzinfo=UTC)
_BANDED: Final = (LedgerAccount.AVAILABLE, LedgerAccount.PENDING)

Counted = dict[tuple[DefinitionId, LedgerAccount, int], int]
"""Points by definition, bucket and number of the band."""


class BandsError(ValueError):
    """Bands that are none: their days must rise, and there may be only so many."""


@dataclass(frozen=True, slots=True)
class Band:
    """Points of one band.

    Attributes:
        days_from, days_to: From so many days up to so many, the latter not included; `None` where
            there is no end, or (for `days_from`) where they never lapse.
    """

    days_from: int | None
    days_to: int | None
    available: int
    pending: int


@dataclass(frozen=True, slots=True)
class DefinitionAgeing:
    """The ageing of one definition, in its minor units.

    Attributes:
        by_age: By the time since they were issued, the newest first.
        by_expiry: By the time until they lapse, the soonest first, what never lapses last.
        available, pending, held, debt: By the trial balance.
    """

    definition: DefinitionId
    by_age: tuple[Band, ...]
    by_expiry: tuple[Band, ...]
    available: int
    pending: int
    held: int
    debt: int

    @property
    def difference(self) -> int:
        """What lots hold beyond what the trial balance says; zero in books that are right."""
        lots = sum(band.available + band.pending for band in self.by_age)
        return lots - self.available - self.pending


@dataclass(frozen=True, slots=True)
class Ageing:
    """The ageing of a tenant's points at one instant of each axis."""

    at: datetime
    recorded_at: datetime | None
    definitions: tuple[DefinitionAgeing, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether lots and trial balance agree."""
        return not any(one.difference for one in self.definitions)


STORED = """
    -- What remains of lots as they are stored, by both kinds of band. A scan of `lot`.
    select definition_id, case when active then 1 else 2 end as bucket,
           width_bucket(effective_at, $2::timestamptz[]) as age,
           case when valid_to is null then -1
                else width_bucket(valid_to, $3::timestamptz[]) end as expiry,
           sum(remaining) as amount
    from ledger.lot
    where definition_id = any($1::smallint[]) and remaining > 0
    group by 1, 2, 3, 4
"""

AS_OF = """
    -- What remained of lots by their issue and the allocations of then. Scans of `lot`,
    -- `allocation` and `transfer`, joined by their keys.
    with moved as (
        select holder_id, lot,
               sum(case when credit = 1 then allocation.amount
                        when debit = 1 then -allocation.amount else 0 end) as available,
               sum(case when credit = 2 then allocation.amount
                        when debit = 2 then -allocation.amount else 0 end) as pending
        from ledger.allocation join ledger.transfer using (holder_id, number, line)
        where definition_id = any($1::smallint[]) and effective_at <= $4 and recorded_at <= $5
        group by holder_id, lot
    ), standing as (
        select lot.definition_id, lot.effective_at,
               case when known.term is null then lot.first_valid_to else known.valid_to end
                   as valid_to,
               case when issue.credit = 1 then lot.issued else 0 end
                   + coalesce(moved.available, 0) as available,
               case when issue.credit = 2 then lot.issued else 0 end
                   + coalesce(moved.pending, 0) as pending
        from ledger.lot
        join ledger.transfer as issue using (holder_id, number, line)
        left join moved on moved.holder_id = lot.holder_id and moved.lot = lot.lot
        left join lateral (
            select term.term, term.valid_to
            from ledger.term join ledger.transaction using (holder_id, number)
            where lot.term > 0 and term.holder_id = lot.holder_id and term.lot = lot.lot
              and transaction.recorded_at <= $5
            order by term.term desc limit 1
        ) as known on true
        where lot.definition_id = any($1::smallint[])
          and lot.effective_at <= $4 and issue.recorded_at <= $5
    )
    select definition_id, bucket, width_bucket(effective_at, $2::timestamptz[]) as age,
           case when valid_to is null then -1
                else width_bucket(valid_to, $3::timestamptz[]) end as expiry,
           sum(amount) as amount
    from standing
    cross join lateral (values (1, available), (2, pending)) as side (bucket, amount)
    where amount <> 0
    group by 1, 2, 3, 4
"""


async def ageing(
    connection: Connection,
    catalogue: Catalogue,
    tenant: TenantId,
    *,
    effective_at: datetime | None = None,
    recorded_at: datetime | None = None,
    days: Sequence[int] = DAYS,
    at: datetime | None = None,
) -> Ageing:
    """How old a tenant's points are and how soon they lapse, at an instant of either axis.

    Due transfers count as if they were booked. `days` are the ends of the bands; `at` replaces the
    database's clock. Not to be called inside a transaction. Raises `BandsError`, and
    `FutureRecordError` for a `recorded_at` still to come.
    """
    if not 1 <= len(days) <= BANDS_MAX or list(days) != sorted(set(days)) or days[0] < 1:
        raise BandsError(f"1 to {BANDS_MAX} rising numbers of days are needed")
    if recorded_at is not None and recorded_at > (at or await settled_now(connection)):
        raise FutureRecordError("recordedAt must not be in the future")
    definitions = [one.id for one in catalogue.definitions_of(tenant)]
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        now = at or await connection.fetchval("select clock_timestamp()")
        instant = effective_at or now
        bands = _Bands(instant, days)
        asked = (definitions, bands.issued, bands.lapsing)
        if recorded_at is None and instant >= now:
            rows = await connection.fetch(STORED, *asked)
        else:
            rows = await connection.fetch(AS_OF, *asked, instant, recorded_at or _EVER)
        by_age: Counted = defaultdict(int)
        by_expiry: Counted = defaultdict(int)
        for row in rows:
            place = (row["definition_id"], LedgerAccount(row["bucket"]))
            amount = int(row["amount"])
            by_age[*place, row["age"]] += amount
            by_expiry[*place, row["expiry"]] += amount
        async for due in unbooked(connection, definitions, instant, recorded_at):
            _move(due, bands, by_age, by_expiry)
        trial = await trial_balance_within(connection, catalogue, tenant, instant, recorded_at, now)
    return Ageing(
        instant,
        recorded_at,
        tuple(_aged(one, days, by_age, by_expiry) for one in trial.definitions),
    )


class _Bands:
    """The instants between bands, seen from the instant of the report."""

    def __init__(self, instant: datetime, days: Sequence[int]) -> None:
        self.issued = [instant - timedelta(days=one) for one in reversed(days)]
        self.lapsing = [instant + timedelta(days=one) for one in days]

    def age(self, effective_at: datetime) -> int:
        """As PostgreSQL's `width_bucket`: how many of the instants are not after it."""
        return bisect_right(self.issued, effective_at)

    def expiry(self, valid_to: datetime | None) -> int:
        """Likewise; -1 for never."""
        return -1 if valid_to is None else bisect_right(self.lapsing, valid_to)


def _move(due: Unbooked, bands: _Bands, by_age: Counted, by_expiry: Counted) -> None:
    """Count a due transfer's points where they stand after it."""
    for transfer in due.transfers:
        for part in transfer.allocations:
            lot = due.account.lots[part.lot]
            for bucket, amount in (
                (transfer.debit, -part.amount),
                (transfer.credit, part.amount),
            ):
                if bucket in _BANDED:
                    place = (due.account.definition, bucket)
                    by_age[*place, bands.age(lot.effective_at)] += amount
                    by_expiry[*place, bands.expiry(lot.valid_to)] += amount


def _aged(
    trial: DefinitionTrial, days: Sequence[int], by_age: Counted, by_expiry: Counted
) -> DefinitionAgeing:
    edges: list[int | None] = [0, *days, None]
    between = list(pairwise(edges))
    # The newest points lie in the last band of issue.
    ages = zip(between, reversed(range(len(between))), strict=True)
    expiries = [*zip(between, range(len(between)), strict=True), ((None, None), -1)]
    return DefinitionAgeing(
        definition=trial.definition,
        by_age=_bands(trial.definition, ages, by_age),
        by_expiry=_bands(trial.definition, expiries, by_expiry),
        available=trial.credit(LedgerAccount.AVAILABLE),
        pending=trial.credit(LedgerAccount.PENDING),
        held=trial.credit(LedgerAccount.HELD),
        debt=-trial.credit(LedgerAccount.DEBT),
    )


def _bands(
    definition: DefinitionId,
    bands: Iterable[tuple[tuple[int | None, int | None], int]],
    counted: Mapping[tuple[DefinitionId, LedgerAccount, int], int],
) -> tuple[Band, ...]:
    return tuple(
        Band(
            days_from,
            days_to,
            counted.get((definition, LedgerAccount.AVAILABLE, number), 0),
            counted.get((definition, LedgerAccount.PENDING, number), 0),
        )
        for (days_from, days_to), number in bands
    )
