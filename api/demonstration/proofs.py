"""What the demo claims in the end, each claim with what speaks against it.

The one hard idea: a proof compares two things that were arrived at separately: the shop's own
arithmetic with the books, the books with Engage, one side of the books with the other. All of it
is decided here from values; nothing is read or asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from api.demonstration.doors import Balance, effect, whole
from api.demonstration.engage import EngageAdjustment, LogsAsked
from api.demonstration.shop import Customer, Kind, Shop, ShopPosting
from api.documents.finance import TrialBalanceDocument
from api.documents.transactions import OutcomeDocument
from ledger.auditing import Finding


@dataclass(frozen=True, slots=True)
class Proof:
    """A claim; it holds where nothing speaks against it."""

    claim: str
    against: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return not self.against


@dataclass(slots=True)
class Posted:
    """What became of the shop's postings.

    Attributes:
        booked: Those that this run brought into the books.
        known: Those that were in the books already.
        wrong: What was not as the shop expects, one sentence a posting.
        wrong_returns: The same of returns alone.
    """

    booked: int = 0
    known: int = 0
    wrong: list[str] = field(default_factory=list)
    wrong_returns: list[str] = field(default_factory=list)

    def note(self, posting: ShopPosting, outcome: OutcomeDocument) -> None:
        """Judge what became of one posting."""
        self.booked += outcome.status == "booked"
        self.known += outcome.status == "replayed"
        problem = _wrong(posting, outcome)
        if problem:
            self.wrong.append(problem)
            if posting.kind is Kind.RETURN:
                self.wrong_returns.append(problem)


def _wrong(posting: ShopPosting, outcome: OutcomeDocument) -> str | None:
    if not outcome.transaction:
        detail = outcome.problem.detail if outcome.problem else "no reason was given"
        return f"{posting.key}: {outcome.status}, {detail}"
    transaction = outcome.transaction
    moved = effect(transaction)
    if moved != posting.points:
        return f"{posting.key}: moved {moved:,} points, the shop expects {posting.points:,}"
    if posting.kind is Kind.RETURN and (
        not transaction.reversed
        or whole(transaction.reversed) != -posting.points
        or not transaction.not_reversed
        or whole(transaction.not_reversed)
    ):
        return f"{posting.key}: says it took back other points than it moved"
    return None


def postings_are_booked(shop: Shop, posted: Posted) -> Proof:
    """Every posting of the shop moved the points that the shop worked out."""
    missing = len(shop.postings) - posted.booked - posted.known - len(posted.wrong)
    against = list(posted.wrong)
    if missing > 0:
        against.append(f"{missing:,} postings were not answered")
    return Proof(
        f"Each of the shop's {len(shop.postings):,} postings is in the books once, with the points "
        "that the shop expects.",
        tuple(against),
    )


def returns_take_back_their_part(shop: Shop, posted: Posted) -> Proof:
    """The books turned part and whole into the points the shop worked out, return by return."""
    number = shop.number_of(Kind.RETURN)
    return Proof(
        f"Each of {number:,} returns took back the share of its own purchase, to the point.",
        tuple(posted.wrong_returns),
    )


def adjustments_arrived(
    adjustments: Sequence[EngageAdjustment], refused: Sequence[str], booked: Mapping[str, int]
) -> Proof:
    """What was made in Engage is in the books once; `booked` is how often, by the event's id."""
    against = list(refused)
    against += [
        f"event {one.event_id} is in the books {booked.get(one.event_id, 0)} times"
        for one in adjustments
        if booked.get(one.event_id, 0) != 1
    ]
    return Proof(
        f"Each of {len(adjustments)} adjustments made in Engage is in the books once, though one "
        "was sent twice.",
        tuple(against),
    )


def expected_points(shop: Shop, adjustments: Iterable[EngageAdjustment]) -> dict[str, int]:
    """What each customer has by the shop's own arithmetic, points owed below zero."""
    points = dict.fromkeys((customer.contact for customer in shop.customers), 0)
    for posting in shop.postings:
        points[posting.contact] += posting.points
    for adjustment in adjustments:
        points[adjustment.contact_id] += adjustment.amount
    return points


def books_hold_what_happened(
    customers: Sequence[Customer],
    expected: Mapping[str, int],
    others: Mapping[str, int],
    balances: Mapping[str, Balance],
) -> Proof:
    """Every customer has what the shop's arithmetic says.

    Args:
        customers: All of them.
        expected: By contact, what the shop and its Engage did.
        others: By contact, what anybody else did, such as whoever tried out the service.
        balances: By contact, what the books say.
    """
    against = [
        f"member {one.number}: the books say {balances[one.contact].net:,}, the shop's arithmetic "
        f"{expected[one.contact] + others.get(one.contact, 0):,}"
        for one in customers
        if balances[one.contact].net != expected[one.contact] + others.get(one.contact, 0)
    ]
    return Proof(
        f"Each of {len(customers):,} customers has the points of all that happened, in the books …",
        tuple(against),
    )


def engage_follows(
    customers: Sequence[Customer], balances: Mapping[str, Balance], engage: Mapping[str, Decimal]
) -> Proof:
    """Engage shows of every customer what can be spent: nothing where points are owed."""
    against = [
        f"member {one.number}: Engage shows {engage.get(one.contact, Decimal()):f}, the books say "
        f"{balances[one.contact].available:,} can be spent"
        for one in customers
        if engage.get(one.contact, Decimal()) != balances[one.contact].available
    ]
    return Proof(
        "… and in Engage, each one of them: what can be spent, and 0 where points are owed.",
        tuple(against),
    )


def engage_is_content(objections: Mapping[str, int]) -> Proof:
    """Nothing that was asked of Engage broke one of its rules."""
    return Proof(
        "Engage has nothing to object to: no limit exceeded, no total overtaken by another.",
        tuple(f"{what}: {times} times" for what, times in objections.items()),
    )


def logs_add_up(logs: LogsAsked, balances: Mapping[str, Balance]) -> Proof:
    """The points logs that Engage pulled are well formed, and sum up to the books."""
    against = list(logs.problems)
    against += [
        f"contact {contact}: the log sums up to {total:f}, the books say {balances[contact].net:,}"
        for contact, total in logs.sums.items()
        if total != balances[contact].net
    ]
    return Proof(
        f"The {logs.asked:,} points logs that Engage read, of {logs.rows:,} rows, fit the books.",
        tuple(against),
    )


def trial_balance_is_zero(trial: TrialBalanceDocument) -> Proof:
    """What customers hold is what the program gave: both sides kept apart, and equal."""
    against = [
        f"{one.name}: customers hold {whole(one.holders_side):,}, the program gave "
        f"{whole(one.program_side):,}"
        for one in trial.definitions
        if whole(one.difference)
    ]
    if not trial.balanced and not against:
        against.append("the service says that it is not")
    sides = ", ".join(f"{whole(one.holders_side):,}" for one in trial.definitions)
    return Proof(f"The trial balance is zero: {sides} points on either side.", tuple(against))


def verification_is_clean(findings: Sequence[Finding], transactions: int) -> Proof:
    """Recomputing everything finds nothing."""
    return Proof(
        f"The books verify: {transactions:,} transactions, chained by hash and recomputed from the "
        "first.",
        tuple(f"{one.place}: {one.message}" for one in findings if not one.is_warning),
    )
