"""Mutants that make no difference to anyone, each with the reason: nobody can notice them.

They are counted apart. An entry speaks of a line as it stands, so it ends with the line.
"""

from typing import Final

_ONLY_SAVES_LOOKING = "where nothing is due by then, looking finds nothing"
_NEVER_ZERO = "an amount is never zero"
_TOO_EARLY = "what is looked for too early is not found, and looked for again"
_THE_SAME_INSTANT = "of two that are the same instant, either is it"
_NEVER_BOOKED = "a draft that is thrown away needs no name or number"
_CONVERTED_AGAIN = "converting an instant once more makes the same of it"
_WHOLE_POINTS = (
    "ledger.amounts: if len(text) <= _PLAIN_DIGITS and text.isascii() and text.isdecimal()"
    ' and text[0] != "0":'
)
_THE_LONG_WAY = "the long way comes to the same"
_NOTHING_MORE = "where nothing is short, nothing more is taken"
_DUE_LAST = "ledger.explaining: return True, movement.effective_at, False, movement.holder, 0"
_THE_SAME_FOR_ALL = "it is the same for all that is due and not booked"

EQUIVALENT: Final[dict[str, str]] = {
    "ledger.due: if account.next_due_at is None or account.next_due_at > until:  [if False]": (
        _ONLY_SAVES_LOOKING
    ),
    "ledger.due: if account.next_due_at is None or account.next_due_at > now:  [if False]": (
        _ONLY_SAVES_LOOKING
    ),
    "ledger.lots: if short == 0:  [if False]": _NOTHING_MORE,
    "ledger.lots: break  [left out]": _NOTHING_MORE,
    "ledger.state: if transfer.allocations:  [if True]": "there is nothing in none to go through",
    "ledger.state: if enters and not leaves:  [if True]": _TOO_EARLY,
    "ledger.state: if enters and not leaves:  [enters and (not leaves): or]": _TOO_EARLY,
    "ledger.state: self.expect(issue.valid_to if active else issue.valid_from)  [if False]": (
        _TOO_EARLY
    ),
    "ledger.state: self.expect(lot.valid_to if lot.active else lot.valid_from)  [if False]": (
        _TOO_EARLY
    ),
    "ledger.asof: account = AccountState(DefinitionId(0))  [0 to 1]": (
        "a balance says nothing of whose it is"
    ),
    "ledger.requests: return not isinstance(request, Adjust | Open) or request.amount < 0"
    "  [request.amount < 0: Lt to LtE]": _NEVER_ZERO,
    "ledger.rules.adjust: if request.amount > 0:  [request.amount > 0: Gt to GtE]": _NEVER_ZERO,
    "ledger.rules.opening: if request.amount > 0:  [request.amount > 0: Gt to GtE]": _NEVER_ZERO,
    "ledger.rules.terms: for lot in sorted(pending, key=consumption_order):  [list(…)]": (
        "a transaction issues its lots in that order, and no new term changes it"
    ),
    f"{_DUE_LAST}  [False to True]": _THE_SAME_FOR_ALL,
    f"{_DUE_LAST}  [0 to 1]": _THE_SAME_FOR_ALL,
    "ledger.lots: if account.debt == 0:  [if False]": _NOTHING_MORE,
    "ledger.lots: return"
    " [first, *sorted({when for when, _ in lot.movements or () if when > first})]"
    "  [when > first: Gt to GtE]": "an instant looked at twice gives nothing the second time",
    "ledger.due: if at is not None and (soonest is None or at < soonest):"
    "  [at < soonest: Lt to LtE]": _THE_SAME_INSTANT,
    "ledger.due: if at is not None and hold.ended_by is None and (soonest is None or at < soonest):"
    "  [at < soonest: Lt to LtE]": _THE_SAME_INSTANT,
    "ledger.due: return drafts.setdefault((kind, at, hold), Draft(account, 0, 0))  [0 to 1]": (
        _NEVER_BOOKED
    ),
    "ledger.draft: _UNNAMED: Final = UUID(int=0)  [0 to 1]": _NEVER_BOOKED,
    "ledger.state: if self.last_effective_at is None or effective_at > self.last_effective_at:"
    "  [effective_at > self.last_effective_at: Gt to GtE]": _THE_SAME_INSTANT,
    "ledger.state: if debit == _DEBT and"
    " (self.debt_since is None or effective_at > self.debt_since):"
    "  [effective_at > self.debt_since: Gt to GtE]": _THE_SAME_INSTANT,
    "ledger.chain: _NO_BYTES = bytes(16)  [16 to 17]": "sixteen is as many as the form takes",
    "ledger.chain: effective_at if transaction.recorded_at is at else"
    " _instant(transaction.recorded_at),  [if False]": _CONVERTED_AGAIN,
    "ledger.chain: instant = effective_at if when is at else _instant(when)  [if False]": (
        _CONVERTED_AGAIN
    ),
    "ledger.chain: begins = effective_at if valid_from is at else _instant(valid_from)"
    "  [if False]": _CONVERTED_AGAIN,
    f"{_WHOLE_POINTS}  [if False]": _THE_LONG_WAY,
    f"{_WHOLE_POINTS}  [len(text) <= _PLAIN_DIGITS: LtE to Lt]": _THE_LONG_WAY,
    "ledger.amounts: _DIGITS_MAX = 24  [24 to 25]": (
        "what has more digits is too large, or has too many decimals, anyway"
    ),
    "ledger.amounts: if scale == 0:  [if False]": _THE_LONG_WAY,
    "ledger.identity: return next(uuid7_stream(moment, randomness[:10]))  [10 to 11]": (
        "ten bytes make one, and what is left makes none"
    ),
    "ledger.rules.returns: if request.part is not None and request.whole is not None:"
    "  [request.part is not None and request.whole is not None: or]": "they go together",
    "ledger.book: if not opened or opened[0][0] != (kind, at, ended):  [if True]": (
        "what falls due together is asked for together"
    ),
    "ledger.book: if due != account.next_due_at:  [if True]": (
        "an account that something was booked on is stored anyway"
    ),
    "ledger.folding: elif told.kind in (Kind.CAPTURE, Kind.RELEASE, Kind.TIMEOUT):  [if True]": (
        "nothing else is about a hold"
    ),
    "ledger.book: elif reverses.idempotency_key is not None:  [if True]": (
        "whoever names no transaction by its id names one by its key"
    ),
    "ledger.due: if draft.account.debt == 0 and (lot.valid_to is None or at < lot.valid_to):"
    "  [if False]": "where nothing is owed and nothing lapses, following finds nothing to do",
    "ledger.book: original = None if place is None else self.originals.get(place)  [if False]": (
        "nothing is known under no place"
    ),
}
