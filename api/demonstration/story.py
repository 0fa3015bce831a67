"""The story of the demo, step by step: from an invoice in the shop to a proof in the end.

The one hard idea: it can be cut off anywhere and told again. Nothing is remembered of how far it
came; each step does all of its work again, and idempotency keys, stored batches and known events
see to it that what was done before is not done twice.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from api.access.scopes import Scope
from api.access.stored import create_key
from api.command_line.context import opened
from api.configuration import Configuration
from api.demonstration import proofs
from api.demonstration.doors import Balance, DoorError, Doors, effect
from api.demonstration.engage import EngageAdjustment, EngageDesk, LogsAsked, adjustments_of
from api.demonstration.folder import TENANT, DemoFolder, write_private
from api.demonstration.proofs import Posted
from api.demonstration.shop import Shop
from api.demonstration.steps import Steps
from api.demonstration.summary import Results
from ledger.auditing import Finding
from ledger.invariants import check
from sync.engage import marks

Item = TypeVar("Item")

REGISTERED_AT_ONCE: Final = 500
READ_AT_ONCE: Final = 8
LOGS_READ: Final = 250
SYNC_SECONDS_MAX: Final = 180.0
"""How long Engage may take to have everything; a request that was cut off is settled after 10 + 30
seconds."""

RUN_SECONDS: Final = 4.0
"""How long one request waits for that; a service that is stopped ends such a request first."""

LOOK_SECONDS: Final = 0.2

KEY_NAME: Final = "the demo's shop"
SCOPES: Final = frozenset(
    {
        Scope.TRANSACTIONS_WRITE,
        Scope.TRANSACTIONS_READ,
        Scope.BALANCES_READ,
        Scope.FINANCE_READ,
        Scope.SYNC_RUN,
        Scope.SYNC_READ,
    }
)


@dataclass(frozen=True, slots=True)
class Stage:
    """What the story is played on.

    Attributes:
        configuration: The service's, to look at its books without it.
        batch: How many postings the shop sends in one request.
    """

    folder: DemoFolder
    configuration: Configuration
    service: str
    engage: str
    batch: int


async def shop_key(stage: Stage) -> str:
    """The shop's key to the service: the one it has, or a new one where that opens nothing."""
    path = stage.folder.api_key
    if path.exists():
        doors = Doors(stage.service, path.read_text())
        try:
            if await doors.is_open():
                return path.read_text()
        finally:
            await doors.close()
    async with opened(stage.configuration) as books:
        tenant = books.tenant(TENANT).id
        key, _ = await create_key(books.connection, tenant, KEY_NAME, SCOPES)
    write_private(path, key.text)
    return key.text


async def tell_everything_again(stage: Stage) -> None:
    """Have Engage told every total anew: what it held may be lost, as its last run was cut off."""
    async with opened(stage.configuration) as books:
        definitions = books.catalogue.definitions_of(books.tenant(TENANT).id)
        await marks.mark_everything(books.connection, [one.id for one in definitions])


async def tell(stage: Stage, shop: Shop, key: str, steps: Steps) -> Results:
    """Play the whole story; answers what was found.

    Raises:
        DoorError, EngageError: the service or the stand-in does not do what it is asked.
    """
    started = time.monotonic()
    doors, desk = Doors(stage.service, key), EngageDesk(stage.engage)
    try:
        return await _tell(stage, shop, doors, desk, steps, started)
    finally:
        await doors.close()
        await desk.close()


async def _tell(
    stage: Stage, shop: Shop, doors: Doors, desk: EngageDesk, steps: Steps, started: float
) -> Results:
    adjustments = adjustments_of(shop.customers)
    await _register(shop, desk, steps)
    posted = await _post(shop, doors, stage.batch, steps)
    await _sync("Telling Engage", doors, steps)
    await desk.introduce(stage.service)
    refused = await _adjust(adjustments, desk, steps)
    await _sync("Telling Engage again", doors, steps)
    logs = await _read_logs(shop, desk, steps)
    balances, engage = await _read_balances(shop, doors, desk, steps)
    expected = proofs.expected_points(shop, adjustments)
    others = await _others(shop, adjustments, doors, expected, balances)
    findings, transactions = await _verify(stage, steps)
    return Results(
        shop=shop,
        posted=posted,
        adjustments=adjustments,
        others=others,
        balances=balances,
        engage=engage,
        proofs=[
            proofs.postings_are_booked(shop, posted),
            proofs.returns_take_back_their_part(shop, posted),
            proofs.adjustments_arrived(
                adjustments, refused, await _times_booked(adjustments, doors)
            ),
            proofs.books_hold_what_happened(shop.customers, expected, others, balances),
            proofs.engage_follows(shop.customers, balances, engage),
            proofs.logs_add_up(logs, balances),
            proofs.engage_is_content(await desk.objections()),
            proofs.trial_balance_is_zero(await doors.trial_balance()),
            proofs.verification_is_clean(findings, transactions),
        ],
        seconds=time.monotonic() - started,
    )


async def _register(shop: Shop, desk: EngageDesk, steps: Steps) -> None:
    with steps.step("Registering the customers") as step:
        step.of(len(shop.customers))
        for start in range(0, len(shop.customers), REGISTERED_AT_ONCE):
            group = shop.customers[start : start + REGISTERED_AT_ONCE]
            await desk.register(group)
            step.advance(len(group))
        step.say(f"{len(shop.customers):,} customers")


