"""What of a transaction Engage is told: rows that make the difference it should show."""

from collections.abc import Callable

import pytest

from ledger.facts import Transaction
from ledger.requests import Activate, Cancel, Capture, Extend, Hold, Release, Reverses
from sync.engage.total_options import TotalOptions
from sync.engage.transactions.effects import Expiry, LotBefore, effects_of
from tests.bookkeeping.paper import MEMBER, Paper
from tests.bookkeeping.words import said, when

HELD = TotalOptions(count_held=True)
OWED = TotalOptions(below_zero=True)


def told(
    paper: Paper,
    act: Callable[[], object],
    counted: TotalOptions | None = None,
    expiry: Expiry = Expiry.MASTER,
) -> list[str]:
    """The rows of everything that an act books, each as `+100 earn` with its appointments."""
    sentences = []
    known = len(paper.book.entries)
    lots = before(paper)
    act()
    for entry in paper.book.entries[known:]:
        for effect in effects_of(entry.transaction, lots, counted or TotalOptions(), expiry):
            sentence = f"{effect.amount:+} {effect.nature}"
            sentence += f" from {said(effect.valid_from)}" if effect.valid_from else ""
            sentence += f" until {said(effect.valid_to)}" if effect.valid_to else ""
            sentences.append(sentence)
        lots |= issued(entry.transaction)
    return sentences


def before(paper: Paper) -> dict[int, LotBefore]:
    """The member's lots as they are now."""
    lots = paper.holder.account(paper.definition.id).lots.values()
    return {lot.lot: LotBefore(lot.valid_from, lot.valid_to, lot.remaining) for lot in lots}


def issued(transaction: Transaction) -> dict[int, LotBefore]:
    return {
        lot.lot: LotBefore(lot.valid_from, lot.valid_to, lot.amount) for lot in transaction.lots
    }


def hold(paper: Paper, amount: int) -> None:
    paper.book_it(Hold(**paper.till.common(MEMBER, "hold", None), amount=amount))  # type: ignore[arg-type] # points are whole numbers


def test_points_earned_and_spent() -> None:
    paper = Paper()
    assert told(paper, lambda: paper.earn("100 until 1 June")) == ["+100 earn"]
    assert told(paper, lambda: paper.redeem(30)) == ["-30 redeem"]
    assert told(paper, lambda: paper.adjust(5)) == ["+5 adjust"]
    assert told(paper, lambda: paper.adjust(-6)) == ["-6 adjust"]


def test_pending_points_are_told_with_their_appointment_and_not_again_when_it_comes() -> None:
    paper = Paper()
    assert told(paper, lambda: paper.earn("100 from 1 March")) == ["+100 earn from 1 March"]
    assert told(paper, lambda: paper.sweep("2 March")) == []
    assert told(paper, lambda: paper.redeem(30)) == ["-30 redeem"]


def test_a_return_of_pending_points_has_their_appointment() -> None:
    paper = Paper()
    paper.earn("100 from 1 March", key="purchase")
    assert told(paper, lambda: paper.give_back(40)) == ["-40 return from 1 March"]


def test_points_that_lapse_are_taken_away_by_the_books() -> None:
    paper = Paper()
    paper.earn("100 until 1 March")
    paper.redeem(30)
    assert told(paper, lambda: paper.sweep("1 March")) == ["-70 expiry"]


def test_points_released_early_leave_their_appointment() -> None:
    paper = Paper()
    paper.earn("100 from 1 March", key="purchase")
    activate = Activate(
        **paper.till.common(MEMBER, "activate", None), lots_of=Reverses(None, "purchase")
    )
    rows = told(paper, lambda: paper.book_it(activate))
    assert rows == ["+100 term", "-100 term from 1 March"]


def test_a_new_appointment_replaces_the_old_one_for_what_is_left() -> None:
    paper = Paper()
    paper.earn("100 from 1 March", key="purchase")
    paper.give_back(40)
    extend = Extend(
        **paper.till.common(MEMBER, "extend", None),
        lots_of=Reverses(None, "purchase"),
        valid_from=when("1 April"),
    )
    rows = told(paper, lambda: paper.book_it(extend))
    assert rows == ["+60 term from 1 April", "-60 term from 1 March"]


