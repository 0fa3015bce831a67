"""The book: one request at a time decided, once per key, at no time but the books' own."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from ledger.amounts import AMOUNT_MAX, BUCKET_MAX, Points
from ledger.chain import fingerprint_hash, text_hash
from ledger.facts import Texts
from ledger.identity import HolderId
from ledger.kinds import Kind, LedgerAccount
from ledger.outcomes import Booked, Code, Refused, Replayed
from ledger.requests import CLOCK_SKEW, Request
from tests.bookkeeping.paper import MEMBER, NotBookedError, Paper
from tests.bookkeeping.words import MOMENT, moved, said, when


def test_the_same_request_books_once() -> None:
    member = Paper()
    request = member.till.earn(MEMBER, 100, key="order 7")
    first = member.post(request)
    assert isinstance(first, Booked)
    again = member.post(request)
    assert again == Replayed(member.holder.id, first.transaction.number)
    assert member.balance == "100 available"
    assert len(member.entries) == 1


def test_the_same_key_with_other_content_is_a_conflict() -> None:
    member = Paper()
    member.post(member.till.earn(MEMBER, 100, key="order 7"))
    other = msgspec.structs.replace(
        member.till.earn(MEMBER, 101, key="order 7"), fingerprint=b"other content"
    )
    outcome = member.post(other)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.field) == (Code.KEY_REUSED, "idempotencyKey")
    assert member.balance == "100 available"


def test_a_rejected_key_may_be_used_again_even_with_other_content() -> None:
    member = Paper()
    assert isinstance(member.post(member.till.redeem(MEMBER, 50, key="order 7")), Refused)
    member.earn(100)
    outcome = member.post(member.till.redeem(MEMBER, 60, key="order 7"))
    assert isinstance(outcome, Booked)
    assert member.balance == "40 available"


def test_a_replay_is_told_of_even_when_it_could_not_be_booked_any_more() -> None:
    member = Paper()
    member.earn(100)
    request = member.till.redeem(MEMBER, 100, key="order 7")
    assert isinstance(member.post(request), Booked)
    assert isinstance(member.post(request), Replayed)


def test_a_rejection_leaves_no_trace() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    before = (member.balance, member.lots, member.holder.number, member.holder.head)
    for request in (
        member.till.redeem(MEMBER, 101),
        member.till.earn(MEMBER, "10 until 1 January"),
        member.till.earn(MEMBER, "10 from 31 December 2025"),
        member.till.earn(MEMBER, 10, on="2 January"),
        member.till.give_back(MEMBER, 1, of="nothing"),
    ):
        assert isinstance(member.post(request), Refused)
    assert (member.balance, member.lots, member.holder.number, member.holder.head) == before


def test_a_fact_without_a_time_happens_now() -> None:
    member = Paper(today="5 March")
    earned = member.earn(100)
    assert earned.effective_at == when("5 March")
    assert earned.recorded_at == when("5 March")


@pytest.mark.parametrize("ahead", [MOMENT, timedelta(minutes=1), CLOCK_SKEW])
def test_a_caller_s_clock_may_run_five_minutes_ahead_which_is_taken_as_now(
    ahead: timedelta,
) -> None:
    member = Paper(today="5 March")
    earned = member.earn(100, on=when("5 March") + ahead)
    assert earned.effective_at == when("5 March")
    assert timedelta(minutes=5) == CLOCK_SKEW


def test_further_ahead_is_refused() -> None:
    member = Paper(today="5 March")
    with pytest.raises(NotBookedError, match="effective_at_in_future: effectiveAt"):
        member.earn(100, on=when("5 March") + CLOCK_SKEW + MOMENT)


def test_any_time_in_the_past_is_taken_as_it_is() -> None:
    member = Paper(today="5 March")
    earned = member.earn(100, on="5 March 1999 12:30")
    assert earned.effective_at == when("5 March 1999 12:30")
    assert earned.recorded_at == when("5 March")


def test_recorded_times_strictly_increase_while_the_clock_stands_still() -> None:
    member = Paper()
    member.earn("10 until 1 March")
    member.today("1 March")
    for _ in range(3):
        member.earn(10)
    recorded = [entry.transaction.recorded_at for entry in member.entries]
    assert recorded == [when("1 January"), *(when("1 March") + n * MOMENT for n in range(4))]
    assert all(
        entry.transaction.effective_at <= entry.transaction.recorded_at for entry in member.entries
    )


def test_recorded_times_strictly_increase_even_when_the_clock_is_set_back() -> None:
    member = Paper(today="5 March")
    member.earn(10)
    member.today("4 March")
    later = member.earn(10)
    assert later.recorded_at == when("5 March") + MOMENT
    assert later.effective_at == when("4 March")


def test_no_boundary_is_overlooked_among_transactions_of_one_moment() -> None:
    # many requests of one batch are recorded a microsecond apart; what begins between
    # them is not due yet, since all of them happen at the batch's own instant
    member = Paper()
    member.earn(f"100 from {said(when('1 January') + 2 * MOMENT)}")
    for _ in range(4):
        member.earn(1)
    assert member.balance == "4 available, 100 pending"
    with pytest.raises(NotBookedError, match="insufficient_points"):
        member.redeem(5)
    member.today("1 January 00:00:01")
    member.redeem(104)
    assert member.balance == "nothing"


@pytest.mark.parametrize(
    ("lot", "code", "field"),
    [
        ("100 until 5 March", "validity_empty", "validTo"),
        ("100 until 4 March", "validity_empty", "validTo"),
        ("100 from 10 March until 10 March", "validity_empty", "validTo"),
        ("100 from 10 March until 9 March", "validity_empty", "validTo"),
        ("100 from 4 March", "valid_from_before_effective_at", "validFrom"),
    ],
)
def test_points_that_were_never_valid_cannot_be_earned(lot: str, code: str, field: str) -> None:
    member = Paper(today="5 March")
    with pytest.raises(NotBookedError) as refusal:
        member.earn(lot)
    assert (refusal.value.refused.code, refusal.value.refused.field) == (code, field)


@pytest.mark.parametrize("behind", [MOMENT, timedelta(seconds=2), CLOCK_SKEW])
def test_points_valid_from_now_by_a_slow_clock_are_valid_now(behind: timedelta) -> None:
    member = Paper(today="5 March")
    member.earn(f"100 from {said(when('5 March') - behind)}")
    assert member.balance == "100 available"
    # Whoever says when it happened has said by which clock validFrom is to be read.
    with pytest.raises(NotBookedError, match="valid_from_before_effective_at"):
        member.earn(f"100 from {said(when('5 March') - behind)}", on="5 March")


def test_validity_further_back_is_refused() -> None:
    member = Paper(today="5 March")
    with pytest.raises(NotBookedError, match="which is now unless it is said"):
        member.earn(f"100 from {said(when('5 March') - CLOCK_SKEW - MOMENT)}")


def test_the_shortest_validity_is_a_moment() -> None:
    member = Paper(today="5 March")
    member.earn(f"100 until {said(when('5 March') + MOMENT)}")
    assert member.balance == "100 available"
    member.sweep(said(when("5 March") + MOMENT))
    assert member.balance == "nothing"


@pytest.mark.parametrize("bucket", ["available", "pending", "held", "debt"])
def test_a_balance_too_large_to_keep_is_refused(bucket: str) -> None:
    member = Paper()
    # As if earned; that often would take long.
    setattr(member.account, bucket, BUCKET_MAX - AMOUNT_MAX)
    with pytest.raises(NotBookedError, match="balance_too_large: amount"):
        member.earn(AMOUNT_MAX + 1)
    member.adjust(AMOUNT_MAX)
    assert BUCKET_MAX + AMOUNT_MAX < 2**63


def test_an_account_as_full_as_can_be_can_still_be_emptied() -> None:
    member = Paper()
    member.earn(100, key="purchase")
    member.account.available = BUCKET_MAX
    with pytest.raises(NotBookedError, match="balance_too_large"):
        member.earn(1)
    member.book_it(member.till.close(MEMBER))
    assert BUCKET_MAX > AMOUNT_MAX


def test_a_request_that_was_booked_is_known_by_its_key_and_what_it_said() -> None:
    member = Paper()
    first = member.till.earn(MEMBER, 100, key="order 7")
    second = member.till.earn(MEMBER, 50, key="order 8")
    [booked, replayed, also] = member.book.post_all([first, first, second])
    assert isinstance(booked, Booked)
    assert isinstance(also, Booked)
    assert replayed == Replayed(member.holder.id, 1)
    assert also.transaction.number == 2
    assert member.post(second) == Replayed(member.holder.id, 2)


def test_what_is_chained_of_texts_is_their_hash_under_the_holder_s_own_salt() -> None:
    member = Paper()
    told = member.earn(100, key="order 7")
    [entry] = member.entries
    assert entry.texts_hash == text_hash(told.texts, b"salt")
    assert entry.fingerprint == fingerprint_hash(b"order 7", b"salt")


def test_a_request_without_a_rule_is_a_mistake_of_the_program() -> None:
    member = Paper()
    with pytest.raises(TypeError, match="no rule for Request"):
        member.book_it(Request(**member.till.common(MEMBER, None, None)))


def test_keys_that_were_hashed_before_are_not_hashed_again() -> None:
    member = Paper()
    key = UUID(int=7)
    request = member.till.earn(MEMBER, 100, key="order 7")
    [booked] = member.book.post_all([request], [key])
    assert isinstance(booked, Booked)
    assert member.entries[0].key == key
    assert member.book.post_all([request], [key]) == [Replayed(member.holder.id, 1)]


def test_an_erased_holder_s_requests_cannot_be_told_from_others() -> None:
    member = Paper()
    request = member.till.earn(MEMBER, 100, key="order 7")
    member.book_it(request)
    known = next(iter(member.book.known.values()))
    assert known.stands_for(request.fingerprint)
    assert not known.stands_for(b"other content")
    assert not msgspec.structs.replace(known, salt=None).stands_for(request.fingerprint)


def test_a_transaction_of_somebody_else_is_unknown() -> None:
    member = Paper()
    with pytest.raises(NotBookedError, match="original_unknown: reverses"):
        member.book_it(member.till.cancel(MEMBER, of=UUID(int=7)))
    with pytest.raises(NotBookedError, match="original_unknown: holdId"):
        member.book_it(member.till.release(MEMBER, of="nothing"))
    earned = member.earn(100, key="purchase")
    place = (member.holder.id, earned.number)
    member.book.post(member.till.cancel(MEMBER, of=earned.id))  # so that it is known
    stranger = HolderId(UUID(int=9))
    member.book.originals[place].holder = stranger
    with pytest.raises(NotBookedError, match="original_unknown: reverses"):
        member.give_back()
    # Merged since: what was the stranger's is the member's now.
    member.book.originals[place].owner = member.holder.id
    assert member.give_back().amount == 100


def test_a_request_about_another_names_it() -> None:
    member = Paper()
    earned = member.earn("100 from 5 January until 1 March")
    extended = member.book_it(member.till.extend(MEMBER, of=earned.id, end="1 April"))
    activated = member.book_it(member.till.activate(MEMBER, of=earned.id))
    held = member.book_it(member.till.hold(MEMBER, 10))
    captured = member.book_it(member.till.capture(MEMBER, of=held.id))
    cancelled = member.book_it(member.till.cancel(MEMBER, of=captured.id))
    returned = member.book_it(member.till.give_back(MEMBER, 1, of=earned.id))
    assert [one.reverses for one in (extended, activated, captured, cancelled, returned)] == [
        earned.id,
        earned.id,
        held.id,
        captured.id,
        earned.id,
    ]
    assert [one.kind for one in (extended, activated, captured, cancelled, returned)] == [
        Kind.EXTEND,
        Kind.ACTIVATE,
        Kind.CAPTURE,
        Kind.CANCEL,
        Kind.RETURN,
    ]
    assert (earned.reverses, held.reverses) == (None, None)


def test_the_share_of_the_spend_that_came_back_is_told_with_a_return() -> None:
    member = Paper()
    member.earn(100, key="purchase")
    told = member.give_back(part=30, whole=40)
    assert (told.part, told.whole, told.amount) == (30, 40, 75)
    whole = member.give_back()
    assert (whole.part, whole.whole, whole.amount) == (None, None, 25)


def test_the_books_own_transactions_say_so() -> None:
    member = Paper()
    member.earn("100 from 5 January until 1 March")
    member.sweep("2 March")
    own = [entry.transaction for entry in member.entries[1:]]
    assert [(one.kind, one.amount, one.source) for one in own] == [
        (Kind.ACTIVATION, 100, "pointmaster"),
        (Kind.EXPIRY, 100, "pointmaster"),
    ]
    assert [(entry.key, entry.fingerprint) for entry in member.entries[1:]] == [(None, None)] * 2
    assert own[0].texts == Texts()


def test_a_transaction_remembers_what_it_left() -> None:
    member = Paper()
    earned = member.earn(100)
    spent = member.redeem(130, allow_debt=True)
    assert earned.after == (100, 0, 0, 0)
    assert spent.after == (0, 0, 0, 30)
    assert [earned.net, spent.net] == [100, -130]


def test_an_amount_is_told_as_it_was_asked() -> None:
    member = Paper()
    assert member.adjust(30).amount == 30
    assert member.adjust(-50).amount == -50
    assert member.redeem(5, allow_debt=True).amount == 5


def test_texts_are_kept_and_only_their_hash_is_chained() -> None:
    member = Paper()
    request = msgspec.structs.replace(
        member.till.earn(MEMBER, 10, key="order 7", description="Two coffees"),
        reference="receipt 7",
        actor="till 3",
    )
    told = member.book_it(request)
    assert told.texts == Texts("order 7", "Two coffees", "receipt 7", "till 3")


def test_the_program_s_accounts_say_why_points_came_and_went() -> None:
    member = Paper()
    member.earn("100 until 1 March", key="purchase")
    member.redeem(30)
    member.adjust(-5)
    member.give_back(10)
    member.sweep("1 March")
    assert {one.word: member.total(one) for one in LedgerAccount if member.total(one)} == {
        "issued": -90,
        "redeemed": 30,
        "adjusted": 5,
        "expired": 55,
    }
    kinds = [entry.transaction.kind for entry in member.entries]
    assert kinds == [Kind.EARN, Kind.REDEEM, Kind.ADJUST, Kind.RETURN, Kind.EXPIRY]
    assert moved(member.transfers)[-1] == "1 March: 55 available to expired"


def test_transactions_and_lots_are_numbered_without_gaps() -> None:
    member = Paper()
    for _ in range(3):
        member.earn(Points(1))
        member.post(member.till.redeem(MEMBER, 10**6))
    assert [entry.transaction.number for entry in member.entries] == [1, 2, 3]
    assert sorted(member.account.lots) == [1, 2, 3]
    assert [transfer.line for transfer in member.redeem(3).transfers] == [1]
