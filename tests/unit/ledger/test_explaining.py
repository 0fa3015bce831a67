"""Explanations: every point can be followed, and what is told adds up to what is held."""

import random
from datetime import timedelta

import pytest

from ledger.explaining import Explanation, LotLife, Movement, explain
from ledger.identity import DefinitionId
from ledger.kinds import Kind, LedgerAccount
from tests.bookkeeping.asking import Till
from tests.bookkeeping.paper import DEFINITION, MEMBER, TENANT, Paper, definition
from tests.bookkeeping.words import MOMENT, holding, said, when
from tests.simulation.history import CONTACTS, definitions
from tests.simulation.sheet import Sheet
from tests.simulation.story import ACTIONS, DAY, RANGES, START, Step, Storyteller, scenes

A = LedgerAccount


def told(paper: Paper, on: str) -> Explanation:
    """What the member's account is explained by on a day."""
    chain = [entry.transaction for entry in paper.entries]
    found = explain([chain], DEFINITION, when(on))
    assert found is not None
    return found


def life(one: LotLife) -> list[str]:
    """What happened to a lot's points, a sentence each."""
    return [
        f"{said(step.effective_at)}: {step.amount} {step.debit.word} to {step.credit.word}"
        f" by {step.kind.word}"
        for step in one.steps
    ]


def sources(movement: Movement) -> list[tuple[object, int]]:
    return [(one.issued_by, one.amount) for one in movement.sources]


def test_a_redemption_names_the_earns_it_consumed() -> None:
    paper = Paper()
    first = paper.earn("100 until 1 June")
    second = paper.earn("50 until 1 March")
    paper.today("4 January")
    spent = paper.redeem(70)
    found = told(paper, "5 January")
    assert holding(found.balance) == "80 available"
    last = found.movements[-1]
    assert last.transaction == spent
    assert sources(last) == [(second.id, 50), (first.id, 20)]
    assert {(one.debit, one.credit) for one in last.sources} == {(A.AVAILABLE, A.REDEEMED)}
    assert [one.net for one in found.movements] == [100, 50, -70]
    alive, gone = found.lots
    assert (alive.issued_by, alive.now.available, alive.now.spent) == (first, 80, 20)
    assert (gone.issued_by, gone.now.available, gone.now.spent) == (second, 0, 50)
    assert life(gone) == ["4 January: 50 available to redeemed by redeem"]


def test_what_has_fallen_due_is_told_before_any_job_booked_it() -> None:
    paper = Paper()
    paper.earn("100 from 10 January until 20 January")
    before, after = told(paper, "19 January"), told(paper, "20 January")
    assert [one.kind for one in before.movements] == [Kind.EARN, Kind.ACTIVATION]
    assert [one.kind for one in after.movements] == [Kind.EARN, Kind.ACTIVATION, Kind.EXPIRY]
    assert [one.net for one in after.movements] == [100, 0, -100]
    assert [one.transaction is None for one in after.movements] == [False, True, True]
    assert life(after.lots[0]) == [
        "10 January: 100 pending to available by activation",
        "20 January: 100 available to expired by expiry",
    ]
    paper.sweep("21 January")
    swept = told(paper, "21 January")
    assert [life(one) for one in swept.lots] == [life(one) for one in after.lots]
    assert [one.net for one in swept.movements] == [one.net for one in after.movements]


def test_debt_that_points_repaid_is_told_with_them() -> None:
    paper = Paper()
    paper.redeem(30, allow_debt=True)
    paper.today("2 January")
    paper.earn(50)
    found = told(paper, "2 January")
    assert [(one.net, one.owed, one.repaid) for one in found.movements] == [
        (-30, 30, 0),
        (50, 0, 30),
    ]
    assert life(found.lots[0]) == ["2 January: 30 available to debt by earn"]
    assert holding(found.balance) == "20 available"


def test_the_past_is_told_as_it_stood_and_as_it_was_known() -> None:
    paper = Paper()
    paper.earn(100)
    paper.today("6 January")
    paper.redeem(30, on="2 January")
    chain = [entry.transaction for entry in paper.entries]

    def tells(on: str, known: str | None) -> tuple[str, int]:
        found = explain([chain], DEFINITION, when(on), when(known) if known else None)
        assert found is not None
        return holding(found.balance), len(found.movements)

    assert tells("1 January 12:00", None) == ("100 available", 1)
    assert tells("3 January", None) == ("70 available", 2)
    assert tells("3 January", "5 January") == ("100 available", 1)
    assert tells("3 January", said(when("6 January") - MOMENT)) == ("100 available", 1)
    assert tells("3 January", "6 January") == ("70 available", 2)
    assert explain([chain], DEFINITION, when("3 January"), when("31 December 2025")) is None


def test_a_lot_s_life_is_told_as_it_happened_not_as_it_became_known() -> None:
    paper = Paper()
    paper.earn(100)
    paper.today("6 January")
    paper.redeem(30, on="4 January")
    paper.redeem(20, on="2 January")
    found = told(paper, "6 January")
    assert life(found.lots[0]) == [
        "2 January: 20 available to redeemed by redeem",
        "4 January: 30 available to redeemed by redeem",
    ]
    assert [one.net for one in found.movements] == [100, -30, -20]


def test_lots_are_told_in_the_order_in_which_they_will_be_consumed_the_spent_ones_last() -> None:
    paper = Paper()
    for lot in ("10 until 1 February", "20", "30 until 1 June", "40 until 1 March"):
        paper.earn(lot)
    paper.redeem(10)
    found = told(paper, "2 January")
    assert [one.issue.amount for one in found.lots] == [40, 30, 20, 10]


