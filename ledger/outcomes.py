"""What the books answer: booked, known already, or refused with a stable code.

The codes are part of the public contract: they are never renamed. `docs/errors.md` explains each
to the person who meets it.
"""

from enum import StrEnum

import msgspec

from ledger.facts import Transaction
from ledger.identity import HolderId


class Code(StrEnum):
    """Why a well-formed request was not booked."""

    KEY_REUSED = "idempotency_key_reused"
    INSUFFICIENT_POINTS = "insufficient_points"
    EFFECTIVE_IN_FUTURE = "effective_at_in_future"
    EFFECTIVE_BEFORE_ORIGINAL = "effective_at_before_original"
    VALIDITY_EMPTY = "validity_empty"
    VALID_FROM_BEFORE_EFFECTIVE = "valid_from_before_effective_at"
    ORIGINAL_UNKNOWN = "original_unknown"
    ORIGINAL_OF_ANOTHER_DEFINITION = "original_of_another_definition"
    ORIGINAL_WRONG_KIND = "original_wrong_kind"
    RETURN_EXCEEDS_ORIGINAL = "return_exceeds_original"
    WHOLE_DIFFERS = "whole_differs"
    BALANCE_TOO_LARGE = "balance_too_large"
    ACCOUNT_CLOSED = "account_closed"
    CAPTURE_EXCEEDS_HOLD = "capture_exceeds_hold"
    HOLD_ENDED = "hold_ended"
    HOLD_OVER = "hold_over"
    LOT_LAPSED = "points_lapsed"
    MOVE_TO_ITSELF = "move_to_itself"
    NO_ACCOUNT = "no_account"
    NOT_EXTENDED = "not_extended"
    NOTHING_LEFT = "nothing_left"
    NOTHING_PENDING = "nothing_pending"
    PERIOD_CLOSED = "period_closed"
    POINTS_HELD = "points_held"
    SCALES_DIFFER = "scales_differ"
    BATCH_NOT_BOOKED = "batch_not_booked"


class Booked(msgspec.Struct, frozen=True, gc=False):
    """The request is in the books, by this transaction."""

    transaction: Transaction


class Replayed(msgspec.Struct, frozen=True, gc=False):
    """The same request was booked before; nothing was booked now."""

    holder: HolderId
    number: int


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The request was not booked and left no trace.

    Attributes:
        field: The request's field that the rule is about, as the API spells it.
    """

    code: Code
    message: str
    field: str | None = None


Outcome = Booked | Replayed | Refused


class RefusedError(Exception):
    """Raised by a rule before it has booked anything; becomes a `Refused` outcome."""

    def __init__(self, code: Code, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.refused = Refused(code, message, field)
