"""The year line by line: the order of events, what each line is worth, and what it undoes."""

import lzma
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.shop.build import pack_lines
from sandbox.shop.lines import (
    AnonymousLine,
    CancelledLine,
    Line,
    PurchasedLine,
    UndoneLine,
    read_lines,
    replay,
)
from sandbox.shop.matching import LineKey

OPENING = datetime(2011, 6, 1, 9, tzinfo=UTC)


def line(
    minute: int, invoice_no: str, quantity: int, price: int, customer: str | None = "1001"
) -> Line:
    """A line of 22423 `minute` minutes after opening, at `price` thousandths of a pound."""
    invoiced_at = OPENING + timedelta(minutes=minute)
    return Line(LineKey(invoice_no, 1), customer, invoiced_at, "22423", quantity, price)


def test_a_purchase_its_partial_cancellation_and_a_line_of_nobody() -> None:
    purchase = line(0, "P1", 6, 2550)
    nobody = line(1, "P2", 1, 2550, customer=None)
    cancellation = line(2, "C3", -2, 2550)
    assert list(replay([purchase, nobody, cancellation])) == [
        PurchasedLine(purchase, "1001", 1530),
        AnonymousLine(nobody),
        CancelledLine(
            cancellation, "1001", 510, (UndoneLine(LineKey("P1", 1), 2, 510, 1530),), rest=0
        ),
    ]


def test_within_a_minute_purchases_come_before_cancellations() -> None:
    cancellation, purchase = line(0, "C2", -1, 2550), line(0, "P1", 1, 2550)
    bought, cancelled = replay([cancellation, purchase])
    assert isinstance(bought, PurchasedLine)
    assert isinstance(cancelled, CancelledLine)
    assert cancelled.undoes == (UndoneLine(LineKey("P1", 1), 1, 255, 255),)


def test_a_purchase_after_its_cancellation_is_not_undone_by_it() -> None:
    cancelled, _ = replay([line(0, "C1", -1, 2550), line(1, "P2", 1, 2550)])
    assert isinstance(cancelled, CancelledLine)
    assert (cancelled.undoes, cancelled.rest) == ((), 255)


def test_a_refund_above_the_price_paid_leaves_a_rest() -> None:
    # paid 2 x 2.50, refunded 2 x 3.00: 5.00 undo the purchase, 1.00 is left
    _, cancelled = replay([line(0, "P1", 2, 2500), line(1, "C2", -2, 3000)])
    assert isinstance(cancelled, CancelledLine)
    assert cancelled.undoes == (UndoneLine(LineKey("P1", 1), 2, 500, 500),)
    assert (cancelled.pence, cancelled.rest) == (600, 100)


def test_a_negative_price_takes_money_back_and_undoes_nothing() -> None:
    _, corrected = replay([line(0, "P1", 1, 2500), line(1, "A2", 1, -2500)])
    assert isinstance(corrected, CancelledLine)
    assert (corrected.pence, corrected.undoes, corrected.rest) == (250, (), 250)


def test_lines_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="come after lines of"):
        list(replay([line(1, "P1", 1, 2500), line(0, "P2", 1, 2500)]))


def test_packed_lines_read_back_the_same(tmp_path: Path) -> None:
    lines = [
        Line(LineKey("P1", 1), "1001", OPENING, "22423", 6, 2550),
        Line(LineKey("P1", 2), "1001", OPENING, "85123A", 1, 1),
        Line(LineKey("P2", 1), None, OPENING, "POST", 1, 18_000),
        Line(LineKey("P1", 3), "1001", OPENING + timedelta(minutes=1), "22423", -1, 2550),
    ]
    packed = tmp_path / "lines.csv.xz"
    packed.write_bytes(pack_lines(lines))
    assert list(read_lines(packed)) == lines


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("invoice_no,customer_id\n", "the first row must name the columns"),
        ("{columns}\nP1,1001,2011-06-01T09:00,22423,1,2.55\n", "row 2: .* not a time in UTC"),
        ("{columns}\nP1,1001,2011-06-01T09:00Z,22423,one,2.55\n", "row 2: invalid literal"),
        ("{columns}\nP1,1001,2011-06-01T09:00Z,22423\n", "row 2: not enough values"),
        ("{columns}\n\n", "row 2: list index out of range"),
    ],
)
def test_a_file_in_another_form_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    columns = "invoice_no,customer_id,invoiced_at,stock_code,quantity,unit_price"
    packed = tmp_path / "lines.csv.xz"
    packed.write_bytes(lzma.compress(text.format(columns=columns).encode()))
    with pytest.raises(ValueError, match=complaint):
        list(read_lines(packed))
