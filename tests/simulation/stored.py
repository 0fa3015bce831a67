"""A history told to stored books, on a real PostgreSQL, and to the model; compared as it goes.

The one hard idea: it is the history of `tests.simulation.history`, but every step passes through
loading and storing, so what a batch finds in the database is what the model says must be there.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from ledger import invariants, reading
from ledger.connection import Connection, Pool
from ledger.contacts import NotMergedError, merge_contacts
from ledger.identity import ContactId
from ledger.outcomes import Booked, Code, Outcome
from ledger.policies import Definition
from ledger.postgres import Database
from ledger.posting import Books
from ledger.reading_as_of import accounts_as_of
from ledger.roll_ups import roll_up
from ledger.tenants import (
    Catalogue,
    DefinitionDeclaration,
    TenantDeclaration,
    declare,
)
from ledger.trial_balance import DefinitionTrial, trial_balance
from tests.simulation.account import Account, Place, Told
from tests.simulation.comparing import DifferenceError, agree, agree_on_balance, compare_outcome
from tests.simulation.history import (
    CONTACTS,
    LATER,
    definitions,
    places_of,
    some_days_from,
    words,
)
from tests.simulation.model import Model, moves_of_everything
from tests.simulation.sheet import EMPTY, standing
from tests.simulation.story import ACTIONS, DAY, RANGES, START, Scene, Step, Storyteller, scenes

SHOP: Final = "shop"


def drawn_steps(draw: random.Random, count: int, actions: Sequence[str] = ACTIONS) -> list[Step]:
    """Random steps."""
    return [
        Step(draw.choice(actions), **{name: draw.randint(0, last) for name, last in RANGES.items()})
        for _ in range(count)
    ]


def declared(kinds: Sequence[Definition], at: datetime) -> TenantDeclaration:
    """A tenant's configuration as it is at an instant."""
    return TenantDeclaration(
        name=SHOP,
        time_zone=kinds[0].zone.key,
        definitions=tuple(
            DefinitionDeclaration(
                engage_id=one.engage_id, name=one.name, scale=one.scale, policy=one.policy_at(at)
            )
            for one in kinds
        ),
    )


async def declare_kinds(connection: Connection, kinds: Sequence[Definition]) -> Catalogue:
    """The tenant with these definitions."""
    return await declare(connection, [declared(kinds, START)])


async def declare_shop(connection: Connection, policies: Sequence[int]) -> Catalogue:
    """The tenant of the histories, both versions of its first definition's policy included."""
    kinds = definitions(policies)
    await declare(connection, [declared(kinds, START)])
    return await declare(connection, [declared(kinds, LATER)], now=LATER)


class Proof:
    """Compares stored books with the model, at the instants that a history has passed."""

    def __init__(
        self, pool: Pool, catalogue: Catalogue, contacts: Sequence[ContactId] = CONTACTS
    ) -> None:
        self.pool = pool
        self.catalogue = catalogue
        self.tenant = catalogue.tenants[SHOP].id
        kinds = catalogue.definitions_of(self.tenant)
        self.model = Model({one.id: one for one in kinds})
        self.places: list[Place] = [(one, kind.id) for kind in kinds for one in contacts]
        self.instants = [START]

    def chosen(self, step: Step) -> tuple[datetime, datetime]:
        """An instant of effect, some days from now, and one of recording, among those passed."""
        known = self.instants[-1 - step.last % len(self.instants)]
        return some_days_from(self.instants[-1], step), known

    async def compare(self, place: Place, step: Step) -> None:
        """Compare an account as it is now, and as of some instant of either axis."""
        now = self.instants[-1]
        contact, definition = place
        account = self.model.account(place)
        async with self.pool.acquire() as connection:
            found = await reading.balances(
                connection, self.tenant, contact, definition=definition, at=now
            )
            balance = found[0].balance if found else EMPTY
            agree_on_balance((place, now), balance, account.read(now, now))
            for effective, recorded in ((now, now), self.chosen(step)):
                as_of = await accounts_as_of(
                    connection,
                    self.tenant,
                    contact,
                    effective_at=effective,
                    recorded_at=recorded,
                    definition=definition,
                    now=now,
                )
                balance = as_of[0].balance if as_of else EMPTY
                model = self.model.read(place, effective, recorded)
                agree_on_balance((place, effective, recorded), balance, model)
                lots = standing(as_of[0]) if as_of else []
                model_lots = self.model.lots(place, effective, recorded)
                agree((place, effective, recorded, "lots"), lots, model_lots)

    async def compare_trial(self, step: Step) -> None:
        """Compare the trial balance now, and as of some instant of either axis."""
        now = self.instants[-1]
        effective, recorded = self.chosen(step)
        for at, known in ((now, None), (effective, None), (effective, recorded)):
            async with self.pool.acquire() as connection:
                trial = await trial_balance(
                    connection,
                    self.catalogue,
                    self.tenant,
                    effective_at=at,
                    recorded_at=known,
                    at=now,
                )
            for one in trial.definitions:
                self._compare_lines(one, at, known or now)

    def _compare_lines(self, trial: DefinitionTrial, at: datetime, known: datetime) -> None:
        agree((trial.definition, at, known, "difference"), trial.difference, 0)
        accounts = [
            known_and_due(account, at, known)
            for (_, definition), account in self.model.accounts.items()
            if definition == trial.definition
        ]
        for line in trial.lines:
            total = sum(account.sum(line.account, at) for account in accounts)
            agree((trial.definition, at, known, line.account), line.credit - line.debit, total)

    async def verify(self) -> None:
        """Hold that the books pass every invariant."""
        async with self.pool.acquire() as connection:
            agree("findings", await invariants.check(connection, self.catalogue), [])

    async def compare_everything(self, draw: random.Random) -> None:
        """Compare every account and the trial balance."""
        for place in self.places:
            await self.compare(
                place, Step("earn", back=draw.randint(0, 30), last=draw.randint(0, 99))
            )
        await self.compare_trial(Step("earn", back=draw.randint(0, 30), last=draw.randint(0, 99)))


