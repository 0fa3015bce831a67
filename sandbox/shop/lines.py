"""The shop at line level: every line of every invoice, and what each cancelled line undoes.

For a replay of the whole year, line by line, at its own clock. The hard idea is the order: within
one minute the source has no order, so there purchases come before cancellations, as a thing is
bought before it comes back. The stream is read once, front to back; only what can still be
cancelled stays in memory. It does not say what a line is worth in points: that depends on the
definition it is replayed into.
"""

import csv
import lzma
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from io import TextIOWrapper
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from sandbox.shop.matching import Item, LineKey, OpenPurchases
from sandbox.shop.money import exact_pence, mills, nearest_pence
from sandbox.shop.times import utc

CARRIED_LINES = "online_retail_lines.csv.xz"
"""The compact copy beside this module; README.md says how it differs from its source."""

LINE_COLUMNS = (
    "invoice_no",
    "customer_id",
    "invoiced_at",
    "stock_code",
    "quantity",
    "unit_price",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line as invoiced: `quantity` pieces at `unit_price_mills` thousandths of a pound.

    A cancelled line has a negative quantity. Without a customer, `customer_id` is None.
    """

    key: LineKey
    customer_id: str | None
    invoiced_at: datetime
    stock_code: str
    quantity: int
    unit_price_mills: int

    @property
    def mills(self) -> int:
        """What the line adds to its invoice, in thousandths of a pound; negative in a refund."""
        return self.quantity * self.unit_price_mills

    @property
    def takes_back(self) -> bool:
        """Whether the line undoes something, rather than sells something."""
        return self.quantity < 0 or self.unit_price_mills < 0


@dataclass(frozen=True, slots=True)
class PurchasedLine:
    """A line a known customer bought, worth `pence`, which may be 0."""

    line: Line
    customer_id: str
    pence: int


@dataclass(frozen=True, slots=True)
class UndoneLine:
    """What a cancelled line undoes of a purchased one: `part` of its `whole` pence."""

    purchase: LineKey
    quantity: int
    part: int
    whole: int


@dataclass(frozen=True, slots=True)
class CancelledLine:
    """A line that gives a known customer `pence` back.

    `undoes` names the purchases; `rest` is what no purchase was found for, or what was refunded
    above the price paid. The parts and the rest add up to `pence`.
    """

    line: Line
    customer_id: str
    pence: int
    undoes: tuple[UndoneLine, ...]
    rest: int


@dataclass(frozen=True, slots=True)
class AnonymousLine:
    """A line without a customer: it earns nothing and is only counted."""

    line: Line


ShopEvent = PurchasedLine | CancelledLine | AnonymousLine


def read_lines(path: Path | None = None) -> Iterator[Line]:
    """The lines of `path` in the carried form, or of the carried copy, in order of time.

    Raises:
        ValueError: naming the row, when the file is not in the carried form.
    """
    with _opened(path) as rows:
        if tuple(next(rows, ())) != LINE_COLUMNS:
            raise ValueError(f"the first row must name the columns {', '.join(LINE_COLUMNS)}")
        numbers = LineNumbers()
        invoice_no = customer_id = invoiced_at = ""
        for row_no, row in enumerate(rows, start=2):
            try:
                # Like ditto marks: what is empty in all three is as in the row above.
                if row[0]:
                    invoice_no, customer_id, invoiced_at = row[:3]
                _, _, _, stock_code, quantity, unit_price = row
                yield Line(
                    numbers.next_key(invoice_no),
                    customer_id or None,
                    utc(invoiced_at),
                    stock_code,
                    int(quantity),
                    mills(unit_price),
                )
            except (ValueError, IndexError) as error:
                raise ValueError(f"row {row_no}: {error}") from error


def replay(lines: Iterable[Line]) -> Iterator[ShopEvent]:
    """What happened, one event a line, for `lines` in order of time.

    Raises:
        ValueError: when the lines are not in order of time, or a refund is not in whole pence.
    """
    purchases = OpenPurchases()
    whole: dict[LineKey, int] = {}
    last = datetime.min.replace(tzinfo=UTC)
    for invoiced_at, minute in groupby(lines, key=attrgetter("invoiced_at")):
        if invoiced_at < last:
            raise ValueError(f"lines of {invoiced_at} come after lines of {last}")
        last = invoiced_at
        cancelled: dict[tuple[str, str], list[Line]] = {}
        for line in minute:
            if line.customer_id is None:
                yield AnonymousLine(line)
            elif line.takes_back:
                cancelled.setdefault((line.key.invoice_no, line.customer_id), []).append(line)
            else:
                yield _bought(line, line.customer_id, purchases, whole)
        for (_, customer_id), together in cancelled.items():
            yield from _cancelled(together, customer_id, purchases, whole)


def _bought(
    line: Line, customer_id: str, purchases: OpenPurchases, whole: dict[LineKey, int]
) -> PurchasedLine:
    pence = nearest_pence(line.mills)
    item = Item(line.stock_code, line.quantity, line.unit_price_mills)
    purchases.buy(customer_id, line.key, item)
    whole[line.key] = pence
    return PurchasedLine(line, customer_id, pence)


def _cancelled(
    together: list[Line], customer_id: str, purchases: OpenPurchases, whole: dict[LineKey, int]
) -> Iterator[CancelledLine]:
    # A negative price is a correction, not a return of goods: it undoes no purchase.
    returned = [line for line in together if line.quantity < 0]
    found = purchases.cancel(
        customer_id,
        [Item(line.stock_code, -line.quantity, line.unit_price_mills) for line in returned],
    )
    undone = dict(zip((line.key for line in returned), found, strict=True))
    for line in together:
        undoes = tuple(
            UndoneLine(each.purchase, each.quantity, exact_pence(each.mills), whole[each.purchase])
            for each in undone.get(line.key, ())
        )
        pence = exact_pence(-line.mills)
        rest = pence - sum(each.part for each in undoes)
        yield CancelledLine(line, customer_id, pence, undoes, rest)


class LineNumbers:
    """Numbers the lines of each invoice from 1, in the order they come."""

    def __init__(self) -> None:
        self._last: Counter[str] = Counter()

    def next_key(self, invoice_no: str) -> LineKey:
        """The key of the next line of `invoice_no`."""
        self._last[invoice_no] += 1
        return LineKey(invoice_no, self._last[invoice_no])


@contextmanager
def _opened(path: Path | None) -> Iterator[Iterator[list[str]]]:
    carried = path or files("sandbox.shop").joinpath(CARRIED_LINES)
    with (
        carried.open("rb") as packed,
        lzma.LZMAFile(packed) as unpacked,
        TextIOWrapper(unpacked, encoding="utf-8", newline="") as text,
    ):
        yield csv.reader(text)
