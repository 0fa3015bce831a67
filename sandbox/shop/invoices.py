"""The compact copy of the invoices: one row each, and beside each cancellation what it undoes.

The matching is worked out once, by `build`; this module only writes its result and reads it back.
One hard idea: the row carries the points it moves, and reading works them out again (`purchases`),
so that a file made under another rule than the one in force is found out.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from sandbox.shop.money import mills, nearest_pence, written_pounds
from sandbox.shop.times import utc, written_utc

CARRIED_INVOICES = "online_retail.csv.gz"
INVOICE_COLUMNS = ("invoice_no", "customer_id", "invoiced_at", "total_gbp", "points", "undoes")


@dataclass(frozen=True, slots=True)
class UndonePurchase:
    """That a cancellation undoes `pence` of a purchase."""

    invoice_no: str
    pence: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice of a known customer.

    Attributes:
        invoice_no: the shop's number; a cancellation's begins with C.
        customer_id: the shop's number of the customer.
        invoiced_at: the time of its earliest line, UTC.
        total_mills: thousandths of a pound, exact; negative for a cancellation.
        undoes: the purchases a cancellation undoes, in the order they were found, each once.
    """

    invoice_no: str
    customer_id: str
    invoiced_at: datetime
    total_mills: int
    undoes: tuple[UndonePurchase, ...] = ()

    @property
    def pence(self) -> int:
        """The total in pence, rounded to the nearest; negative for a cancellation."""
        return nearest_pence(self.total_mills)

    @property
    def is_cancellation(self) -> bool:
        """Whether it takes money back. An invoice of nothing is a purchase."""
        return self.total_mills < 0


def read_invoices(path: Path | None = None) -> Iterator[tuple[Invoice, int]]:
    """The invoices of `path`, or of the carried copy, in its order, each with its points.

    Raises:
        ValueError: naming the row, when the file is not in this form.
    """
    carried = path or files("sandbox.shop").joinpath(CARRIED_INVOICES)
    with (
        carried.open("rb") as packed,
        gzip.open(packed, "rt", encoding="utf-8", newline="") as text,
    ):
        rows = csv.reader(text)
        if tuple(next(rows, ())) != INVOICE_COLUMNS:
            raise ValueError(f"the first row must name the columns {', '.join(INVOICE_COLUMNS)}")
        for row_no, row in enumerate(rows, start=2):
            try:
                yield _invoice(row)
            except ValueError as error:
                raise ValueError(f"row {row_no}: {error}") from error


def pack_invoices(invoices: Iterable[tuple[Invoice, int]]) -> bytes:
    """The bytes of a file that `read_invoices` reads as these; no time stamp is in them."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(INVOICE_COLUMNS)
    for invoice, points in invoices:
        rows.writerow(
            (
                invoice.invoice_no,
                invoice.customer_id,
                written_utc(invoice.invoiced_at),
                written_pounds(invoice.total_mills),
                points,
                " ".join(f"{undone.invoice_no}:{undone.pence}" for undone in invoice.undoes),
            )
        )
    return gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)


def _invoice(row: list[str]) -> tuple[Invoice, int]:
    invoice_no, customer_id, invoiced_at, total_gbp, points, undoes = row
    undone = tuple(_undone(part) for part in undoes.split())
    invoice = Invoice(invoice_no, customer_id, utc(invoiced_at), mills(total_gbp), undone)
    return invoice, int(points)


def _undone(written: str) -> UndonePurchase:
    invoice_no, _, pence = written.partition(":")
    return UndonePurchase(invoice_no, int(pence))
