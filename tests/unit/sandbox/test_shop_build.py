"""From lines to invoices, and the published list that they are held against."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.shop.build import add_up, differences
from sandbox.shop.invoices import Invoice, UndonePurchase
from sandbox.shop.lines import Line, replay
from sandbox.shop.matching import LineKey
from sandbox.shop.source import SourceInvoice, read_source_invoices, read_source_lines

OPENING = datetime(2011, 6, 1, 9, tzinfo=UTC)


def line(
    minute: int, key: tuple[str, int], code: str, quantity: int, price: int, customer: str = "1001"
) -> Line:
    invoiced_at = OPENING + timedelta(minutes=minute)
    return Line(LineKey(*key), customer, invoiced_at, code, quantity, price)


def test_an_invoice_undoes_what_its_lines_undo() -> None:
    # P1: 6 x 2.55 + 2 x 1.25 = 17.80; C2 gives back 2 x 2.55 + 1 x 1.25 = 6.35 of it
    lines = [
        line(0, ("P1", 1), "22423", 6, 2550),
        line(1, ("P1", 2), "22960", 2, 1250),
        line(5, ("C2", 1), "22423", -2, 2550),
        line(5, ("C2", 2), "22960", -1, 1250),
    ]
    assert add_up(replay(lines)) == [
        (Invoice("P1", "1001", OPENING, 17_800), 2),
        (
            Invoice(
                "C2", "1001", OPENING + timedelta(minutes=5), -6350, (UndonePurchase("P1", 635),)
            ),
            2,
        ),
    ]


def test_a_gift_given_back_links_nothing() -> None:
    lines = [line(0, ("P1", 1), "22423", 1, 0), line(1, ("C2", 1), "22423", -1, 0)]
    assert [invoice.undoes for invoice, _ in add_up(replay(lines))] == [(), ()]


def test_an_invoice_of_two_customers_is_refused() -> None:
    lines = [
        line(0, ("P1", 1), "22423", 1, 2550),
        line(0, ("P1", 2), "22423", 1, 2550, customer="1002"),
    ]
    with pytest.raises(ValueError, match="invoice P1 belongs to 1001 and to 1002"):
        add_up(replay(lines))


def test_an_invoice_that_sells_and_takes_back_is_refused() -> None:
    lines = [line(0, ("P1", 1), "22423", 1, 2550), line(0, ("P1", 2), "22423", -1, 2550)]
    with pytest.raises(ValueError, match="invoice P1 sells and takes back at once"):
        add_up(replay(lines))


def test_the_published_list_agrees_to_the_penny_or_the_difference_is_named() -> None:
    built = [(Invoice("P1", "1001", OPENING, 15_001), 2), (Invoice("P2", "1001", OPENING, 500), 1)]
    assert (
        list(
            differences(
                built,
                [
                    SourceInvoice("P1", "1001", OPENING, 2, 15_000),
                    SourceInvoice("P2", "1001", OPENING, 1, 500),
                ],
            )
        )
        == []
    )
    named = list(
        differences(
            built,
            [
                SourceInvoice("P1", "1001", OPENING, 2, 15_010),
                SourceInvoice("P3", "1001", OPENING, 1, 500),
            ],
        )
    )
    assert [sentence.partition(":")[0] for sentence in named] == [
        "invoice P1",
        "invoice P3 has no lines",
        "invoice P2 is not in the list",
    ]


def test_the_source_is_read_as_published(tmp_path: Path) -> None:
    lines = tmp_path / "lines.csv.gz"
    lines.write_bytes(
        gzip.compress(
            b"invoice_no,stock_code,description,quantity,invoiced_at,unit_price,customer_id,country\n"
            b'P1,22423,"CAKE STAND, 3 TIERS",6,2011-06-01 10:00:00,2.55,1001,France\n'
            b"P1,POST,POSTAGE,1,2011-06-01 10:00:00,18.0,,France\n"
        )
    )
    assert list(read_source_lines(lines)) == [
        Line(LineKey("P1", 1), "1001", OPENING, "22423", 6, 2550),
        Line(LineKey("P1", 2), None, OPENING, "POST", 1, 18_000),
    ]
    invoices = tmp_path / "invoices.csv"
    invoices.write_text(
        "invoice_no,customer_id,invoiced_at,country,lines,total_gbp\n"
        "P1,1001,2011-06-01 10:00:00,France,1,15.30\n"
    )
    assert list(read_source_invoices(invoices)) == [SourceInvoice("P1", "1001", OPENING, 1, 15_300)]
