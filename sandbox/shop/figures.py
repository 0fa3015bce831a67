"""The year in figures: what README.md states, counted.

Counted from the invoices and their postings alone, in the simplest way that can be right, so that
the books can be held against it: a customer's balance is the sum of the postings, because nothing
lapses and debt has no floor.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.shop.purchases import Adjustment, InvoicePostings, Purchase, Return


@dataclass(frozen=True, slots=True)
class Figures:
    """What a year of the shop adds up to; money in thousandths of a pound."""

    invoices: int
    customers: int
    total_mills: int
    cancellations: int
    wholly_matched: int
    partly_matched: int
    not_matched: int
    unposted_purchases: int
    unposted_cancellations: int
    purchases: int
    points_earned: int
    returns: int
    points_returned: int
    adjustments: int
    points_adjusted: int
    customers_in_debt: int
    points_in_debt: int
    points_spendable: int

    def as_table(self) -> str:
        """The figures as a Markdown table."""
        pounds, thousandths = divmod(self.total_mills, 1000)
        rows = (
            ("invoices", f"{self.invoices:,}"),
            ("customers", f"{self.customers:,}"),
            ("their total", f"£{pounds:,}.{thousandths:03}"),
            ("cancellations", f"{self.cancellations:,}"),
            ("… wholly matched to purchases", f"{self.wholly_matched:,}"),
            ("… partly matched", f"{self.partly_matched:,}"),
            ("… not matched", f"{self.not_matched:,}"),
            ("purchases worth no whole point, not posted", f"{self.unposted_purchases:,}"),
            ("cancellations worth no whole point, not posted", f"{self.unposted_cancellations:,}"),
            ("purchases posted", f"{self.purchases:,}"),
            ("… points earned", f"{self.points_earned:,}"),
            ("returns posted", f"{self.returns:,}"),
            ("… points reversed", f"{self.points_returned:,}"),
            ("adjustments posted", f"{self.adjustments:,}"),
            ("… points taken back", f"{self.points_adjusted:,}"),
            ("points spendable at the end", f"{self.points_spendable:,}"),
            ("customers in debt at the end", f"{self.customers_in_debt:,}"),
            ("… points owed", f"{self.points_in_debt:,}"),
        )
        return "\n".join(
            (
                "| figure | value |",
                "| --- | ---: |",
                *(f"| {name} | {value} |" for name, value in rows),
            )
        )


def closing_balances(year: Iterable[InvoicePostings]) -> dict[str, int]:
    """Each customer's points at the end: below zero where in debt, 0 where there never were any."""
    balances: Counter[str] = Counter()
    for each in year:
        balances[each.invoice.customer_id] += each.points
    return dict(balances)


def count(year: Iterable[InvoicePostings]) -> Figures:
    """The figures of a year of invoices and their postings."""
    rows = list(year)
    cancelled = [each for each in rows if each.invoice.is_cancellation]
    unposted = [each.invoice.is_cancellation for each in rows if not each.postings]
    matched = Counter(_matched(each) for each in cancelled)
    postings = [posting for each in rows for posting in each.postings]
    earned = [posting.points for posting in postings if isinstance(posting, Purchase)]
    returned = [posting.points for posting in postings if isinstance(posting, Return)]
    adjusted = [-posting.points for posting in postings if isinstance(posting, Adjustment)]
    balances = closing_balances(rows)
    return Figures(
        invoices=len(rows),
        customers=len(balances),
        total_mills=sum(each.invoice.total_mills for each in rows),
        cancellations=len(cancelled),
        wholly_matched=matched["wholly"],
        partly_matched=matched["partly"],
        not_matched=matched["not"],
        unposted_purchases=unposted.count(False),
        unposted_cancellations=unposted.count(True),
        purchases=len(earned),
        points_earned=sum(earned),
        returns=len(returned),
        points_returned=sum(returned),
        adjustments=len(adjusted),
        points_adjusted=sum(adjusted),
        customers_in_debt=sum(balance < 0 for balance in balances.values()),
        points_in_debt=-sum(balance for balance in balances.values() if balance < 0),
        points_spendable=sum(balance for balance in balances.values() if balance > 0),
    )


def _matched(each: InvoicePostings) -> str:
    undone = sum(purchase.pence for purchase in each.invoice.undoes)
    if undone == 0:
        return "not"
    return "wholly" if undone == -each.invoice.pence else "partly"
