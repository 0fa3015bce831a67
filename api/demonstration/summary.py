"""The demo's summary, for somebody who runs a shop and not a database.

The one hard idea: first what happened to the points, in a sum that can be checked by hand; then who
owes some; then what was proved; last, what to look at next. It only shows; what is shown was worked
out before.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.demonstration.doors import Balance
from api.demonstration.engage import EngageAdjustment
from api.demonstration.proofs import Posted, Proof
from api.demonstration.shop import Customer, Kind, Shop

DEBTORS_SHOWN: Final = 10
OBJECTIONS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Results:
    """All that the demo found.

    Attributes:
        others: What anybody but the shop and its Engage did to points, by contact.
        engage: What Engage shows, by contact.
    """

    shop: Shop
    posted: Posted
    adjustments: Sequence[EngageAdjustment]
    others: Mapping[str, int]
    balances: Mapping[str, Balance]
    engage: Mapping[str, Decimal]
    proofs: Sequence[Proof]
    seconds: float

    @property
    def hold(self) -> bool:
        """Whether every proof holds."""
        return all(proof.holds for proof in self.proofs)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where to look."""

    service: str
    engage: str
    moengage: str


def show_summary(console: Console, results: Results) -> None:
    """Show what happened, who owes points, and what was proved."""
    console.print()
    console.print("[bold]A year of a shop, in points[/]")
    console.print()
    console.print(_figures(results))
    _show_debtors(console, results)
    _show_booked(console, results)
    console.print()
    console.print(_proofs(results.proofs))
    console.print()
    if results.hold:
        console.print(f"[bold green]Everything holds.[/] ({results.seconds:.0f} seconds)")
    else:
        console.print("[bold red]Not everything holds.[/]")


def show_addresses(console: Console, where: Addresses, key: str, customer: Customer) -> None:
    """Show what can be opened, and one request to try."""
    table = Table.grid(padding=(0, 3))
    table.add_row("The service's doors, explained", f"{where.service}/docs")
    table.add_row("Engage, played by a stand-in", where.engage)
    table.add_row("MoEngage, played by a stand-in", where.moengage)
    console.print()
    console.print(table, highlight=False)
    console.print()
    console.print(f"What has member {customer.number}? Ask the books:")
    console.print()
    address = f"{where.service}/v1/contacts/{customer.contact}/balances"
    request = f"curl -H {shlex.quote(f'Authorization: Bearer {key}')} {address}"
    console.print(request, highlight=False, soft_wrap=True, markup=False)
    console.print()


def _proofs(proofs: Sequence[Proof]) -> Table:
    table = Table.grid(padding=(0, 1))
    for proof in proofs:
        table.add_row("[green]✓[/]" if proof.holds else "[red]✗[/]", escape(proof.claim))
        for objection in proof.against[:OBJECTIONS_SHOWN]:
            table.add_row("", f"[red]{escape(objection)}[/]")
        more = len(proof.against) - OBJECTIONS_SHOWN
        if more > 0:
            table.add_row("", f"[red]and {more:,} more[/]")
    return table


def _figures(results: Results) -> Table:
    shop, balances = results.shop, results.balances.values()
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, number, remark in _lines(results):
        table.add_row(name, f"{number:,}", remark)
    table.add_section()
    owed = -sum(one.net for one in balances if one.net < 0)
    spendable = sum(one.available for one in balances)
    remark = f"{spendable:,} to spend, {owed:,} owed"
    table.add_row("[bold]Points now[/]", f"[bold]{sum(o.net for o in balances):,}[/]", remark)
    shown = sum(results.engage.get(one.contact, Decimal()) for one in shop.customers)
    table.add_row("Engage shows", f"{shown:,f}", "what can be spent, over all customers")
    return table


def _lines(results: Results) -> Iterator[tuple[str, int, str]]:
    shop = results.shop
    earned, returned, adjusted = (
        shop.number_of(kind) for kind in (Kind.EARN, Kind.RETURN, Kind.ADJUST)
    )
    yield "Customers", len(shop.customers), ""
    yield "Invoices", shop.invoices, f"{_day(shop.first)} to {_day(shop.last)}"
    yield "  worth no whole point", shop.worthless, "counted, not posted"
    yield "Points earned", shop.points_of(Kind.EARN), f"by {earned:,} purchases"
    yield "Points returned", shop.points_of(Kind.RETURN), f"by {returned:,} returns of purchases"
    remark = f"by {adjusted:,} cancellations of something else"
    yield "Points taken back otherwise", shop.points_of(Kind.ADJUST), remark
    made = sum(one.amount for one in results.adjustments)
    yield "Points adjusted in Engage", made, f"by {len(results.adjustments)} adjustments"
    if results.others:
        done = sum(results.others.values())
        yield "Points otherwise", done, f"of {len(results.others):,} customers, not by the demo"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _show_debtors(console: Console, results: Results) -> None:
    debts = sorted(
        (-results.balances[one.contact].net, one.number)
        for one in results.shop.customers
        if results.balances[one.contact].net < 0
    )[::-1]
    if not debts:
        return
    console.print()
    sentence = "customer owes points" if len(debts) == 1 else "customers owe points"
    reason = "more was taken back than they had, mostly for purchases of the year before"
    console.print(f"{len(debts)} {sentence}: {reason}.", highlight=False)
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for debt, number in debts[:DEBTORS_SHOWN]:
        table.add_row(f"  member {number}", f"{debt:,}")
    rest = debts[DEBTORS_SHOWN:]
    if rest:
        table.add_row(f"  and {len(rest)} more", f"{sum(debt for debt, _ in rest):,}")
    console.print(table)


def _show_booked(console: Console, results: Results) -> None:
    posted = results.posted
    if not posted.known:
        return
    console.print()
    if posted.booked:
        said = f"{posted.known:,} postings were in the books already; {posted.booked:,} were new."
    else:
        said = f"All {posted.known:,} postings were in the books already: nothing was booked twice."
    console.print(said, highlight=False)
