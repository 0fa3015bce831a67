"""Comparing what Engage has with the books, account by account.

The one hard idea: the two are read one after the other, and a shop goes on meanwhile. So what seems
to differ is looked at again: once nothing is left to tell about the account, Engage is asked a
second time, and if the account then has not moved and Engage still has something else, it is a
difference. What moves is compared another time.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ledger import reading
from ledger.amounts import Points
from ledger.connection import Connection
from ledger.facts import Balance
from ledger.identity import ContactId, HolderId
from sync.engage import pauses
from sync.engage.answers import Standing, standing_in
from sync.engage.context import Context, new_id
from sync.engage.drift import choosing, differences
from sync.engage.drift.differences import Compared
from sync.engage.drift.repairing import Repairer
from sync.engage.drift.standing_still import still
from sync.engage.exchange import Answered, Refused
from sync.engage.marks import AccountKey
from sync.engage.pauses import Direction
from sync.engage.progress import describe
from sync.engage.settings import Mode
from sync.engage.totals import total_of
from sync.engage.transactions.acceptance import UNKNOWN_CONTACT
from sync.lanes import Lanes

PAGE: Final = 100
"""Accounts read from both sides before what was found is stored."""

DIFFERING_MAX: Final = 500
"""Of what differed before, how much a sample looks at again."""

ASKED_FOR_MAX: Final = 500
"""Of what is to be compared soon, how much one sample looks at."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class DriftReport:
    """What comparing brought.

    Attributes:
        compared: Accounts read from both sides.
        agreed, differing: How they stood; of these, unknown: contacts that Engage does not have.
        moved: Accounts that changed meanwhile; they are compared another time.
        closed: Differences that are gone.
        repaired: Differences something was done about.
        trouble: Why it ended early, if it did.
    """

    compared: int = 0
    agreed: int = 0
    differing: int = 0
    unknown: int = 0
    moved: int = 0
    closed: int = 0
    repaired: int = 0
    trouble: str | None = None

    def is_stopped(self) -> bool:
        """Whether no more should be compared now."""
        return self.trouble is not None


async def compare_share(
    context: Context, *, accounts_max: int | None = None, repairs: bool = True
) -> DriftReport:
    """Compare the accounts that were compared longest ago, as many as the settings say.

    Args:
        context: Whose.
        accounts_max: Instead of the setting's.
        repairs: Whether differences are repaired as the settings say, or only written down.
    """
    options = context.options.drift
    report = DriftReport()
    repairer = Repairer(context, is_wanted=repairs)
    definitions = list(context.definitions)
    deadline = time.monotonic() + options.share_hours * 3600
    most = accounts_max or options.share_accounts
    async with context.pool.acquire() as connection:
        started = await context.clock.read(connection)
        await choosing.begin(connection, definitions)
    walk = choosing.OldestFirst(definitions, started)
    while not report.is_stopped() and report.compared < most and time.monotonic() < deadline:
        async with context.pool.acquire() as connection:
            now = await context.clock.read(connection)
            keys = await walk.next(connection, now, min(PAGE, most - report.compared))
        if not keys:
            break
        await _compare(context, keys, report, repairer)
    return report


async def compare_sample(context: Context, *, repairs: bool = True) -> DriftReport:
    """Compare what is to be compared soon, what differed before, and some accounts at random."""
    report = DriftReport()
    repairer = Repairer(context, is_wanted=repairs)
    definitions = list(context.definitions)
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        keys = await choosing.asked_for(connection, definitions, now, ASKED_FOR_MAX)
        keys += await choosing.differing(connection, definitions, now, DIFFERING_MAX)
        count = context.options.drift.sample_accounts
        keys += await choosing.drawn(connection, definitions, now, count)
    keys = list(dict.fromkeys(keys))
    for start in range(0, len(keys), PAGE):
        if not report.is_stopped():
            await _compare(context, keys[start : start + PAGE], report, repairer)
    return report


async def compare_accounts(
    context: Context, keys: Sequence[AccountKey], *, repairs: bool = True
) -> DriftReport:
    """Compare certain accounts, those of them about which nothing is on its way."""
    report = DriftReport()
    repairer = Repairer(context, is_wanted=repairs)
    for start in range(0, len(keys), PAGE):
        if not report.is_stopped():
            await _compare(context, keys[start : start + PAGE], report, repairer)
    return report


@dataclass(frozen=True, slots=True)
class _Look:
    """What both sides say of an account; `standing` is `None` where Engage has no such contact."""

    balance: Balance
    standing: Standing | None