def test_a_longer_life_is_nothing_to_tell() -> None:
    paper = Paper()
    paper.earn("100 until 1 March", key="purchase")
    extend = Extend(
        **paper.till.common(MEMBER, "extend", None),
        lots_of=Reverses(None, "purchase"),
        valid_to=when("1 April"),
    )
    assert told(paper, lambda: paper.book_it(extend)) == []


@pytest.mark.parametrize(
    ("counted", "held", "captured"),
    [(None, ["-60 hold"], ["+20 release"]), (HELD, [], ["-40 redeem"])],
)
def test_a_hold_partly_captured(
    counted: TotalOptions | None, held: list[str], captured: list[str]
) -> None:
    paper = Paper()
    paper.earn(100)
    assert told(paper, lambda: hold(paper, 60), counted) == held
    capture = Capture(
        **paper.till.common(MEMBER, "capture", None),
        hold=Reverses(None, "hold"),
        amount=40,  # type: ignore[arg-type] # points are whole numbers
    )
    assert told(paper, lambda: paper.book_it(capture), counted) == captured


def test_a_hold_released_after_its_points_lapsed() -> None:
    paper = Paper()
    paper.earn("100 until 1 March")
    hold(paper, 60)
    paper.today("5 March")
    release = Release(**paper.till.common(MEMBER, "release", None), hold=Reverses(None, "hold"))
    rows = told(paper, lambda: paper.book_it(release))
    assert rows == ["-40 expiry", "+60 release", "-60 expiry"]


@pytest.mark.parametrize(
    ("counted", "owed", "earned"),
    [
        (None, ["-20 return"], ["+100 earn", "-30 repayment"]),
        (OWED, ["-20 return", "-30 return"], ["+100 earn"]),
    ],
)
def test_what_is_owed_is_not_told_and_what_repays_it_is_told_as_gone(
    counted: TotalOptions | None, owed: list[str], earned: list[str]
) -> None:
    paper = Paper()
    paper.earn(50, key="purchase")
    paper.redeem(30)
    assert told(paper, lambda: paper.give_back(50), counted) == owed
    assert told(paper, lambda: paper.earn(100), counted) == earned


def test_a_cancelled_redemption_gives_back() -> None:
    paper = Paper()
    paper.earn(100)
    redeemed = paper.redeem(40)
    cancel = Cancel(
        **paper.till.common(MEMBER, "cancel", None), reverses=Reverses(redeemed.id, None)
    )
    assert told(paper, lambda: paper.book_it(cancel)) == ["+40 cancel"]


def test_a_late_redemption_undoes_the_lapse_of_what_it_took() -> None:
    paper = Paper()
    paper.earn("100 until 1 March")
    paper.sweep("5 March")
    rows = told(paper, lambda: paper.redeem(30, on="20 February"))
    assert rows == ["+30 expiry", "-30 redeem"], "what adds comes first"


def test_a_late_return_of_points_that_were_pending_then_and_are_not_now() -> None:
    paper = Paper()
    paper.earn("100 from 1 March", key="purchase")
    paper.sweep("5 March")
    rows = told(paper, lambda: paper.give_back(30, on="20 February"))
    assert rows == ["-30 return from 1 March"], "Engage has activated them, so they are active"


def test_where_engage_expires_rows_have_an_end_and_lapses_are_its_own_business() -> None:
    paper = Paper()
    engage = Expiry.ENGAGE
    earned = told(paper, lambda: paper.earn("100 until 1 March"), expiry=engage)
    assert earned == ["+100 earn until 1 March"]
    pending = told(paper, lambda: paper.earn("10 from 1 February until 1 May"), expiry=engage)
    assert pending == ["+10 earn from 1 February until 1 May"]
    assert told(paper, lambda: paper.redeem(30), expiry=engage) == ["-30 redeem"]
    assert told(paper, lambda: paper.sweep("2 March"), expiry=engage) == []


def test_where_engage_expires_points_that_lapsed_before_they_were_known_are_told_as_gone() -> None:
    paper = Paper(today="5 March")
    late = told(
        paper, lambda: paper.earn("100 until 1 March", on="1 February"), expiry=Expiry.ENGAGE
    )
    assert late == ["+100 earn", "-100 expiry"]
