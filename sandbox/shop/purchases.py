"""What the shop posts: purchases, returns and adjustments, in the order they happened.

A purchase earns a point a whole pound. A cancellation becomes a return for each purchase it undoes
and an adjustment for the rest, where there is one. Invoices worth less than a pound either way are
worth no point; they are counted, not posted. The hard idea is the small change: a piece of a return
that is worth no point by itself is not posted either, but its pence are kept and go with the next
return of the same purchase, so that returning all of a purchase in pieces still takes back all of
its points. Nothing here talks to anyone; the caller posts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from sandbox.shop.invoices import Invoice, UndonePurchase, read_invoices
from sandbox.shop.points import points_for, points_reversed

MEMBERS = uuid5(NAMESPACE_URL, "https://archive.ics.uci.edu/dataset/352/online+retail")
"""The namespace of the contact ids; any fixed one would do."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """An invoice that earns `points`, at least 1."""

    invoice_no: str
    customer_id: str
    invoiced_at: datetime
    pence: int
    points: int

    @property
    def key(self) -> str:
        """What names this posting for ever, of all the shop's postings."""
        return self.invoice_no


@dataclass(frozen=True, slots=True)
class Return:
    """What a cancellation undoes of one purchase: `part` of its `whole` pence, worth `points`.

    `points`, at least 1, is what the books should arrive at from part, whole and the earlier
    returns of the purchase.
    """

    invoice_no: str
    customer_id: str
    invoiced_at: datetime
    purchase_no: str
    part: int
    whole: int
    points: int

    @property
    def key(self) -> str:
        """What names this posting for ever, of all the shop's postings."""
        return f"{self.invoice_no}:{self.purchase_no}"

    @property
    def reverses(self) -> str:
        """The key of the purchase it takes back."""
        return self.purchase_no


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a cancellation gives back beyond the purchases found for it; both below zero."""

    invoice_no: str
    customer_id: str
    invoiced_at: datetime
    pence: int
    points: int

    @property
    def key(self) -> str:
        """What names this posting for ever, of all the shop's postings."""
        return f"{self.invoice_no}:adjustment"


Posting = Purchase | Return | Adjustment


@dataclass(frozen=True, slots=True)
class InvoicePostings:
    """One invoice and what is posted for it: nothing where it is worth no whole point."""

    invoice: Invoice
    postings: tuple[Posting, ...]

    @property
    def points(self) -> int:
        """The points the invoice moves: above zero where it earns."""
        return sum(
            -posting.points if isinstance(posting, Return) else posting.points
            for posting in self.postings
        )


def contact_id(customer_id: str) -> str:
    """The customer's GUID in Engage, lower case, the same on every machine.

    The member number needs no function: it is `customer_id` itself.
    """
    return str(uuid5(MEMBERS, customer_id))


def read_shop(path: Path | None = None) -> Iterator[InvoicePostings]:
    """The invoices of `path`, or of the carried copy, with their postings, in posting order.

    Raises:
        ValueError: when the file can't be read, or carries other points than the rule gives.
    """
    carried: dict[str, int] = {}

    def invoices() -> Iterator[Invoice]:
        for invoice, points in read_invoices(path):
            carried[invoice.invoice_no] = points
            yield invoice

    for each in work_out(invoices()):
        points = carried.pop(each.invoice.invoice_no)
        if points != each.points:
            raise ValueError(
                f"invoice {each.invoice.invoice_no} carries {points} points, but the rule gives"
                f" {each.points}: build the file again"
            )
        yield each


def work_out(invoices: Iterable[Invoice]) -> Iterator[InvoicePostings]:
    """What to post for each of `invoices`, where a purchase comes before what undoes it.

    Raises:
        ValueError: when a cancellation undoes what its customer had not bought by then, or more of
            it than there was.
    """
    purchases: dict[str, _Bought] = {}
    for invoice in invoices:
        if invoice.is_cancellation:
            yield InvoicePostings(invoice, tuple(_take_back(invoice, purchases)))
        else:
            if invoice.invoice_no in purchases:
                raise ValueError(f"invoice {invoice.invoice_no} comes twice")
            points = points_for(invoice.pence)
            purchases[invoice.invoice_no] = _Bought(invoice.customer_id, invoice.pence, points)
            earned = Purchase(
                invoice.invoice_no, invoice.customer_id, invoice.invoiced_at, invoice.pence, points
            )
            yield InvoicePostings(invoice, (earned,) if points else ())


@dataclass(slots=True)
class _Bought:
    """What is known of a purchase while its returns come in; all in pence but `points`."""

    customer_id: str
    whole: int
    points: int
    posted: int = 0
    """Undone by returns that were posted."""
    small_change: int = 0
    """Undone, but not yet posted because it was worth no point."""


def _take_back(invoice: Invoice, purchases: dict[str, _Bought]) -> Iterator[Posting]:
    rest = -invoice.pence - sum(undone.pence for undone in invoice.undoes)
    if rest < 0:
        raise ValueError(f"{invoice.invoice_no} undoes {-rest} pence more than it gives back")
    worth_posting = points_for(invoice.pence) != 0
    for undone in invoice.undoes:
        bought = _find(invoice, undone, purchases)
        bought.small_change += undone.pence
        if worth_posting and bought.points and bought.small_change:
            points = points_reversed(
                bought.points, bought.whole, bought.posted, bought.small_change
            )
            if points:
                yield _returned(invoice, undone.invoice_no, bought, points)
                bought.posted += bought.small_change
                bought.small_change = 0
    if worth_posting and points_for(rest):
        yield Adjustment(
            invoice.invoice_no, invoice.customer_id, invoice.invoiced_at, -rest, points_for(-rest)
        )


def _find(invoice: Invoice, undone: UndonePurchase, purchases: dict[str, _Bought]) -> _Bought:
    bought = purchases.get(undone.invoice_no)
    if bought is None or bought.customer_id != invoice.customer_id:
        raise ValueError(
            f"{invoice.invoice_no} undoes {undone.invoice_no}, which customer"
            f" {invoice.customer_id} had not bought by then"
        )
    so_far = bought.posted + bought.small_change
    if undone.pence < 0 or so_far + undone.pence > bought.whole:
        raise ValueError(
            f"{invoice.invoice_no} undoes {undone.pence} pence of {undone.invoice_no}, of which"
            f" {bought.whole - so_far} of {bought.whole} are left"
        )
    return bought


def _returned(invoice: Invoice, purchase_no: str, bought: _Bought, points: int) -> Return:
    return Return(
        invoice.invoice_no,
        invoice.customer_id,
        invoice.invoiced_at,
        purchase_no,
        bought.small_change,
        bought.whole,
        points,
    )
