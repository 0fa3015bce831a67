"""Mutants that make no difference to anyone, each with the reason: nobody can notice them.

They are counted apart. An entry speaks of a line as it stands, so it ends with the line.
"""

from typing import Final

_ONLY_SAVES_LOOKING = "where nothing is due by then, looking finds nothing"
_NEVER_ZERO = "an amount is never zero"

EQUIVALENT: Final[dict[str, str]] = {
    "ledger.due: if account.next_due_at is None or account.next_due_at > until:  [if False]": (
        _ONLY_SAVES_LOOKING
    ),
    "ledger.due: if account.next_due_at is None or account.next_due_at > now:  [if False]": (
        _ONLY_SAVES_LOOKING
    ),
    "ledger.requests: return request.amount < 0  [request.amount < 0: Lt to LtE]": _NEVER_ZERO,
    "ledger.rules.adjust: if request.amount > 0:  [request.amount > 0: Gt to GtE]": _NEVER_ZERO,
    "ledger.rules.opening: if request.amount > 0:  [request.amount > 0: Gt to GtE]": _NEVER_ZERO,
    "ledger.explaining: return True, movement.effective_at, movement.holder, 0  [True to False]": (
        "what is due and not booked is later than all that is recorded of the account"
    ),
    "ledger.book: original = None if place is None else self.originals.get(place)  [if False]": (
        "nothing is known under no place"
    ),
}
