"""What the shop posts for its invoices, with the arithmetic beside it."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from sandbox.shop.invoices import Invoice, UndonePurchase, pack_invoices, read_invoices
from sandbox.shop.purchases import (
    Adjustment,
    Purchase,
    Return,
    contact_id,
    read_shop,
    work_out,
)

AT = datetime(2011, 6, 1, 9, tzinfo=UTC)


def invoice(invoice_no: str, pence: int, customer: str = "1001", **undoes: int) -> Invoice:
    """An invoice of so many pence; `P1=250` undoes 2.50 of P1."""
    undone = tuple(UndonePurchase(key, part) for key, part in undoes.items())
    return Invoice(invoice_no, customer, AT, pence * 10, undone)


def posted(*invoices: Invoice) -> list[Purchase | Return | Adjustment]:
    return [posting for each in work_out(invoices) for posting in each.postings]


def returned(invoice_no: str, purchase_no: str, part: int, whole: int, points: int) -> Return:
    return Return(invoice_no, "1001", AT, purchase_no, part, whole, points)


def test_a_purchase_earns_its_whole_pounds() -> None:
    assert posted(invoice("P1", 1095)) == [Purchase("P1", "1001", AT, 1095, 10)]


def test_a_purchase_below_a_pound_is_not_posted() -> None:
    (only,) = work_out([invoice("P1", 99)])
    assert (only.postings, only.points) == ((), 0)


def test_a_whole_cancellation_gives_back_exactly_the_points() -> None:
    _, back = posted(invoice("P1", 1095), invoice("C2", -1095, P1=1095))
    assert back == returned("C2", "P1", 1095, 1095, 10)


def test_a_cancellation_of_two_purchases_and_something_unknown() -> None:
    # 10.00 of P1 (10 points), 5.00 of P2's 20.00: floor(20*500/2000) = 5, and 3.50 unknown: 3
    *_, first, second, rest = posted(
        invoice("P1", 1000), invoice("P2", 2000), invoice("C3", -1850, P1=1000, P2=500)
    )
    assert first == returned("C3", "P1", 1000, 1000, 10)
    assert second == returned("C3", "P2", 500, 2000, 5)
    assert rest == Adjustment("C3", "1001", AT, -350, -3)


def test_a_cancellation_of_nothing_known_is_an_adjustment() -> None:
    assert posted(invoice("C1", -2750)) == [Adjustment("C1", "1001", AT, -2750, -27)]


def test_a_rest_below_a_pound_is_no_adjustment() -> None:
    _, only = posted(invoice("P1", 1000), invoice("C2", -1099, P1=1000))
    assert only == returned("C2", "P1", 1000, 1000, 10)


def test_small_change_goes_with_the_next_return() -> None:
    # C2 is worth no whole point. C3 takes its 80 pence along: floor(10*(80+1015)/1095) = 10
    _, back = posted(invoice("P1", 1095), invoice("C2", -80, P1=80), invoice("C3", -1015, P1=1015))
    assert back == returned("C3", "P1", 80 + 1015, 1095, 10)


def test_a_piece_that_takes_back_no_point_waits_though_its_cancellation_is_posted() -> None:
    # floor(10*100/1095) = 0 of P1, and 2 of P2; then floor(10*200/1095) = 1 of P1
    *_, second, first = posted(
        invoice("P1", 1095),
        invoice("P2", 200),
        invoice("C3", -300, P1=100, P2=200),
        invoice("C4", -100, P1=100),
    )
    assert second == returned("C3", "P2", 200, 200, 2)
    assert first == returned("C4", "P1", 200, 1095, 1)


def test_a_purchase_that_earned_nothing_gives_nothing_back() -> None:
    # 0.90 of P1 are found but gave no point; 2.10 have no purchase: 2 points
    (only,) = posted(invoice("P1", 90), invoice("C2", -300, P1=90))
    assert only == Adjustment("C2", "1001", AT, -210, -2)


@pytest.mark.parametrize(
    ("invoices", "complaint"),
    [
        ([invoice("C2", -100, P1=100)], "C2 undoes P1, which customer 1001 had not bought"),
        (
            [invoice("P1", 100, customer="1002"), invoice("C2", -100, P1=100)],
            "C2 undoes P1, which customer 1001 had not bought",
        ),
        (
            [invoice("P1", 500), invoice("C2", -300, P1=300), invoice("C3", -300, P1=300)],
            "C3 undoes 300 pence of P1, of which 200 of 500 are left",
        ),
        ([invoice("P1", 500), invoice("C2", -100, P1=200)], "C2 undoes 100 pence more than"),
        ([invoice("P1", 500), invoice("P1", 500)], "invoice P1 comes twice"),
    ],
)
def test_links_that_cannot_be_are_refused(invoices: list[Invoice], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        posted(*invoices)


def test_every_posting_has_its_own_key_and_a_return_names_its_purchase() -> None:
    purchase, back, rest = posted(invoice("P1", 1000), invoice("C2", -1500, P1=1000))
    assert isinstance(back, Return)
    assert [purchase.key, back.key, rest.key] == ["P1", "C2:P1", "C2:adjustment"]
    assert back.reverses == purchase.key


def test_a_customer_has_the_same_lower_case_contact_everywhere() -> None:
    assert contact_id("12347") == "1e3f8271-d94e-56e9-a73e-92e45f8bd5eb"
    assert contact_id("12347") == str(UUID(contact_id("12347")))
    assert contact_id("12347") != contact_id("12348")


def test_packed_invoices_read_back_the_same_and_pack_to_the_same_bytes(tmp_path: Path) -> None:
    invoices = [
        (Invoice("P1", "1001", AT, 2_042_761), 2042),
        (invoice("C2", -300, P1=200), -3),
    ]
    packed = tmp_path / "invoices.csv.gz"
    packed.write_bytes(pack_invoices(invoices))
    assert list(read_invoices(packed)) == invoices
    assert pack_invoices(read_invoices(packed)) == packed.read_bytes()


def test_a_file_made_under_another_rule_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "invoices.csv.gz"
    packed.write_bytes(pack_invoices([(invoice("P1", 1095), 11)]))
    with pytest.raises(ValueError, match="invoice P1 carries 11 points, but the rule gives 10"):
        list(read_shop(packed))
