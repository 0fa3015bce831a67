"""A history on its way: told to the books on paper and to the model, compared after each step.

The one hard idea: whatever is compared is asked of the books as the service asks it (outcomes,
balances and lots as of any instant, from the chain of facts), and of the model as a sum over
movements. Instants of both axes that are compared lie in the past, now and ahead.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from ledger.identity import ContactId, DefinitionId
from ledger.kinds import PROGRAM_ACCOUNTS
from ledger.outcomes import Booked
from ledger.policies import Definition, Policy, Returns, RoundUp, Span, Start, Validity
from ledger.requests import Move, Request
from tests.bookkeeping.paper import BEGINNING, TENANT
from tests.simulation.account import Place, Told
from tests.simulation.comparing import DifferenceError, agree, agree_on_balance, compare_outcome
from tests.simulation.model import EVER, Model
from tests.simulation.sheet import Sheet
from tests.simulation.story import DAY, START, Scene, Step, Storyteller, scenes

CONTACTS: Final = [ContactId(UUID(int=number)) for number in (1001, 1002, 1003)]

POLICIES: Final = (
    Policy(),
    Policy(validity=Validity(span=Span.DAYS, length=10), returns=Returns.WITHIN_BALANCE),
    Policy(validity=Validity(span=Span.DAYS, length=20), debt_limit=30),
    Policy(
        validity=Validity(
            span=Span.MONTHS, length=1, round_up=RoundUp.MONTH, start=Start.ACTIVATION
        ),
        returns=Returns.ONLY_PENDING,
    ),
)

LATER: Final = START + 20 * DAY
"""When the first definition's policy changes."""

ZONES: Final = ("Europe/Stockholm", "America/New_York", "UTC")


def definitions(policies: Sequence[int]) -> list[Definition]:
    """Two kinds of points alike in decimals and one that isn't; the first's policy changes."""
    first, later, second = (POLICIES[number % len(POLICIES)] for number in policies)
    kinds = (
        (0, ((BEGINNING, first), (LATER, later))),
        (0, ((BEGINNING, second),)),
        (2, ((BEGINNING, Policy()),)),
    )
    return [
        Definition(
            id=DefinitionId(number),
            tenant=TENANT,
            engage_id=number,
            name="Points",
            scale=scale,
            zone=ZoneInfo(ZONES[policies[0] % len(ZONES)]),
            policies=versions,
        )
        for number, (scale, versions) in enumerate(kinds, start=1)
    ]


class History:
    """Books and model, and what was asked of them so far."""

    def __init__(self, policies: Sequence[int]) -> None:
        kinds = definitions(policies)
        self.sheet = Sheet(CONTACTS, kinds, START)
        self.model = Model({one.id: one for one in kinds})
        self.teller = Storyteller(TENANT, CONTACTS, [one.id for one in kinds])
        self.places: list[Place] = [(one, kind.id) for kind in kinds for one in CONTACTS]
        self.instants = [START]
        self.log: list[str] = []

    def play(self, scene: Scene) -> set[Place]:
        """Let a scene happen in both; answers whose accounts it spoke of."""
        self.teller.pass_time(scene.hours)
        now = self.teller.now
        # Everything asked at one instant is recorded within microseconds of it.
        self.instants.append(now + timedelta(seconds=0.5))
        if scene.sweep:
            self.sheet.sweep(now)
        if scene.closing is not None:
            self._close(now, scene.closing)
        asked = [self.teller.tell(step) for step in scene.steps]
        requests = [one.request for one in asked]
        self.log += [f"{now:%d %B %H:%M:%S} {words(request)}" for request in requests]
        outcomes = self.sheet.post(requests, now, atomic=scene.atomic)
        told = self.model.post_all(requests, now, atomic=scene.atomic)
        for one, outcome, answer in zip(asked, outcomes, told, strict=True):
            compare_outcome(one.request, outcome, answer)
            if isinstance(outcome, Booked) and isinstance(answer, Told):
                one.id = outcome.transaction.id
                self.model.ids[one.id] = answer
        return {place for request in requests for place in places_of(request)}

    def compare(self, place: Place, step: Step) -> None:
        """Compare an account as it is now, and as of some instant of either axis."""
        now = self.instants[-1]
        account = self.model.account(place)
        balance = self.sheet.read(place, now, now)
        agree_on_balance((place, now), balance, account.read(now, now))
        agree((place, now, "lots"), self.sheet.lots(place, now, now), account.standing_lots(now))
        at = some_days_from(now, step)
        known = self.instants[-1 - step.last % len(self.instants)]
        balance = self.sheet.read(place, at, known)
        agree_on_balance((place, at, known), balance, account.read(at, known))
        lots = self.sheet.lots(place, at, known)
        agree((place, at, known, "lots"), lots, account.standing_lots(known, at))

    def compare_program(self) -> None:
        """Compare what has passed through the program's accounts, all that is due booked."""
        now = self.instants[-1]
        self.sheet.sweep(now)
        for place in self.places:
            account = self.model.account(place)
            account.pass_time(now, now)
            for one in PROGRAM_ACCOUNTS:
                total = self.sheet.program(one, place[1], place[0])
                agree((place, one), total, account.sum(one))

    def _close(self, now: datetime, days: int) -> None:
        """Close the books up to some midnight, if that goes beyond what is closed."""
        boundary = now.replace(hour=0, minute=0, second=0, microsecond=0) - days * DAY
        if boundary > max(self.model.closed_until, EVER):
            self.log.append(f"{now:%d %B %H:%M:%S} closed up to {boundary:%d %B}")
            self.sheet.close_period(boundary, now)
            self.model.closed_until = boundary


def tell(policies: Sequence[int], steps: Sequence[Step]) -> History:
    """Tell a whole history; a difference comes with all that led to it."""
    history = History(policies)
    try:
        for number, scene in enumerate(scenes(steps)):
            touched = history.play(scene)
            touched.add(history.places[number % len(history.places)])
            for place in sorted(touched):
                history.compare(place, scene.steps[0] if scene.steps else Step("earn"))
        history.compare_program()
    except AssertionError as difference:
        raise DifferenceError("\n".join([str(difference), *history.log])) from None
    return history


def some_days_from(now: datetime, step: Step) -> datetime:
    """An instant in the past or ahead to look at, often a midnight, where boundaries are."""
    at = now + (10 - step.back) * DAY
    return at.replace(hour=0, minute=0, second=0, microsecond=0) if step.amount % 2 else at


def places_of(request: Request) -> list[Place]:
    """The accounts that a request touches."""
    places: list[Place] = [(request.contact, request.definition)]
    if isinstance(request, Move):
        places.append((request.to_contact, request.to_definition))
    return places


def words(request: Request) -> str:
    """A request in a line."""
    said = [type(request).__name__, f"{request.contact.int}/{request.definition}"]
    for name in request.__struct_fields__:
        value = getattr(request, name)
        if name in {"tenant", "contact", "definition", "fingerprint", "source"} or value is None:
            continue
        if isinstance(value, datetime):
            value = f"{value:%d %B %H:%M}"
        if value is not msgspec.UNSET and value is not False:
            said.append(f"{name}={value}")
    return " ".join(said)