async def _compare(
    context: Context, keys: Sequence[AccountKey], report: DriftReport, repairer: Repairer
) -> None:
    """Compare some accounts, write down what was found, and repair what may be."""
    async with context.pool.acquire() as connection:
        report.trouble = await pauses.why(connection, context.tenant.id, Direction.DRIFT)
        if report.is_stopped():
            return
        contacts = await reading.contacts_of(connection, list({holder for holder, _ in keys}))
    named = [key for key in keys if key[0] in contacts]
    first = await _look(context, named, contacts, report)
    suspects = [key for key in first if _compared(context, key, first[key]).size]
    async with context.pool.acquire() as connection:
        told = await still(context, connection, suspects)
    second = await _look(context, list(told), contacts, report) if told else {}
    pending = await repairer.pending_of([_compared(context, key, second[key]) for key in second])
    async with context.pool.acquire() as connection, connection.transaction():
        now = await context.clock.read(connection)
        stayed = await still(context, connection, list(second))
        latest = await _balances(context, connection, list(second))
        moved = [
            key
            for key in suspects
            if key not in second
            or stayed.get(key) != told[key]
            or latest[key] != second[key].balance
        ]
        agreed = [key for key in first if key not in suspects]
        differing: list[Compared] = []
        for key in (key for key in suspects if key not in moved):
            found = _compared(context, key, second[key])
            if found.size:
                differing.append(found)
            else:
                agreed.append(key)
        for found in differing:
            identifier = await differences.see(
                connection, context.tenant.id, new_id(now), found, now
            )
            there = pending.get(found.key)
            report.repaired += await repairer.repair(connection, identifier, found, there, now)
        report.closed += await differences.close(connection, agreed, now)
        nobodys = [key for key in keys if key[0] not in contacts]
        report.closed += await differences.close(connection, nobodys, now)
        stamped = [*agreed, *(found.key for found in differing), *nobodys]
        await choosing.stamp(connection, stamped, now)
    report.compared += len(agreed) + len(differing) + len(nobodys)
    report.agreed += len(agreed)
    report.differing += len(differing)
    report.unknown += sum(found.engage_total is None for found in differing)
    report.moved += len(moved)
    if differing:
        logger.warning("engage drift tenant=%s differing=%d", context.tenant.name, len(differing))


async def _look(
    context: Context,
    keys: Sequence[AccountKey],
    contacts: dict[HolderId, ContactId],
    report: DriftReport,
) -> dict[AccountKey, _Look]:
    """Read both sides of some accounts, the books first; those that could be read."""
    async with context.pool.acquire() as connection:
        balances = await _balances(context, connection, keys)
    found: dict[AccountKey, _Look] = {}
    pace = 1 / context.options.drift.per_second
    async with Lanes(context.options.requests_at_once) as lanes:
        for key in keys:
            if report.is_stopped():
                break
            began = time.monotonic()
            await lanes.start(_ask(context, key, contacts[key[0]], balances[key], found, report))
            await asyncio.sleep(max(0.0, pace - (time.monotonic() - began)))
    return found


async def _balances(
    context: Context, connection: Connection, keys: Sequence[AccountKey]
) -> dict[AccountKey, Balance]:
    now = await context.clock.read(connection)
    balances = await reading.totals(connection, keys, at=now)
    nothing = Balance(*[Points(0)] * 4)
    return {key: balances.get(key, nothing) for key in keys}


async def _ask(
    context: Context,
    key: AccountKey,
    contact: ContactId,
    balance: Balance,
    found: dict[AccountKey, _Look],
    report: DriftReport,
) -> None:
    exchange = await context.client.accounts_of(str(contact))
    if isinstance(exchange, Refused) and exchange.status == 404:
        found[key] = _Look(balance, None)
        return
    if not isinstance(exchange, Answered):
        report.trouble = describe(exchange)
        return
    definition = context.definitions[key[1]].engage_id
    standing = standing_in(exchange.body, definition)
    if standing is None:
        report.trouble = "accounts in a form that can't be read"
    else:
        found[key] = _Look(balance, standing)


def _compared(context: Context, key: AccountKey, look: _Look) -> Compared:
    """Both sides of an account, and by how much they differ."""
    scale = context.definitions[key[1]].scale
    total = total_of(look.balance, context.options.total)
    tells_pending = context.options.mode is Mode.ALL_TRANSACTIONS
    there, pending_there = (
        (None, None) if look.standing is None else (look.standing.balance, look.standing.pending)
    )
    size = abs((there or Decimal()) - Decimal(total).scaleb(-scale))
    pending = int(look.balance.pending) if tells_pending else None
    if pending is not None and (look.standing is None or pending_there is not None):
        size += abs((pending_there or Decimal()) - Decimal(pending).scaleb(-scale))
    unrepaired = UNKNOWN_CONTACT if look.standing is None else None
    return Compared(key, there, pending_there, total, pending, size, unrepaired)
