"""Which purchase a cancelled line undoes, on orders small enough to check by hand."""

import pytest

from sandbox.shop.matching import Item, LineKey, OpenPurchases, Undone

MUG = "22423"
CAKE_STAND = "22423B"
POSTAGE = "POST"


def bought(*purchases: tuple[str, str, int, int]) -> OpenPurchases:
    """Member 1001 bought, one after the other: (invoice, stock code, quantity, price in mills)."""
    shop = OpenPurchases()
    for invoice_no, stock_code, quantity, price in purchases:
        shop.buy("1001", LineKey(invoice_no, 1), Item(stock_code, quantity, price))
    return shop


def undoes(invoice_no: str, quantity: int, mills: int) -> Undone:
    return Undone(LineKey(invoice_no, 1), quantity, mills)


def test_a_line_is_undone_by_its_own_customer_and_code_only() -> None:
    shop = bought(("P1", MUG, 10, 2500))
    assert shop.cancel("1002", [Item(MUG, 1, 2500)]) == [()]
    assert shop.cancel("1001", [Item(CAKE_STAND, 1, 2500)]) == [()]
    assert shop.cancel("1001", [Item(MUG, 1, 2500)]) == [(undoes("P1", 1, 2500),)]


def test_the_latest_purchase_at_the_same_price_comes_first() -> None:
    shop = bought(("P1", MUG, 10, 2500), ("P2", MUG, 10, 2500), ("P3", MUG, 10, 2000))
    assert shop.cancel("1001", [Item(MUG, 4, 2500)]) == [(undoes("P2", 4, 10_000),)]


def test_one_cancellation_may_undo_several_purchases() -> None:
    # 8 come back: 6 from the later purchase, 2 from the earlier
    shop = bought(("P1", MUG, 6, 2500), ("P2", MUG, 6, 2500))
    assert shop.cancel("1001", [Item(MUG, 8, 2500)]) == [
        (undoes("P2", 6, 15_000), undoes("P1", 2, 5_000))
    ]


def test_several_cancellations_never_undo_more_than_was_bought() -> None:
    shop = bought(("P1", MUG, 6, 2500))
    assert shop.cancel("1001", [Item(MUG, 4, 2500)]) == [(undoes("P1", 4, 10_000),)]
    assert shop.cancel("1001", [Item(MUG, 4, 2500)]) == [(undoes("P1", 2, 5_000),)]
    assert shop.cancel("1001", [Item(MUG, 4, 2500)]) == [()]


@pytest.mark.parametrize(
    ("refunded_each", "undone"),
    [
        (2000, 2000),  # refunded for less than was paid: what was refunded
        (3000, 2500),  # refunded for more: what was paid; the 500 above it undo no purchase
    ],
)
def test_goods_at_another_price_count_at_the_lower(refunded_each: int, undone: int) -> None:
    shop = bought(("P1", MUG, 6, 2500))
    assert shop.cancel("1001", [Item(MUG, 2, refunded_each)]) == [(undoes("P1", 2, 2 * undone),)]


def test_another_price_waits_until_all_lines_found_their_own() -> None:
    # Line by line, the first would take the only mug that was sold at the second's price.
    shop = bought(("P1", MUG, 1, 2000), ("P2", MUG, 1, 2500))
    assert shop.cancel("1001", [Item(MUG, 1, 3000), Item(MUG, 1, 2500)]) == [
        (undoes("P1", 1, 2000),),
        (undoes("P2", 1, 2500),),
    ]


def test_what_is_no_article_is_undone_at_its_very_price_only() -> None:
    shop = bought(("P1", POSTAGE, 1, 18_000))
    assert shop.cancel("1001", [Item(POSTAGE, 1, 15_000)]) == [()]
    assert shop.cancel("1001", [Item(POSTAGE, 1, 18_000)]) == [(undoes("P1", 1, 18_000),)]


def test_a_gift_that_comes_back_undoes_its_line_for_nothing() -> None:
    shop = bought(("P1", MUG, 1, 0))
    assert shop.cancel("1001", [Item(MUG, 1, 0)]) == [(undoes("P1", 1, 0),)]


def test_a_quantity_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Item(MUG, 0, 2500)
