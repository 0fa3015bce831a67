"""Random histories of all kinds, told to an Engage that lives at the same time as the books."""

import random
from decimal import Decimal
from uuid import UUID

import msgspec

from ledger import reading
from ledger.facts import Balance
from ledger.identity import ContactId
from sync.engage import Follower
from sync.engage.totals import total_of
from tests.following.program import TENANT, Now, Program, Sandbox, member
from tests.simulation.story import ACTIONS, RANGES, Step, Storyteller, scenes

CONTACTS = [member(1001), member(1002), member(1003)]


class Shown(msgspec.Struct, frozen=True, rename="camel"):
    """What Engage shows of an account."""

    contact_id: UUID
    definition_id: int
    balance: Decimal
    pending_points: Decimal


def at_one_time(program: Program, engage: Sandbox) -> Now:
    """Have Engage's clock stand where the books' does."""
    assert program.now is not None
    engage.post("/clock", {"set": program.now.instant.isoformat(), "frozen": True})
    return program.now


async def live(
    program: Program, engage: Sandbox, follower: Follower, draw: random.Random, steps: int
) -> int:
    """Post a random history, telling Engage now and then; answers how often both were compared."""
    tenant = program.catalogue.tenants[TENANT].id
    definitions = [one.id for one in program.catalogue.definitions_of(tenant)]
    teller = Storyteller(tenant, CONTACTS, definitions)
    drawn = [
        Step(draw.choice(ACTIONS), **{name: draw.randint(0, last) for name, last in RANGES.items()})
        for _ in range(steps)
    ]
    compared = 0
    for scene in scenes(drawn):
        teller.pass_time(scene.hours)
        assert program.now is not None
        program.now.instant = teller.now
        at_one_time(program, engage)
        if scene.sweep:
            await program.books.sweep()
        requests = [teller.tell(step).request for step in scene.steps]
        await program.books.post(requests, atomic=scene.atomic)
        if draw.random() < 0.3:
            await tell_all(program, follower)
            await agree(program, engage, follower)
            compared += 1
    await tell_all(program, follower)
    await agree(program, engage, follower)
    return compared + 1


async def agree(program: Program, engage: Sandbox, follower: Follower) -> None:
    """Engage shows what the books have."""
    there, here = await shown(engage), await expected(program, follower)
    assert there == here, f"Engage shows {there}, the books have {here}"


async def tell_all(program: Program, follower: Follower) -> None:
    """Book what is due, and tell Engage everything."""
    while await program.books.sweep():
        pass
    report = await follower.sync(at_once=True)
    assert report.is_complete, report


async def shown(engage: Sandbox) -> dict[tuple[UUID, int], tuple[Decimal, Decimal]]:
    """Active and pending points of every account at Engage that has any."""
    raw = engage.http.get("/_sandbox/balances").content
    rows = msgspec.json.decode(raw, type=list[Shown], strict=False)
    return {
        (row.contact_id, row.definition_id): (row.balance, row.pending_points)
        for row in rows
        if row.balance or row.pending_points
    }


async def expected(
    program: Program, follower: Follower
) -> dict[tuple[UUID, int], tuple[Decimal, Decimal]]:
    """What Engage should show, by the books."""
    found: dict[tuple[UUID, int], tuple[Decimal, Decimal]] = {}
    tenant = program.catalogue.tenants[TENANT].id
    assert program.now is not None
    async with program.pool.acquire() as connection:
        for contact in CONTACTS:
            for one in await reading.balances(
                connection, tenant, ContactId(contact), at=program.now.instant
            ):
                definition = program.catalogue.definitions[one.definition]
                told = told_of(one.balance, follower, definition.scale)
                if any(told):
                    found[contact, definition.engage_id] = told
    return found


def told_of(balance: Balance, follower: Follower, scale: int) -> tuple[Decimal, Decimal]:
    """Active and pending points as Engage counts them."""
    active = total_of(balance, follower.context.options.total)
    return Decimal(active).scaleb(-scale), Decimal(balance.pending).scaleb(-scale)
