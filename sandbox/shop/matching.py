"""Finds the purchase that a cancelled line undoes.

The source gives cancellations no link to what they cancel, so the link is inferred from what the
shop knew at that moment: the customer, the stock code, the unit price, and how much of each
purchased line is still out. The rule, line by line of a cancellation:

1. Only lines bought by the same customer, under the same stock code, not after the cancellation;
   and never more of a line than was bought and not yet cancelled. One cancelled line may undo
   several purchases, several may undo one.
2. First, for all lines of the cancellation, purchases at the same unit price; the latest first.
   A refund is normally made at the price paid, so the price is the best evidence there is; and
   what comes back is normally what was just delivered.
3. Then, for what is left of goods, purchases at another unit price; the latest first. The customer
   did bring back the article, so it undoes a purchase of it, at the lower of the two prices: a
   return never takes back more than its purchase gave, and never more than was refunded.
4. Codes that are no article (postage, manual entries, bank charges …) name no thing that could
   come back: only the same price shows that one undoes another, so step 3 is not for them.

What is left has no purchase: it was bought before the data begins, or it is a discount, a
commission or a manual correction. Prices are thousandths of a pound ("mills"). Nothing here knows
points, files or the order of events: the caller buys and cancels in order of time.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

ARTICLE_NUMBER_DIGITS = 5


@dataclass(frozen=True, slots=True)
class LineKey:
    """One line of one invoice; `line_no` counts from 1 in the order of the source."""

    invoice_no: str
    line_no: int


@dataclass(frozen=True, slots=True)
class Item:
    """So many of one stock code at one price, bought or cancelled; `quantity` is above 0."""

    stock_code: str
    quantity: int
    unit_price_mills: int

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError(f"quantity of {self.stock_code} must be above 0, not {self.quantity}")


@dataclass(frozen=True, slots=True)
class Undone:
    """How many of a purchased line were undone, and for how much of what was paid for them."""

    purchase: LineKey
    quantity: int
    mills: int


@dataclass(slots=True)
class _OpenLine:
    key: LineKey
    unit_price_mills: int
    left: int


class OpenPurchases:
    """The purchased lines of all customers, with what of each has not been cancelled yet.

    Memory: one small object a purchased line until it is wholly cancelled.
    """

    def __init__(self) -> None:
        self._open: defaultdict[tuple[str, str], list[_OpenLine]] = defaultdict(list)

    def buy(self, customer_id: str, key: LineKey, item: Item) -> None:
        """Note a purchased line. Lines must arrive in order of time: the last is the latest."""
        line = _OpenLine(key, item.unit_price_mills, item.quantity)
        self._open[customer_id, item.stock_code].append(line)

    def cancel(self, customer_id: str, items: Sequence[Item]) -> list[tuple[Undone, ...]]:
        """What the lines of one cancellation undo, a tuple for each item; empty: no purchase."""
        undone: list[list[Undone]] = [[] for _ in items]
        left = [item.quantity for item in items]
        for same_price in (True, False):
            for position, item in enumerate(items):
                if left[position] and (same_price or is_article(item.stock_code)):
                    taken = self._take(customer_id, item, left[position], same_price=same_price)
                    undone[position] += taken
                    left[position] -= sum(each.quantity for each in taken)
        return [tuple(each) for each in undone]

    def _take(
        self, customer_id: str, item: Item, quantity: int, *, same_price: bool
    ) -> list[Undone]:
        bought = self._open.get((customer_id, item.stock_code), [])
        taken = []
        for line in reversed(bought):
            if quantity == 0:
                break
            if (line.unit_price_mills == item.unit_price_mills) == same_price:
                count = min(quantity, line.left)
                price = min(line.unit_price_mills, item.unit_price_mills)
                taken.append(Undone(line.key, count, count * price))
                line.left -= count
                quantity -= count
        bought[:] = [line for line in bought if line.left]
        return taken


def is_article(stock_code: str) -> bool:
    """Whether the code names goods: only article numbers begin with five digits."""
    return stock_code[:ARTICLE_NUMBER_DIGITS].isdigit()
