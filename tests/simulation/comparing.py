"""One history told to the books and to the model at once; every difference is an error.

The one hard idea: whoever keeps the books (paper or PostgreSQL) answers a few plain questions, and
the comparison asks the model the same ones: what became of each request, what stands in buckets
and lots now, and what stood at instants of either axis that the history has passed.
"""

from ledger.facts import Balance, Transaction
from ledger.outcomes import Booked, Code, Outcome, Refused, Replayed
from ledger.requests import Request
from tests.simulation.account import Told


class DifferenceError(AssertionError):
    """Books and model disagree."""


def agree(what: object, books: object, model: object) -> None:
    """Hold that both say the same."""
    if books != model:
        raise DifferenceError(f"{what}\n  books: {books}\n  model: {model}")


def compare_outcome(request: Request, outcome: Outcome, told: Told | set[Code]) -> None:
    """What became of a request: booked, known, or refused for a reason that the model has too."""
    match outcome:
        case Refused():
            if not isinstance(told, set) or outcome.code not in told:
                raise DifferenceError(f"{request}\n  books: {outcome}\n  model: {told}")
        case Replayed():
            agree(request, "booked before", "refused" if isinstance(told, set) else "booked before")
        case Booked(transaction):
            if isinstance(told, set):
                raise DifferenceError(f"{request}\n  books: {transaction}\n  model: {told}")
            compare_transaction(request, transaction, told)


def compare_transaction(request: Request, transaction: Transaction, told: Told) -> None:
    """What a transaction says of itself."""
    agree(request, transaction.kind, told.kind)
    agree((request, "amount"), transaction.amount, told.amount)
    agree((request, "effective at"), transaction.effective_at, told.effective)
    agree((request, "occurred at"), transaction.occurred_at, told.occurred)
    agree((request, "after"), transaction.after, told.after)


def agree_on_balance(what: object, books: Balance, model: Balance) -> None:
    """Hold that both say the same, and that it is one that can be: nothing below zero."""
    agree(what, books, model)
    if min(books) < 0:
        raise DifferenceError(f"{what}\n  below zero: {books}")
