"""The shop's year line by line, through stored books at the shop's own clock.

A line is worth a point a pound at two decimals, which is a minor unit a penny: so every line
counts, and bringing one back takes back exactly its points. Points live for twelve months by the
clock of London. Before about every fourth purchase the customer tries to spend some, how many drawn
from a seed; nobody looks first whether there are so many. What a cancelled line undoes is a return
of each line it undoes; what no purchase was found for is an adjustment.

The one hard idea: the books' clock shows the minute of the lines being posted, as if the till sent
each as it happened. At the end, and half a year and a year of nothing later, every customer's
buckets and all that remains of their lots are compared with the plainest reckoning
(`tests.simulation.purse`) and, of some customers, with the model too, posting by posting.

`python -m tests.simulation.replay` replays all lines and prints the figures.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import click

from ledger import invariants
from ledger.amounts import Points
from ledger.connection import Pool
from ledger.facts import Balance
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId
from ledger.kinds import LedgerAccount
from ledger.outcomes import Booked, Code, Refused
from ledger.policies import Policy, Span, Validity
from ledger.posting import BATCH_MAX, Books
from ledger.reading import totals
from ledger.requests import Adjust, Earn, Redeem, Request, Return, Reverses
from ledger.tenants import Catalogue, DefinitionDeclaration, TenantDeclaration, declare
from ledger.trial_balance import trial_balance
from migrations.upgrade import migrate
from sandbox.shop.lines import AnonymousLine, PurchasedLine, ShopEvent, read_lines
from sandbox.shop.lines import replay as happened
from sandbox.shop.matching import LineKey
from sandbox.shop.purchases import contact_id
from tests.simulation.account import Told
from tests.simulation.comparing import DifferenceError, agree, compare_outcome
from tests.simulation.model import Model
from tests.simulation.purse import Purse
from tests.simulation.run import own_server
from tests.simulation.validity import end_of

LINES: Final = 541_909
SEED: Final = 7
REDEEMING_SHARE: Final = 0.25
REDEEMED_POINTS: Final = (25, 50, 100, 250, 500, 1000)
"""An average purchase earns about 480."""

CLOSING: Final = datetime(2011, 12, 10, tzinfo=UTC)
LATER: Final = (datetime(2012, 6, 10, tzinfo=UTC), datetime(2012, 12, 10, tzinfo=UTC))
"""After half a year of nothing about half has lapsed, after a year all of it."""

SHOP: Final = TenantDeclaration(
    name="shop",
    time_zone="Europe/London",
    definitions=(
        DefinitionDeclaration(
            engage_id=1,
            name="Points",
            scale=2,
            policy=Policy(validity=Validity(span=Span.MONTHS, length=12)),
        ),
    ),
)


@dataclass
class Figures:
    """What a replay came to; points in minor units."""

    lines: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    customers: int = 0
    modelled: int = 0
    in_debt: int = 0
    points: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        booked = sum(self.answers.values()) - self.answers[Code.INSUFFICIENT_POINTS]
        points = ", ".join(f"{name} {amount / 100:,.2f}" for name, amount in self.points.items())
        return (
            f"lines: {sum(self.lines.values()):,}, {dict(self.lines)}\n"
            f"answers: {dict(self.answers)}, in {self.batches:,} batches\n"
            f"points: {points}; customers in debt: {self.in_debt}\n"
            f"seed {SEED}: {booked:,} transactions, {self.customers:,} customers: all agree in "
            f"every bucket and lot, verify clean; posted in {self.seconds:,.0f} s"
        )


@dataclass
class Till:
    """Turns what happened in the shop into requests."""

    tenant: TenantId
    definition: DefinitionId
    seed: int = SEED
    invoices: set[str] = field(default_factory=set)

    def requests_of(self, event: ShopEvent) -> Iterator[Request]:
        """What is posted for a line; nothing for one without a customer, or worth nothing."""
        if isinstance(event, AnonymousLine):
            return
        key = name_of(event.line.key)
        at, customer = event.line.invoiced_at, event.customer_id
        if isinstance(event, PurchasedLine):
            yield from self._spending(event, customer, at)
            if event.pence:
                yield Earn(**self._common(key, customer, at), amount=Points(event.pence))
            return
        for undone in event.undoes:
            if undone.part:
                purchase = name_of(undone.purchase)
                yield Return(
                    **self._common(f"{key} of {purchase}", customer, at),
                    reverses=Reverses(None, purchase),
                    part=undone.part * 100,
                    whole=undone.whole * 100,
                )
        if event.rest:
            yield Adjust(**self._common(key, customer, at), amount=Points(-event.rest))

    def _spending(self, event: PurchasedLine, customer: str, at: datetime) -> Iterator[Redeem]:
        invoice = event.line.key.invoice_no
        if invoice in self.invoices:
            return
        self.invoices.add(invoice)
        draw = random.Random(f"{self.seed} {invoice}")
        if draw.random() < REDEEMING_SHARE:
            amount = Points(100 * draw.choice(REDEEMED_POINTS))
            yield Redeem(**self._common(f"{invoice} spends", customer, at), amount=amount)

    def _common(self, key: str, customer: str, at: datetime) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "contact": contact_of(customer),
            "definition": self.definition,
            "idempotency_key": key,
            "fingerprint": key.encode(),
            "source": "pos",
            "effective_at": at,
        }


def name_of(line: LineKey) -> str:
    """The key of what a line earned."""
    return f"{line.invoice_no}/{line.line_no}"


def contact_of(customer: str) -> ContactId:
    return ContactId(UUID(contact_id(customer)))


class Replay:
    """Stored books, everybody's purse, and the model for some."""

    def __init__(self, pool: Pool, catalogue: Catalogue, modelled: Collection[str]) -> None:
        self.pool = pool
        self.catalogue = catalogue
        record = catalogue.tenant(SHOP.name)
        assert record is not None
        self.tenant = record.id
        [self.kind] = catalogue.definitions_of(record.id)
        self.till = Till(self.tenant, self.kind.id)
        self.now = CLOSING
        self.books = Books(pool, catalogue, clock=lambda: self.now)
        self.purses: dict[ContactId, Purse] = {}
        self.model = Model({self.kind.id: self.kind})
        self.modelled = {contact_of(customer) for customer in modelled}
        self.figures = Figures()

    async def live(self, events: Iterable[ShopEvent]) -> Figures:
        """Let everything happen, then compare; raises `DifferenceError`."""
        began = time.monotonic()
        for minute, together in groupby(events, key=lambda event: event.line.invoiced_at):
            self.now = minute
            requests = [one for event in self._counted(together) for one in self._of(event)]
            for start in range(0, len(requests), BATCH_MAX):
                await self._post(requests[start : start + BATCH_MAX])
        self.now = CLOSING
        self.figures.seconds = time.monotonic() - began
        await self._compare_balances(CLOSING, self._owners(await self._accounts()))
        while await self.books.sweep():
            pass
        accounts = self._owners(await self._accounts())
        await self._compare_balances(CLOSING, accounts)
        await self._compare_lots()
        await self._compare_program()
        for at in LATER:
            await self._compare_balances(at, accounts)
        return self.figures

    def _counted(self, events: Iterable[ShopEvent]) -> Iterator[ShopEvent]:
        for event in events:
            self.figures.lines[type(event).__name__] += 1
            yield event

    def _of(self, event: ShopEvent) -> list[Request]:
        return list(self.till.requests_of(event))

    async def _post(self, requests: list[Request]) -> None:
        self.figures.batches += 1
        outcomes = await self.books.post(requests)
        for request, outcome in zip(requests, outcomes, strict=True):
            said = outcome.code if isinstance(outcome, Refused) else type(request).__name__
            self.figures.answers[said] += 1
            purse = self.purses.setdefault(request.contact, Purse())
            purse.lapse(self.now)
            agree(request, isinstance(outcome, Booked), self._in_purse(purse, request))
            if isinstance(outcome, Booked):
                agree(request, outcome.transaction.after, balance_of(purse))
            elif said != Code.INSUFFICIENT_POINTS:
                raise DifferenceError(f"{request}: {outcome}")
            if request.contact in self.modelled:
                told = self.model.post(request, self.now)
                compare_outcome(request, outcome, told)
                if isinstance(outcome, Booked) and isinstance(told, Told):
                    self.model.ids[outcome.transaction.id] = told

    def _in_purse(self, purse: Purse, request: Request) -> bool:
        """Do with a purse what a request asks; answers whether it could be done."""
        match request:
            case Earn():
                ends = end_of(self.kind, self.now, self.now)
                purse.earn(request.idempotency_key, request.amount, ends)
            case Redeem():
                return purse.redeem(request.amount)
            case Return(part=int(part), whole=int(whole)):
                purse.give_back(request.reverses.idempotency_key or "", part, whole)
            case Adjust():
                purse.correct(-request.amount)
        return True

    async def _accounts(self) -> list[asyncpg.Record]:
        async with self.pool.acquire() as connection:
            return await connection.fetch(
                "select contact_id, holder_id from ledger.contact join ledger.account "
                "using (holder_id)"
            )

    def _owners(self, accounts: Iterable[asyncpg.Record]) -> dict[HolderId, ContactId]:
        found = {HolderId(row["holder_id"]): ContactId(row["contact_id"]) for row in accounts}
        booked = {contact for contact, purse in self.purses.items() if purse.has_been_used}
        agree("who has an account", set(found.values()), booked)
        self.figures.customers = len(found)
        return found

    async def _compare_balances(self, at: datetime, owners: dict[HolderId, ContactId]) -> None:
        """Compare everybody's buckets at an instant, booked or not."""
        wanted = [(holder, self.kind.id) for holder in owners]
        async with self.pool.acquire() as connection:
            found = await totals(connection, wanted, at=at)
        for (holder, definition), balance in found.items():
            contact = owners[holder]
            self.purses[contact].lapse(at)
            agree((contact, at), balance, balance_of(self.purses[contact]))
            if contact in self.modelled:
                model = self.model.read((contact, definition), at, CLOSING)
                agree((contact, at), balance, model)
        agree("how many", len(found), len(owners))

    async def _compare_lots(self) -> None:
        """Compare what remains of everybody's lots, and until when."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                "select contact_id, lot, remaining, valid_to from ledger.contact "
                "join ledger.lot using (holder_id) where remaining > 0 order by contact_id, lot"
            )
        books: dict[ContactId, list[tuple[int, int, datetime]]] = {}
        for row in rows:
            lot = (row["lot"], row["remaining"], row["valid_to"])
            books.setdefault(ContactId(row["contact_id"]), []).append(lot)
        for contact, purse in self.purses.items():
            found = books.pop(contact, [])
            agree((contact, "lots"), found, purse.standing())
            if contact in self.modelled:
                lots = self.model.account((contact, self.kind.id)).standing_lots(CLOSING)
                model = sorted((lot.remaining, lot.valid_to) for lot in lots)
                agree((contact, "lots"), sorted(lot[1:] for lot in found), model)
        agree("lots of nobody", books, {})
        self.figures.modelled = len(self.modelled & set(self.purses))

    async def _compare_program(self) -> None:
        """Compare what passed through the program's accounts; then every invariant."""
        purses = self.purses.values()
        self.figures.in_debt = sum(purse.debt > 0 for purse in purses)
        self.figures.points = points = {
            "issued": sum(purse.issued for purse in purses),
            "redeemed": sum(purse.redeemed for purse in purses),
            "expired": sum(purse.expired for purse in purses),
            "adjusted": sum(purse.corrected for purse in purses),
            "available": sum(purse.available for purse in purses),
            "debt": sum(purse.debt for purse in purses),
        }
        async with self.pool.acquire() as connection:
            trial = await trial_balance(connection, self.catalogue, self.tenant, at=CLOSING)
            agree("findings", await invariants.check(connection, self.catalogue), [])
        [one] = trial.definitions
        agree("difference", one.difference, 0)
        for name, amount in points.items():
            debit = name in {"issued", "debt"}
            agree(name, one.credit(LedgerAccount[name.upper()]), -amount if debit else amount)


def balance_of(purse: Purse) -> Balance:
    """A purse as the books would put it."""
    return Balance(Points(purse.available), Points(0), Points(0), Points(purse.debt))


async def replay(dsn: str, events: Iterable[ShopEvent], modelled: Collection[str] = ()) -> Figures:
    """Replay what happened into empty books."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        async with pool.acquire() as connection:
            catalogue = await declare(connection, [SHOP])
        return await Replay(pool, catalogue, modelled).live(events)


@click.command()
@click.option("--major", type=int, default=18, show_default=True, help="Of PostgreSQL.")
def main(major: int) -> None:
    """Replay every line of the shop's year, and compare every customer."""
    with (
        tempfile.TemporaryDirectory(prefix="pointmaster-replay-") as folder,
        own_server(Path(folder) / "postgres", major) as server,
    ):
        asyncio.run(migrate(server.dsn_owner))
        with click.progressbar(
            happened(read_lines()), length=LINES, label="Lines", file=sys.stderr
        ) as events:
            figures = asyncio.run(replay(server.dsn_service, events))
    click.echo(figures)


if __name__ == "__main__":
    main()
