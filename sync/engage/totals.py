"""What Engage is told a contact has, and the exact bytes that tell it.

The one hard idea: a total is absolute, so the newest must be the last that Engage applies. Should
Engage compare time stamps, ours rise from push to push of an account, whatever the clock does.

Contract: docs/contracts/engage.md, "Balances".
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

import msgspec

from ledger.amounts import format_amount
from ledger.facts import Balance
from ledger.identity import ContactId
from sync.engage.total_options import TotalOptions

FAILURES_SPLIT_MAX: Final = 3
"""After so many failures in a row an account travels alone."""

_TICK: Final = timedelta(milliseconds=1)

Row = TypeVar("Row")


class Total(NamedTuple):
    """One row of a request.

    Attributes:
        amount: In minor units of the definition's scale.
        definition: Engage's `definitionId`.
    """

    contact: ContactId
    amount: int
    scale: int
    definition: int


class _Row(msgspec.Struct, rename="camel"):
    contact_id: str
    amount: msgspec.Raw
    definition_id: int
    time_stamp: str


def total_of(balance: Balance, options: TotalOptions) -> int:
    """What of a balance Engage counts, in minor units: what is spendable now, unless set otherwise.

    Available and debt are never both above zero, so debt alone can make it negative.
    """
    total = int(balance.available)
    if options.count_held:
        total += balance.held
    if options.below_zero:
        total -= balance.debt
    return total


def body_of(totals: Iterable[Total], at: datetime) -> bytes:
    """The request's body: an array of totals as of one instant."""
    stamp = time_stamp(at)
    return msgspec.json.encode(
        [
            _Row(
                str(total.contact),
                msgspec.Raw(format_amount(total.amount, total.scale).encode()),
                total.definition,
                stamp,
            )
            for total in totals
        ]
    )


def time_stamp(at: datetime) -> str:
    """An instant as Engage writes it: UTC, milliseconds, `Z`."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def stamped_at(read_at: datetime, last: Iterable[datetime | None]) -> datetime:
    """The instant to stamp totals with: when they were read, but later than any stamp before."""
    newest = max((at for at in last if at is not None), default=None)
    return read_at if newest is None or newest + _TICK <= read_at else newest + _TICK


def split(rows: Sequence[tuple[int, Row]], rows_max: int) -> list[list[Row]]:
    """Divide rows into requests: the more often a row failed, the fewer others share its fate.

    Args:
        rows: Each with its failures in a row.
        rows_max: Rows of a request without failures; a tenth with one, a hundredth with two,
            one alone with three.
    """
    by_failures: dict[int, list[Row]] = {}
    for failures, row in rows:
        by_failures.setdefault(min(failures, FAILURES_SPLIT_MAX), []).append(row)
    requests = []
    for failures, group in sorted(by_failures.items()):
        size = 1 if failures == FAILURES_SPLIT_MAX else max(1, rows_max // 10**failures)
        requests += [group[start : start + size] for start in range(0, len(group), size)]
    return requests
