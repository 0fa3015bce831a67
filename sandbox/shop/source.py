"""Reads the data as it was published: the lines, and the list of invoices they must agree with.

Only the builder needs this; everything else reads the compact copies. Nothing is judged here, but a
row that isn't what its column promises stops the reading.
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sandbox.shop.lines import Line, LineNumbers
from sandbox.shop.money import mills
from sandbox.shop.times import london_to_utc


@dataclass(frozen=True, slots=True)
class SourceInvoice:
    """What the published list says of one invoice; its total is rounded to pence."""

    invoice_no: str
    customer_id: str
    invoiced_at: datetime
    lines: int
    total_mills: int


def read_source_lines(path: Path) -> Iterator[Line]:
    """The lines of the gzipped source file, in its order."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        numbers = LineNumbers()
        for row in csv.DictReader(text):
            yield Line(
                numbers.next_key(row["invoice_no"]),
                row["customer_id"] or None,
                london_to_utc(row["invoiced_at"]),
                row["stock_code"],
                int(row["quantity"]),
                mills(row["unit_price"]),
            )


def read_source_invoices(path: Path) -> Iterator[SourceInvoice]:
    """The invoices of the source's list, in its order."""
    with path.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            yield SourceInvoice(
                row["invoice_no"],
                row["customer_id"],
                london_to_utc(row["invoiced_at"]),
                int(row["lines"]),
                mills(row["total_gbp"]),
            )
