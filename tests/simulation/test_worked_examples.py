"""The worked examples of `docs/books.md`, by the books and by the model, exactly as they stand."""

import re
from copy import deepcopy
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ledger.facts import Transaction
from ledger.identity import DefinitionId
from ledger.kinds import LedgerAccount
from ledger.outcomes import Booked, Refused
from ledger.policies import Definition, Policy
from tests.bookkeeping.paper import BEGINNING, TENANT
from tests.bookkeeping.words import said
from tests.simulation.account import NEVER, StandingLot, Told
from tests.simulation.journal import PLACES, Claim, Example, Line, examples, policy_of, request_of
from tests.simulation.model import Model
from tests.simulation.sheet import Sheet

PAGE = Path(__file__).parents[2] / "docs" / "books.md"
EXAMPLES = list(examples(PAGE))


def definition(number: int, policy: Policy, scale: int = 0, zone: str = "UTC") -> Definition:
    return Definition(
        id=DefinitionId(number),
        tenant=TENANT,
        engage_id=number,
        name="Points",
        scale=scale,
        zone=ZoneInfo(zone),
        policies=((BEGINNING, policy),),
    )


def sentence(lots: list[StandingLot]) -> str:
    """Lots as the page writes them, those that lapse first in front."""
    lots = sorted(lots, key=lambda one: (one.valid_to, one.effective, one.remaining))
    words = [
        f"{one.remaining}"
        + (f" from {said(one.valid_from)}" if one.pending else "")
        + ("" if one.valid_to == NEVER else f" until {said(one.valid_to)}")
        for one in lots
    ]
    return ", ".join(words) or "none"


class Performance:
    """An example on its way, in the books or in the model."""

    def __init__(self, example: Example) -> None:
        policy = policy_of(example.words)
        zone = re.search(r"in (\w+/\w+)", example.words)
        kinds = [
            definition(1, policy, zone=zone[1] if zone else "UTC"),
            definition(2, Policy()),
            definition(3, Policy(), scale=2),
        ]
        contacts = sorted({contact for contact, _ in PLACES.values()})
        self.model = Model({one.id: one for one in kinds})
        self.sheet = Sheet(contacts, kinds, example.lines[0].recorded)
        self.booked: Transaction | None = None
        self.told: Told | None = None

    def perform(self, line: Line, number: int) -> None:
        """Let one line happen, in both."""
        request = request_of(line, number)
        if line.closes_until is not None:
            self.sheet.close_period(line.closes_until, line.recorded)
            self.model.closed_until = line.closes_until
        if request is None:
            return
        [outcome] = self.sheet.post([request], line.recorded)
        told = self.model.post(request, line.recorded)
        if line.code is not None:
            assert isinstance(outcome, Refused), line.text
            assert outcome.code == line.code, line.text
            assert isinstance(told, set), line.text
            assert line.code in told, line.text
            return
        assert isinstance(outcome, Booked), (line.text, outcome)
        assert isinstance(told, Told), (line.text, told)
        self.booked, self.told = outcome.transaction, told

    def said_of_books(self, claim: Claim, now: Line) -> str:
        sheet = deepcopy(self.sheet)
        sheet.sweep(now.recorded)
        place = PLACES[claim.place]
        settled = self.sheet.settled(now.recorded)
        at, known = claim.at or claim.known or settled, claim.known or settled
        if claim.what.startswith("lots"):
            return f"lots {sentence(self.sheet.lots(place, settled))}"
        if claim.what.startswith("reversed"):
            assert self.booked is not None
            taken = sum(
                one.amount for one in self.booked.transfers if one.credit is LedgerAccount.ISSUED
            )
            return f"reversed {taken} of {self.booked.amount}"
        balance = self.sheet.read(place, at, known)
        sums = {
            word: sheet.program(LedgerAccount[word.upper()], place[1], place[0])
            for word in words_in(claim)
            if word not in balance._fields
        }
        return claimed(claim, balance._asdict() | sums)

    def said_of_model(self, claim: Claim, now: Line) -> str:
        place = PLACES[claim.place]
        account = self.model.account(place)
        at, known = claim.at or claim.known or now.recorded, claim.known or now.recorded
        if claim.what.startswith("lots"):
            return f"lots {sentence(account.standing_lots(now.recorded))}"
        if claim.what.startswith("reversed"):
            assert self.told is not None
            taken = sum(one.amount for one in account.movements if one.cause is self.told)
            return f"reversed {taken} of {self.told.amount}"
        balance = account.read(at, known)
        swept = account.known(now.recorded)
        swept.pass_time(now.recorded, now.recorded)
        sums = {
            word: swept.sum(LedgerAccount[word.upper()])
            for word in words_in(claim)
            if word not in balance._fields
        }
        return claimed(claim, balance._asdict() | sums)


def words_in(claim: Claim) -> list[str]:
    return re.findall(r"[a-z]+", claim.what)


def claimed(claim: Claim, sums: dict[str, int]) -> str:
    return ", ".join(f"{word} {sums[word]}" for word in words_in(claim))


@pytest.mark.parametrize("swept", [False, True], ids=["as it falls due", "swept after each line"])
@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_an_example_holds_in_the_books_and_in_the_model(example: Example, swept: bool) -> None:  # noqa: FBT001 # by pytest's way of naming cases
    performance = Performance(example)
    for number, line in enumerate(example.lines, start=1):
        performance.perform(line, number)
        if swept:
            performance.sheet.sweep(line.recorded)
        for claim in line.claims:
            assert performance.said_of_books(claim, line) == claim.what, line.text
            assert performance.said_of_model(claim, line) == claim.what, line.text


def test_the_page_has_examples_of_every_section_with_rules() -> None:
    sections = {example.name.split(".")[0] for example in EXAMPLES}
    assert sections >= {str(number) for number in range(2, 14)}