class StoredHistory:
    """Stored books and model, and what was asked of them so far."""

    def __init__(
        self, pool: Pool, catalogue: Catalogue, contacts: Sequence[ContactId] = CONTACTS
    ) -> None:
        self.proof = Proof(pool, catalogue, contacts)
        self.contacts = contacts
        kinds = [one.id for one in catalogue.definitions_of(self.proof.tenant)]
        self.teller = Storyteller(self.proof.tenant, contacts, kinds)
        self.books = Books(pool, catalogue, clock=lambda: self.teller.now)
        self.log: list[str] = []

    async def play(self, scene: Scene) -> set[Place]:
        """Let a scene happen in both; answers whose accounts it spoke of."""
        self.teller.pass_time(scene.hours)
        now = self.teller.now
        # Everything asked at one instant is recorded within microseconds of it.
        self.proof.instants.append(now + timedelta(seconds=0.5))
        if scene.sweep:
            await self.books.sweep(limit=2)
        if len(self.log) % 3 == 0:
            async with self.books.pool.acquire() as connection:
                await roll_up(connection, at=now)
        if scene.closing is not None:
            await self._close(now, scene.closing)
        if scene.merging is not None:
            await self._merge(now, *scene.merging)
        asked = [self.teller.tell(step) for step in scene.steps]
        requests = [one.request for one in asked]
        self.log += [f"{now:%d %B %H:%M:%S} {words(request)}" for request in requests]
        outcomes = await self.books.post(requests, atomic=scene.atomic)
        model = self.proof.model
        told = model.post_all(requests, now, atomic=scene.atomic)
        for one, outcome, answer in zip(asked, outcomes, told, strict=True):
            compare_outcome(one.request, outcome, answer)
            if isinstance(outcome, Booked) and isinstance(answer, Told):
                one.id = outcome.transaction.id
                model.ids[one.id] = answer
        return {place for request in requests for place in places_of(request)}

    async def _close(self, now: datetime, days: int) -> None:
        """Close the books up to some midnight, if that goes beyond what is closed."""
        boundary = now.replace(hour=0, minute=0, second=0, microsecond=0) - days * DAY
        if boundary > self.proof.model.closed_until:
            self.log.append(f"{now:%d %B %H:%M:%S} closed up to {boundary:%d %B}")
            await self.books.close_period(self.proof.tenant, boundary)
            self.proof.model.closed_until = boundary

    async def _merge(self, now: datetime, one: int, other: int) -> None:
        """Make two contacts one, if they are not yet."""
        model, tenant = self.proof.model, self.proof.tenant
        contact, into = (self.contacts[number % len(self.contacts)] for number in (one, other))
        giving, taking = model.whose(contact), model.whose(into)
        key = f"merge {len(self.log)}"
        self.log.append(f"{now:%d %B %H:%M:%S} merge {contact.int} into {into.int}")
        outcomes: list[Outcome]
        try:
            outcomes = await merge_contacts(
                self.books, tenant, contact, into, idempotency_key=key, fingerprint=b"merge"
            )
        except NotMergedError as problem:
            outcomes = [problem.refused]
        moves = moves_of_everything(model, giving, taking)
        if giving == taking:
            agree("a merge with nothing to do", outcomes, [])
            return
        told = model.merge(moves, giving, taking, now)
        if any(isinstance(answer, set) for answer in told):
            [refused] = outcomes
            [move, answer] = next(
                pair for pair in zip(moves, told, strict=True) if pair[1] != {Code.BATCH_NOT_BOOKED}
            )
            compare_outcome(move, refused, answer)
            return
        for move, outcome, answer in zip(moves, outcomes, told, strict=True):
            compare_outcome(move, outcome, answer)


def known_and_due(account: Account, effective: datetime, recorded: datetime) -> Account:
    """The account as the books knew it at an instant, with all that is due at another."""
    known = account.known(recorded)
    known.pass_time(max(effective, recorded), recorded)
    return known


@asynccontextmanager
async def stored_history(
    database: Database, policies: Sequence[int], contacts: Sequence[ContactId] = CONTACTS
) -> AsyncIterator[StoredHistory]:
    """A history of books in which nothing is written yet."""
    async with asyncpg.create_pool(database.dsn_service, min_size=1, max_size=3) as pool:
        async with pool.acquire() as connection:
            catalogue = await declare_shop(connection, policies)
        yield StoredHistory(pool, catalogue, contacts)


async def tell_stored(history: StoredHistory, steps: Sequence[Step]) -> None:
    """Tell a whole history; a difference comes with all that led to it."""
    proof = history.proof
    try:
        for number, scene in enumerate(scenes(steps)):
            touched = await history.play(scene)
            touched.add(proof.places[number % len(proof.places)])
            for place in sorted(touched):
                await proof.compare(place, scene.steps[0] if scene.steps else Step("earn"))
        await proof.verify()
        for number in range(9):
            await proof.compare_trial(Step("earn", back=3 * number, last=7 * number))
    except AssertionError as difference:
        raise DifferenceError("\n".join([str(difference), *history.log])) from None
