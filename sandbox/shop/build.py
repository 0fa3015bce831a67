"""Makes the two compact copies the project carries, from the data as published.

Run once, and again whenever the matching or its rules change:

    LINES=online_retail_lines.csv.gz INVOICES=online_retail_invoices.csv
    python -m sandbox.shop.build --lines $LINES --invoices $INVOICES

The lines are matched (`lines`), added up by invoice, and held against the published list of
invoices: a difference in customer, time, number of lines or total stops the build. Its one hard
idea is that the matching happens at line level only; an invoice undoes of another what its lines
undo of the other's lines.
"""

import argparse
import csv
import io
import lzma
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sandbox.shop.figures import count
from sandbox.shop.invoices import (
    CARRIED_INVOICES,
    Invoice,
    UndonePurchase,
    pack_invoices,
)
from sandbox.shop.lines import (
    CARRIED_LINES,
    LINE_COLUMNS,
    AnonymousLine,
    CancelledLine,
    Line,
    ShopEvent,
    replay,
)
from sandbox.shop.money import nearest_pence, written_pounds
from sandbox.shop.purchases import work_out
from sandbox.shop.source import SourceInvoice, read_source_invoices, read_source_lines
from sandbox.shop.times import written_utc


@dataclass(slots=True)
class _Sum:
    customer_id: str
    invoiced_at: datetime
    lines: int = 0
    total_mills: int = 0
    sells: bool = False
    undoes: dict[str, int] = field(default_factory=dict)


def add_up(events: Iterable[ShopEvent]) -> list[tuple[Invoice, int]]:
    """The invoices of known customers in posting order, each with its number of lines.

    Posting order is by time, purchases before cancellations, then by number.

    Raises:
        ValueError: when one invoice has two customers, or sells and takes back at once.
    """
    sums: dict[str, _Sum] = {}
    for event in events:
        if not isinstance(event, AnonymousLine):
            _add(event.line, event.customer_id, sums)
        if isinstance(event, CancelledLine):
            undoes = sums[event.line.key.invoice_no].undoes
            for each in event.undoes:
                purchase_no = each.purchase.invoice_no
                undoes[purchase_no] = undoes.get(purchase_no, 0) + each.part
    invoices = [(_invoice(invoice_no, total), total.lines) for invoice_no, total in sums.items()]
    return sorted(
        invoices,
        key=lambda row: (row[0].invoiced_at, row[0].is_cancellation, row[0].invoice_no),
    )


def _add(line: Line, customer_id: str, sums: dict[str, _Sum]) -> None:
    invoice_no = line.key.invoice_no
    total = sums.setdefault(invoice_no, _Sum(customer_id, line.invoiced_at))
    if total.customer_id != customer_id:
        raise ValueError(
            f"invoice {invoice_no} belongs to {total.customer_id} and to {customer_id}"
        )
    if total.lines and total.sells == line.takes_back:
        raise ValueError(f"invoice {invoice_no} sells and takes back at once")
    total.invoiced_at = min(total.invoiced_at, line.invoiced_at)
    total.lines += 1
    total.total_mills += line.mills
    total.sells = not line.takes_back


def _invoice(invoice_no: str, total: _Sum) -> Invoice:
    # A gift undone at the price of nothing links two invoices but moves no penny.
    undoes = tuple(UndonePurchase(key, pence) for key, pence in total.undoes.items() if pence)
    return Invoice(invoice_no, total.customer_id, total.invoiced_at, total.total_mills, undoes)


def differences(
    invoices: Iterable[tuple[Invoice, int]], published: Iterable[SourceInvoice]
) -> Iterator[str]:
    """Where the sums of the lines and the published list disagree, a sentence each.

    The list gives totals rounded to pence.
    """
    built = {invoice.invoice_no: (invoice, lines) for invoice, lines in invoices}
    for row in published:
        found = built.pop(row.invoice_no, None)
        if found is None:
            yield f"invoice {row.invoice_no} has no lines"
            continue
        invoice, lines = found
        ours = (invoice.customer_id, invoice.invoiced_at, lines, invoice.pence)
        theirs = (row.customer_id, row.invoiced_at, row.lines, nearest_pence(row.total_mills))
        if ours != theirs:
            yield f"invoice {row.invoice_no}: the lines say {ours}, the list says {theirs}"
    for invoice_no in built:
        yield f"invoice {invoice_no} is not in the list"


def pack_lines(lines: Iterable[Line]) -> bytes:
    """The bytes of a file that `read_lines` reads as these lines."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(LINE_COLUMNS)
    above = None
    for line in lines:
        head = (
            line.key.invoice_no,
            line.customer_id or "",
            written_utc(line.invoiced_at),
        )
        price = written_pounds(line.unit_price_mills)
        rows.writerow(
            (*(("", "", "") if head == above else head), line.stock_code, line.quantity, price)
        )
        above = head
    return lzma.compress(text.getvalue().encode(), preset=9 | lzma.PRESET_EXTREME)


def main() -> int:
    """Build both copies; print their figures as the table of README.md, or what is wrong."""
    arguments = _arguments()
    lines = list(read_source_lines(arguments.lines))
    invoices = add_up(replay(lines))
    wrong = list(differences(invoices, read_source_invoices(arguments.invoices)))
    if wrong:
        sys.stderr.write("\n".join(wrong[:20]) + f"\n{len(wrong)} differences, nothing written\n")
        return 1
    worked_out = list(work_out(invoice for invoice, _ in invoices))
    packed = {
        CARRIED_LINES: pack_lines(lines),
        CARRIED_INVOICES: pack_invoices((each.invoice, each.points) for each in worked_out),
    }
    for name, content in packed.items():
        (arguments.into / name).write_bytes(content)
        sys.stdout.write(f"{arguments.into / name}: {len(content):,} bytes\n")
    sys.stdout.write(f"\n{count(worked_out).as_table()}\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the demo shop's compact data.")
    parser.add_argument("--lines", type=Path, required=True, help="online_retail_lines.csv.gz")
    parser.add_argument("--invoices", type=Path, required=True, help="online_retail_invoices.csv")
    parser.add_argument(
        "--into", type=Path, default=Path(__file__).parent, help="the folder to write to"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