async def _post(shop: Shop, doors: Doors, batch: int, steps: Steps) -> Posted:
    """Post in the order of the invoices: a purchase is there before its return."""
    posted = Posted()
    with steps.step("Posting the invoices") as step:
        step.of(len(shop.postings))
        for start in range(0, len(shop.postings), batch):
            group = shop.postings[start : start + batch]
            outcomes = await doors.post([posting.request for posting in group])
            for posting, outcome in zip(group, outcomes, strict=True):
                posted.note(posting, outcome)
            step.advance(len(group))
            step.say(_said(posted))
    return posted


def _said(posted: Posted) -> str:
    known = f", {posted.known:,} known already" if posted.known else ""
    return f"{posted.booked:,} booked{known}"


async def _sync(what: str, doors: Doors, steps: Steps) -> None:
    """Have Engage told, and wait until it has everything.

    Raises:
        DoorError: it has not after three minutes.
    """
    deadline = time.monotonic() + SYNC_SECONDS_MAX
    with steps.step(what) as step:
        behind = await _behind(doors)
        total = behind
        while behind:
            if time.monotonic() > deadline:
                status = await doors.sync_status()
                raise DoorError(f"Engage does not have everything: {status}")
            run = asyncio.create_task(doors.sync(RUN_SECONDS))
            while not run.done():
                behind = await _behind(doors)
                total = max(total, behind)
                step.of(total)
                step.reach(total - behind)
                await asyncio.wait([run], timeout=LOOK_SECONDS)
            await run
            behind = await _behind(doors)
        step.say(f"{total:,} changes" if total else "nothing new")


async def _behind(doors: Doors) -> int:
    """How many changes of accounts Engage is behind with."""
    status = await doors.sync_status()
    return status.marked + sum(one.rows for one in status.unfinished.values())


async def _adjust(
    adjustments: Sequence[EngageAdjustment], desk: EngageDesk, steps: Steps
) -> list[str]:
    """Make the adjustments in Engage, the last of them delivered twice; what went wrong."""
    refused: list[str] = []
    with steps.step("Adjusting points in Engage") as step:
        step.of(len(adjustments))
        for adjustment in adjustments:
            refused += await desk.adjust(adjustment, twice=adjustment is adjustments[-1])
            step.advance(1)
        step.say(f"{len(adjustments)} adjustments, one sent twice")
    return refused


async def _times_booked(adjustments: Sequence[EngageAdjustment], doors: Doors) -> dict[str, int]:
    """How often each adjustment is in the books, by the event's id."""
    times = {one.event_id: 0 for one in adjustments}
    for adjustment in adjustments:
        async for transaction in doors.transactions(adjustment.contact_id):
            times[adjustment.event_id] += transaction.idempotency_key == _key_of(adjustment)
    return times


def _key_of(adjustment: EngageAdjustment) -> str:
    """The key under which the service books an event of Engage's."""
    return f"engage:{adjustment.event_id}"


async def _read_logs(shop: Shop, desk: EngageDesk, steps: Steps) -> LogsAsked:
    with steps.step("Reading points logs, as Engage does") as step:
        contacts = [customer.contact for customer in shop.customers[:LOGS_READ]]
        logs = await desk.read_logs(contacts)
        step.say(f"{logs.asked:,} logs, {logs.rows:,} rows")
    return logs


async def _read_balances(
    shop: Shop, doors: Doors, desk: EngageDesk, steps: Steps
) -> tuple[dict[str, Balance], dict[str, Decimal]]:
    balances: dict[str, Balance] = {}
    with steps.step("Comparing every customer") as step:
        step.of(len(shop.customers))

        async def read(contact: str) -> None:
            balances[contact] = await doors.balance(contact)
            step.advance(1)

        await _each([customer.contact for customer in shop.customers], read)
        engage = await desk.balances()
        step.say(f"{len(balances):,} customers")
    return balances, engage


async def _each(items: Sequence[Item], do: Callable[[Item], Awaitable[None]]) -> None:
    """Do something with each item, eight at a time; the first failure is the one that is told."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await do(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(READ_AT_ONCE):
                group.create_task(work())
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def _others(
    shop: Shop,
    adjustments: Sequence[EngageAdjustment],
    doors: Doors,
    expected: dict[str, int],
    balances: dict[str, Balance],
) -> dict[str, int]:
    """What others than the demo did, such as somebody who tried the doors, by contact."""
    ours = {posting.key for posting in shop.postings} | {_key_of(one) for one in adjustments}
    others: dict[str, int] = {}
    for contact, points in expected.items():
        if balances[contact].net == points:
            continue
        done = 0
        async for transaction in doors.transactions(contact):
            done += 0 if transaction.idempotency_key in ours else effect(transaction)
        if done:
            others[contact] = done
    return others


async def _verify(stage: Stage, steps: Steps) -> tuple[list[Finding], int]:
    """Recompute the books, as `pointmaster verify` does; what was found, of how many."""
    verified = 0
    with steps.step("Verifying the books") as step:

        def advance(audited: int, total: int) -> None:
            nonlocal verified
            verified = audited
            step.of(total)
            step.reach(audited)

        async with opened(stage.configuration) as books:
            findings = await check(books.connection, books.catalogue, progress=advance)
        step.say(f"{verified:,} transactions")
    return findings, verified