def test_what_stands_of_a_lot_is_what_is_pending_available_or_held() -> None:
    paper = Paper()
    paper.earn(50)
    paper.earn("30 from 1 March")
    paper.book_it(paper.till.hold(MEMBER, 25))
    paper.redeem(5)
    assert [one.standing for one in told(paper, "2 January").lots] == [45, 30]


def test_a_step_names_what_did_it_and_when_the_books_learned_of_it() -> None:
    paper = Paper()
    paper.earn("100 until 20 January")
    paper.today("6 January")
    spent = paper.redeem(30, on="4 January")
    [lot] = told(paper, "21 January").lots
    assert [(one.transaction, one.recorded_at) for one in lot.steps] == [
        (spent.id, when("6 January")),
        (None, None),
    ]


def test_what_moved_nothing_is_told_from_its_instant_on() -> None:
    paper = Paper()
    paper.earn("100 until 20 January", key="purchase")
    paper.today("5 January")
    paper.book_it(paper.till.extend(MEMBER, of="purchase", end="1 March"))
    for day, kinds in (
        ("31 December 2025", []),
        ("1 January", [Kind.EARN]),
        (said(when("5 January") - MOMENT), [Kind.EARN]),
        ("5 January", [Kind.EARN, Kind.EXTEND]),
    ):
        assert [one.kind for one in told(paper, day).movements] == kinds


def test_what_two_who_became_one_did_is_told_in_the_order_in_which_it_became_known() -> None:
    for giver, friend in ((CONTACTS[0], CONTACTS[1]), (CONTACTS[1], CONTACTS[0])):
        sheet, till = Sheet(CONTACTS, [definition()], when("1 January")), Till(TENANT, DEFINITION)
        for day, request in (
            ("1 January", till.earn(giver, "100 until 20 January")),
            ("2 January", till.earn(friend, 50)),
            ("3 January", till.move(giver, 30, to=friend)),
            ("25 January", till.redeem(friend, 10)),
        ):
            sheet.post([request], when(day))
        chains = [sheet.chain(CONTACTS[0]), sheet.chain(CONTACTS[1])]
        found = explain(chains, DEFINITION, when("26 January"))
        assert found is not None
        # What the friend had of it lapsed before the redemption; the giver's is not booked yet.
        assert [(one.kind.word, one.transaction is None) for one in found.movements] == [
            ("earn", False),
            ("earn", False),
            ("move", False),
            ("receive", False),
            ("expiry", False),
            ("redeem", False),
            ("expiry", True),
        ]


def check(found: Explanation) -> None:
    """What must hold of every explanation."""
    balance, lives = found.balance, found.lots
    assert sum(one.net for one in found.movements) == balance.net
    assert sum(one.now.available for one in lives) == balance.available
    assert sum(one.now.pending for one in lives) == balance.pending
    assert sum(one.now.held for one in lives) == balance.held
    owed = sum(one.owed - one.repaid for one in found.movements)
    assert owed == balance.debt
    for one in lives:
        now = one.now
        parts = now.available + now.pending + now.held + now.lapsed + now.spent
        assert parts == one.issue.amount
        for account, standing in ((A.HELD, now.held), (A.EXPIRED, now.lapsed)):
            assert moved(one, account) == standing
        left = one.issue.amount + moved(one, A.AVAILABLE) + moved(one, A.PENDING)
        assert left == now.available + now.pending
        taken = sum(
            source.amount
            for movement in found.movements
            for source in movement.sources
            if (movement.holder, source.lot) == (one.holder, one.issue.lot)
        )
        assert taken == sum(step.amount for step in one.steps)
    holds = [one.standing > 0 for one in lives]
    assert holds == sorted(holds, reverse=True)


def moved(one: LotLife, account: LedgerAccount) -> int:
    """What a lot's steps brought into a side, less what they took from it."""
    return sum(
        step.amount * ((step.credit is account) - (step.debit is account)) for step in one.steps
    )


def random_history(draw: random.Random) -> Sheet:
    """Sixty random steps of three contacts, told to the books on paper."""
    kinds = definitions([draw.randint(0, 3) for _ in range(3)])
    sheet = Sheet(CONTACTS, kinds, START)
    teller = Storyteller(TENANT, CONTACTS, [one.id for one in kinds])
    drawn = [
        Step(draw.choice(ACTIONS), **{name: draw.randint(0, last) for name, last in RANGES.items()})
        for _ in range(60)
    ]
    for scene in scenes(drawn):
        teller.pass_time(scene.hours)
        if scene.sweep:
            sheet.sweep(teller.now)
        asked = [teller.tell(step).request for step in scene.steps]
        sheet.post(asked, teller.now, atomic=scene.atomic)
    return sheet


@pytest.mark.parametrize("seed", range(12))
def test_every_explanation_adds_up_whatever_happened(seed: int) -> None:
    draw = random.Random(seed)
    sheet = random_history(draw)
    chains = [list(sheet.chain(contact)) for contact in CONTACTS]
    recorded = [one.recorded_at for chain in chains for one in chain]
    explained = 0
    for _ in range(25):
        at = draw.choice(recorded) + draw.randint(-15, 15) * DAY
        known = draw.choice([None, draw.choice(recorded) + timedelta(microseconds=1)])
        for number in (1, 2, 3):
            for asked in (chains[:1], chains):
                found = explain(asked, DefinitionId(number), at, known)
                if found is not None:
                    check(found)
                    explained += 1
    assert explained > 50
