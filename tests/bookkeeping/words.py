"""Short words for the books' values, so that a test reads as the example it is.

Instants are said as `1 March` or `1 March 2027 14:30:05.25`, in UTC (2026 and midnight where left
out); buckets and lots come back in the same spelling, so a failing comparison shows two sentences.
"""

import calendar
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from ledger.amounts import format_amount
from ledger.facts import Balance, Transfer
from ledger.state import LotState

YEAR = 2026
MONTHS = calendar.month_name[1:]

_INSTANT = re.compile(
    r"(?P<day>\d+) (?P<month>[A-Z]\w+)(?: (?P<year>\d{4}))?"
    r"(?: (?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?)?\Z"
)
_LOT = re.compile(r"(?P<amount>\d+)(?: from (?P<start>[^;]+?))?(?: until (?P<end>[^;]+?))?\Z")


def when(text: str) -> datetime:
    """The instant a text names."""
    found = _INSTANT.match(text)
    assert found, f"no instant: {text!r}"
    fraction = (found["fraction"] or "").ljust(6, "0")
    return datetime(
        int(found["year"] or YEAR),
        MONTHS.index(found["month"]) + 1,
        int(found["day"]),
        int(found["hour"] or 0),
        int(found["minute"] or 0),
        int(found["second"] or 0),
        int(fraction),
        tzinfo=UTC,
    )


def said(moment: datetime) -> str:
    """The text that `when` would read as this instant."""
    text = f"{moment.day} {MONTHS[moment.month - 1]}"
    if moment.year != YEAR:
        text += f" {moment.year}"
    if moment.microsecond:
        return f"{text} {moment:%H:%M:%S}.{moment:%f}".rstrip("0")
    if moment.second:
        return f"{text} {moment:%H:%M:%S}"
    return text + (f" {moment:%H:%M}" if moment.hour or moment.minute else "")


def term(text: str) -> tuple[int, datetime | None, datetime | None]:
    """`100 from 1 February until 1 March` as amount, first and last boundary."""
    found = _LOT.match(text)
    assert found, f"no lot: {text!r}"
    return int(found["amount"]), _boundary(found["start"]), _boundary(found["end"])


def _boundary(text: str | None) -> datetime | None:
    return None if text is None else when(text)


def standing(lots: Iterable[LotState]) -> str:
    """What remains in lots, in the order of their numbers: `40 until 1 March; 50`."""
    sentences = []
    for lot in sorted(lots, key=lambda one: one.lot):
        if lot.remaining:
            sentence = str(lot.remaining)
            sentence += f" until {said(lot.valid_to)}" if lot.valid_to else ""
            sentence += "" if lot.active else f" from {said(lot.valid_from)}"
            sentences.append(sentence)
    return "; ".join(sentences) or "none"


def holding(balance: Balance, scale: int = 0) -> str:
    """Buckets that are not empty: `40 available, 50 pending`."""
    buckets = [
        f"{format_amount(amount, scale)} {name}"
        for name, amount in zip(Balance._fields, balance, strict=True)
        if amount
    ]
    return ", ".join(buckets) or "nothing"


def moved(transfers: Iterable[Transfer]) -> list[str]:
    """Transfers as sentences: `5 March: 40 available to redeemed`."""
    return [
        f"{said(one.effective_at)}: {one.amount} {one.debit.word} to {one.credit.word}"
        for one in transfers
    ]


def taken(transfers: Iterable[Transfer]) -> str:
    """Which lots the first transfer took from: `lot 2: 30, lot 1: 10`."""
    first = next(iter(transfers))
    return ", ".join(f"lot {lot}: {amount}" for lot, amount in first.allocations)


MOMENT = timedelta(microseconds=1)
"""The shortest time the books know."""
