"""How rows of transactions are told, by configuration.

Contract: docs/contracts/engage.md, "Transactions".
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, field

from sync.engage.section import Section
from sync.engage.transactions.effects import Expiry, Nature

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class EngageSource(StrEnum):
    """The sources that Voyado's documentation lists."""

    PURCHASE = "Purchase"
    RETURN = "Return"
    ADJUSTMENT = "Adjustment"
    AUTOMATION = "Automation"
    MANUAL = "Manual"
    RECEIPT_ADJUSTMENT = "ReceiptAdjustment"
    BONUS_PROMOTION = "BonusPromotion"
    BONUS_PROMOTION_RETURN = "BonusPromotionReturn"
    REWARD_VOUCHER = "RewardVoucher"
    BONUS_BALANCE_ADJUSTMENT = "BonusBalanceAdjustment"
    UPDATE_BALANCE = "UpdateBalance"
    POINT_TRANSACTION_CANCELLATION = "PointTransactionCancellation"


SOURCES: Final[dict[Nature, EngageSource]] = {
    **dict.fromkeys(Nature, EngageSource.ADJUSTMENT),
    Nature.EARN: EngageSource.PURCHASE,
    Nature.RETURN: EngageSource.RETURN,
    Nature.CANCEL: EngageSource.POINT_TRANSACTION_CANCELLATION,
    Nature.CORRECTION: EngageSource.BONUS_BALANCE_ADJUSTMENT,
}
"""What a row's source is by what it is about."""

ORIGINS: Final[dict[str, EngageSource]] = {
    "engage.manual": EngageSource.MANUAL,
    "engage.automation": EngageSource.AUTOMATION,
}
"""What it is where the books' own source of what was earned or adjusted says more."""

WITH_ORIGIN: Final = frozenset({Nature.EARN, Nature.ADJUST})

DESCRIPTIONS: Final[dict[Nature, str]] = {
    Nature.EARN: "Points earned",
    Nature.REDEEM: "Points redeemed",
    Nature.HOLD: "Points reserved",
    Nature.RELEASE: "Reserved points released",
    Nature.RETURN: "Return",
    Nature.CANCEL: "Redemption cancelled",
    Nature.ADJUST: "Adjustment",
    Nature.EXPIRY: "Points expired",
    Nature.MOVE: "Points transferred",
    Nature.OPEN: "Opening balance",
    Nature.CLOSE: "Account closed",
    Nature.REPAYMENT: "Points owed",
    Nature.TERM: "Validity changed",
    Nature.CORRECTION: "Correction",
}
"""Shown for rows whose transaction has no description; Engage does not take a row without."""

OWN_DESCRIPTION: Final = frozenset(
    {Nature.EARN, Nature.REDEEM, Nature.RETURN, Nature.CANCEL, Nature.ADJUST, Nature.MOVE,
     Nature.OPEN, Nature.HOLD}
)  # fmt: skip
"""Rows that are what their transaction is described as; the others only follow from it."""


class TransactionOptions(Section, frozen=True):
    """How rows are told in all-transaction mode.

    Attributes:
        expiry: Who takes lapsed points away. With `engage` its own must be switched on there, and
            which points it spends first is not documented: differences are to be expected.
        sources: By what a row is about, where it shall not be as in `SOURCES`.
        origins: By the books' own source, for what was earned and adjusted; these add to and
            override `ORIGINS`.
        descriptions: By what a row is about, where it shall not be as in `DESCRIPTIONS`.
        idempotency_hours: How long a request may be sent again with its key. 0: never, what is
            unclear is settled by reading.
        stamp_milliseconds: The finest difference of two time stamps that Engage keeps; rows of one
            account are at least that far apart.
        read_rows_max: Rows of Engage read to settle those of one account.
    """

    expiry: Expiry = Expiry.MASTER
    sources: dict[Nature, EngageSource] = field(default_factory=dict)
    origins: dict[str, EngageSource] = field(default_factory=dict)
    descriptions: dict[Nature, Text] = field(default_factory=dict)
    idempotency_hours: Annotated[float, Meta(ge=0, le=720)] = 24
    stamp_milliseconds: Annotated[int, Meta(ge=1, le=60_000)] = 1
    read_rows_max: Annotated[int, Meta(ge=100, le=100_000)] = 5000

    def source_of(self, nature: Nature, origin: str) -> EngageSource:
        """What a row's source is; `origin` is the books' own source of its transaction."""
        if nature in WITH_ORIGIN:
            found = self.origins.get(origin) or ORIGINS.get(origin)
            if found is not None:
                return found
        return self.sources.get(nature) or SOURCES[nature]

    def description_of(self, nature: Nature, own: str | None) -> str:
        """What a row is described as; `own` is its transaction's description, if it has one."""
        if own and own.strip() and nature in OWN_DESCRIPTION:
            return own
        return self.descriptions.get(nature) or DESCRIPTIONS[nature]
