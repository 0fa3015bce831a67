"""What the books tell apart: ledger accounts and kinds of transactions.

The numbers are stored and hashed into the chain, so a member's number never changes and is never
used again. This module holds no behaviour beyond telling sides apart.
"""

from enum import IntEnum
from typing import Final


class LedgerAccount(IntEnum):
    """One side of a transfer: a holder's bucket (1 to 4) or a program account (from 11)."""

    AVAILABLE = 1
    """Points the holder can spend now. A liability: credits raise it."""
    PENDING = 2
    """Points earned whose validity has not begun."""
    HELD = 3
    """Points set aside for a checkout that is under way."""
    DEBT = 4
    """Points the holder owes. An asset: debits raise it."""

    ISSUED = 11
    """The program's side of points earned, and of earns taken back."""
    REDEEMED = 12
    EXPIRED = 13
    ADJUSTED = 14
    OPENING = 15
    """Points brought in from a program's earlier books."""
    MOVED = 16
    """What passes between point accounts; over all accounts it is zero."""
    CLOSED = 17

    @property
    def is_bucket(self) -> bool:
        """Whether this is a holder's side."""
        return self <= LedgerAccount.DEBT

    @property
    def word(self) -> str:
        """The account's name in documents and answers."""
        return _WORDS[self]


BUCKETS: Final = tuple(account for account in LedgerAccount if account.is_bucket)
PROGRAM_ACCOUNTS: Final = tuple(account for account in LedgerAccount if not account.is_bucket)
LOT_BUCKETS: Final = frozenset({LedgerAccount.AVAILABLE, LedgerAccount.PENDING})
"""Where a lot's remaining points stand: available + pending = the sum of remainings."""


class Kind(IntEnum):
    """What a transaction was in the world."""

    EARN = 1
    REDEEM = 2
    HOLD = 3
    CAPTURE = 4
    RELEASE = 5
    RETURN = 6
    CANCEL = 7
    ADJUST = 8
    MOVE = 9
    ACTIVATE = 10
    EXTEND = 11
    CLOSE = 12
    OPEN = 13
    """An opening balance, brought in by an import."""
    RECEIVE = 14
    """The other half of a move: what came in; it has no key of its own."""

    ACTIVATION = 20
    """The books' own: pending points whose validity began."""
    EXPIRY = 21
    """The books' own: points whose validity ended."""
    TIMEOUT = 22
    """The books' own: a hold nobody captured or released in time."""

    @property
    def word(self) -> str:
        """The kind's name in documents and answers."""
        return _WORDS_OF_KINDS[self]


_WORDS: Final = {account: account.name.lower() for account in LedgerAccount}
_WORDS_OF_KINDS: Final = {kind: kind.name.lower() for kind in Kind}
