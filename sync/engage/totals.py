"""What Engage is told a contact has, and in what company.

The one hard idea: a total is absolute, so the newest must be the last that Engage applies. Should
Engage compare time stamps, ours rise from push to push of an account, whatever the clock does.

Contract: docs/contracts/engage.md, "Balances".
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from ledger.facts import Balance
from ledger.identity import ContactId
from sync.engage.total_options import TotalOptions

FAILURES_SPLIT_MAX: Final = 3
"""After so many failures in a row an account travels alone."""


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


def time_stamp(at: datetime) -> str:
    """An instant as Engage writes it: UTC, milliseconds, `Z`."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def rows_of(failures: int, rows_max: int) -> int:
    """How many rows a request has whose accounts failed so often in a row: the more, the fewer.

    `rows_max` without failures, a tenth with one, a hundredth with two, and with three each alone.
    """
    if failures >= FAILURES_SPLIT_MAX:
        return 1
    return max(1, int(rows_max // 10**failures))
