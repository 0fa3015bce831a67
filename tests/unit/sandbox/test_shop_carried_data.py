"""The data the project carries: what its source says of it, and what README says."""

import csv
import gzip
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files

import pytest

from sandbox.shop.build import add_up
from sandbox.shop.figures import Figures, closing_balances, count
from sandbox.shop.lines import (
    AnonymousLine,
    CancelledLine,
    PurchasedLine,
    ShopEvent,
    read_lines,
    replay,
)
from sandbox.shop.matching import LineKey, is_article
from sandbox.shop.purchases import Adjustment, InvoicePostings, Purchase, Return, read_shop

README = files("sandbox.shop").joinpath("README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def year() -> list[InvoicePostings]:
    return list(read_shop())


@pytest.fixture(scope="module")
def events() -> list[ShopEvent]:
    return list(replay(read_lines()))


@pytest.fixture(scope="module")
def figures(year: list[InvoicePostings]) -> Figures:
    return count(year)


def test_it_is_the_whole_year(year: list[InvoicePostings], figures: Figures) -> None:
    assert figures.invoices == 22_190
    assert figures.customers == 4_372
    assert figures.cancellations == 3_654
    assert figures.total_mills == 8_300_065_814
    assert sum(each.invoice.pence for each in year) == 830_006_581


def test_34_invoices_are_worth_no_whole_point_and_every_other_posts_something(
    year: list[InvoicePostings], figures: Figures
) -> None:
    unposted = [each.invoice for each in year if not each.postings]
    assert len(unposted) == 34
    assert all(abs(invoice.pence) < 100 for invoice in unposted)
    assert (figures.unposted_purchases, figures.unposted_cancellations) == (11, 23)


def test_invoices_stand_in_posting_order(year: list[InvoicePostings]) -> None:
    order = [
        (each.invoice.invoiced_at, each.invoice.is_cancellation, each.invoice.invoice_no)
        for each in year
    ]
    assert order == sorted(order)
    assert order[0][0] == datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
    assert order[-1][0] == datetime(2011, 12, 9, 12, 50, tzinfo=UTC)


def test_summer_invoices_are_an_hour_earlier_than_london_clocks(
    year: list[InvoicePostings],
) -> None:
    invoiced_at = {each.invoice.invoice_no: each.invoice.invoiced_at for each in year}
    assert invoiced_at["543599"] == datetime(2011, 2, 10, 13, 8, tzinfo=UTC)  # London 13:08
    assert invoiced_at["568375"] == datetime(2011, 9, 26, 16, 1, tzinfo=UTC)  # London 17:01


def test_every_posting_is_whole_points_under_a_key_of_its_own(year: list[InvoicePostings]) -> None:
    postings = [posting for each in year for posting in each.postings]
    assert len({posting.key for posting in postings}) == len(postings)
    for posting in postings:
        assert posting.points <= -1 if isinstance(posting, Adjustment) else posting.points >= 1


def test_returns_come_after_their_purchase_and_never_exceed_it(
    year: list[InvoicePostings],
) -> None:
    purchases: dict[str, Purchase] = {}
    undone: Counter[str] = Counter()
    taken_back: Counter[str] = Counter()
    for posting in (posting for each in year for posting in each.postings):
        if isinstance(posting, Purchase):
            purchases[posting.key] = posting
        elif isinstance(posting, Return):
            purchase = purchases[posting.reverses]
            assert posting.customer_id == purchase.customer_id
            assert posting.whole == purchase.pence
            assert posting.invoiced_at >= purchase.invoiced_at
            undone[purchase.key] += posting.part
            taken_back[purchase.key] += posting.points
    for key, purchase in purchases.items():
        assert undone[key] <= purchase.pence
        assert taken_back[key] == purchase.points * undone[key] // purchase.pence
    wholly = [key for key, purchase in purchases.items() if undone[key] == purchase.pence]
    assert len(wholly) == 144
    assert all(taken_back[key] == purchases[key].points for key in wholly)


def test_small_change_left_over_costs_a_point_on_two_purchases(
    year: list[InvoicePostings],
) -> None:
    undone: Counter[str] = Counter()
    taken_back: Counter[str] = Counter()
    purchases: dict[str, Purchase] = {}
    for each in year:
        for found in each.invoice.undoes:
            undone[found.invoice_no] += found.pence
        for posting in each.postings:
            if isinstance(posting, Purchase):
                purchases[posting.key] = posting
            elif isinstance(posting, Return):
                taken_back[posting.reverses] += posting.points
    kept = [
        purchases[key].points * pence // purchases[key].pence - taken_back[key]
        for key, pence in undone.items()
    ]
    assert Counter(kept) == {0: len(undone) - 2, 1: 2}
    assert "over the year that happens on two purchases" in README


def test_the_closing_balances_are_what_the_file_itself_adds_up_to(
    year: list[InvoicePostings], figures: Figures
) -> None:
    # Counted from the bare file, without any of the shop's own code.
    balances: defaultdict[str, int] = defaultdict(int)
    total = Decimal(0)
    carried = files("sandbox.shop").joinpath("online_retail.csv.gz").read_bytes()
    for row in csv.DictReader(gzip.decompress(carried).decode().splitlines()):
        balances[row["customer_id"]] += int(row["points"])
        total += Decimal(row["total_gbp"])
    assert total == Decimal("8300065.814")
    assert closing_balances(year) == balances
    in_debt = [balance for balance in balances.values() if balance < 0]
    assert (len(in_debt), sum(in_debt)) == (41, -13_207)
    assert (figures.customers_in_debt, figures.points_in_debt) == (41, 13_207)


def test_the_invoices_are_what_the_lines_add_up_to(
    year: list[InvoicePostings], events: list[ShopEvent]
) -> None:
    assert [invoice for invoice, _ in add_up(events)] == [each.invoice for each in year]


def test_every_line_of_the_year_is_one_event(events: list[ShopEvent]) -> None:
    kinds = Counter(type(event) for event in events)
    assert kinds == {PurchasedLine: 397_924, CancelledLine: 8_905, AnonymousLine: 135_080}
    assert kinds.total() == 541_909


def test_no_line_is_undone_beyond_what_was_bought_of_it(events: list[ShopEvent]) -> None:
    bought = {event.line.key: event for event in events if isinstance(event, PurchasedLine)}
    pieces: Counter[LineKey] = Counter()
    pence: Counter[LineKey] = Counter()
    for event in events:
        if isinstance(event, CancelledLine):
            assert event.rest >= 0
            assert event.rest + sum(undone.part for undone in event.undoes) == event.pence
            for undone in event.undoes:
                purchase = bought[undone.purchase]
                assert purchase.customer_id == event.customer_id
                assert purchase.line.stock_code == event.line.stock_code
                assert purchase.line.invoiced_at <= event.line.invoiced_at
                pieces[undone.purchase] += undone.quantity
                pence[undone.purchase] += undone.part
    assert all(pieces[key] <= bought[key].line.quantity for key in pieces)
    assert all(pence[key] <= bought[key].pence for key in pence)


def test_readme_states_the_figures(figures: Figures, events: list[ShopEvent]) -> None:
    assert figures.as_table() in README
    matched: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for event in events:
        if isinstance(event, CancelledLine):
            undone = sum(each.part for each in event.undoes)
            pieces = -event.line.quantity - sum(each.quantity for each in event.undoes)
            without = pieces * event.line.unit_price_mills // 10
            code = event.line.stock_code
            left["goods" if is_article(code) else code] += without
            left["above the price"] += event.rest - without
            matched["undone"] += undone
            kind = "partly" if event.rest else "wholly"
            matched[kind if event.undoes else "not"] += 1
    text = " ".join(README.split())
    for stated in (
        f"{matched['wholly']:,} of these wholly matched, {matched['partly']:,} partly",
        f"{matched['not']:,} not",
        f"£{pounds(matched['undone'])} undone with a purchase to name",
        f"£{pounds(left.total())} without",
        f"{pounds(left['M'])} of manual entries",
        f"{pounds(left['goods'])} of goods without a purchase",
        f"{pounds(left['POST'])} of postage",
        f"{pounds(left['CRUK'])} of commissions",
        f"{pounds(left['D'])} of discounts",
        f"{pounds(left['above the price'])} that was refunded above the price",
    ):
        assert stated in text


def pounds(pence: int) -> str:
    return f"{Decimal(pence) / 100:,.2f}"
