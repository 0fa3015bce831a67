"""Putting right what differs, as far as the settings allow, and writing down what was done.

The one hard idea: a repair is an ordinary push. A total is marked to be told again; movements are
corrected by rows of their own, which wait like any other. So what holds for telling (one at a time
for an account, never doubled) holds for repairs. What is parked is no slip and is not corrected:
it would count twice once it is retried.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from ledger.connection import Connection
from sync.engage import pauses
from sync.engage.context import Context
from sync.engage.drift import differences
from sync.engage.drift.differences import Compared, Repair
from sync.engage.drift.pending import pending_of_books, pending_of_engage
from sync.engage.marks import CONSUMER, AccountKey
from sync.engage.pauses import Direction
from sync.engage.settings import Mode
from sync.engage.transactions import rows
from sync.engage.transactions.deriving import follow, hold_stamps
from sync.engage.transactions.effects import Nature
from sync.engage.transactions.rows import NewRow
from sync.engage.transactions.stamps import stamps_for

MARK: Final = """
    -- Engage has something else than it said: the total is told anew. Index: account_pk.
    with unknown as (
        update engage.account set confirmed_total = null, retry_at = null
        where holder_id = $1 and definition_id = $2
        returning holder_id, definition_id
    )
    insert into ledger.outbox (consumer, holder_id, definition_id, number)
    select $3, holder_id, definition_id, 0 from unknown
"""

HAS_PARKED: Final = """
    -- Index: row_holder_id_definition_id_stamp_key, account_pk.
    select exists (
        select from engage.row
        where holder_id = $1 and definition_id = $2 and state = 'parked'
    ) or exists (
        select from engage.account
        where holder_id = $1 and definition_id = $2 and parked_reason is not null
    )
"""

NOTE: Final = "update engage.difference set unrepaired = $2 where id = $1"

PARKED: Final = "something of it is parked: retry that"
TOO_FINE: Final = "Engage's number has more decimals than the definition"


@dataclass(slots=True)
class Repairer:
    """Repairs of one run, so many and no more."""

    context: Context
    is_wanted: bool = True
    repairs: int = 0

    async def pending_of(
        self, suspects: Sequence[Compared]
    ) -> dict[AccountKey, dict[datetime, Decimal] | str]:
        """Engage's pending points by instant where they may have to be corrected, or why not."""
        options = self.context.options
        found: dict[AccountKey, dict[datetime, Decimal] | str] = {}
        if options.mode is Mode.BALANCE_ONLY or not (self.is_wanted and options.drift.repair_rows):
            return found
        for one in suspects:
            if one.engage_pending is not None and len(found) < options.drift.repairs_max:
                found[one.key] = await pending_of_engage(self.context, one.key)
        return found

    async def repair(
        self,
        connection: Connection,
        difference: UUID,
        found: Compared,
        pending: dict[datetime, Decimal] | str | None,
        now: datetime,
    ) -> bool:
        """Do about a difference what the settings allow, in the transaction that stored it.

        `pending` is as `pending_of` answered for the account.
        """
        why_not = found.unrepaired or await self._why_not(connection, found)
        if why_not is None:
            if self.context.options.mode is Mode.BALANCE_ONLY:
                holder, definition = found.key
                await connection.execute(MARK, holder, definition, CONSUMER)
                repair = Repair.PUSH
            else:
                why_not = await self._correct(connection, found, pending, now)
                repair = Repair.ROWS
            if why_not is None:
                await differences.repaired(connection, difference, repair, now)
                self.repairs += 1
                return True
        await connection.execute(NOTE, difference, why_not)
        return False

    async def _why_not(self, connection: Connection, found: Compared) -> str | None:
        """Why a difference is not to be repaired; `None` if it is."""
        options = self.context.options.drift
        is_on = (
            options.repair_totals
            if self.context.options.mode is Mode.BALANCE_ONLY
            else options.repair_rows
        )
        if not (self.is_wanted and is_on):
            return "repairing is switched off"
        if options.repair_points_max is not None and found.size > options.repair_points_max:
            return f"more than drift.repair_points_max ({options.repair_points_max})"
        if self.repairs >= options.repairs_max:
            return f"more differences than drift.repairs_max ({options.repairs_max}) in one run"
        if await connection.fetchval(HAS_PARKED, *found.key):
            return PARKED
        return await pauses.why(connection, self.context.tenant.id, Direction.PUSH)

    async def _correct(
        self,
        connection: Connection,
        found: Compared,
        there: dict[datetime, Decimal] | str | None,
        now: datetime,
    ) -> str | None:
        """Add the rows that are missing at Engage to those that wait; why not, if that fails."""
        context, key = self.context, found.key
        scale = context.definitions[key[1]].scale
        missing: list[tuple[Decimal, datetime]] = []
        active = Decimal(found.books_total).scaleb(-scale) - (found.engage_total or Decimal())
        if active:
            missing.append((active, now))
        if isinstance(there, str):
            return there
        if there is not None:
            here = await pending_of_books(context, connection, key)
            missing += [
                (here.get(at, Decimal()) - there.get(at, Decimal()), at)
                for at in sorted(here.keys() | there.keys())
                if here.get(at) != there.get(at)
            ]
        amounts = [(amount.scaleb(scale), at) for amount, at in missing]
        if any(amount != int(amount) for amount, _ in amounts):
            return TOO_FINE
        await self._add(connection, key, [(int(one), at) for one, at in amounts if one], now)
        return None

    async def _add(
        self,
        connection: Connection,
        key: AccountKey,
        missing: Sequence[tuple[int, datetime]],
        now: datetime,
    ) -> None:
        options = self.context.options.transactions
        step = timedelta(milliseconds=options.stamp_milliseconds)
        await hold_stamps(self.context, connection)
        await follow(connection, [key])
        stamps = await stamps_for(connection, [(key, now)] * len(missing), step)
        source = options.source_of(Nature.CORRECTION, "").value
        new = [
            NewRow(
                key,
                number=None,
                line=None,
                part=None,
                amount=amount,
                stamp=stamp,
                valid_from=at,
                valid_to=None,
                nature=Nature.CORRECTION,
                source=source,
            )
            for (amount, at), stamp in zip(missing, stamps, strict=True)
        ]
        await rows.add(connection, sorted(new, key=lambda row: row.amount < 0), now)
