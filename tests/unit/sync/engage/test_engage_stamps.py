"""No two rows of an account have one time stamp, and none is moved further than it must be."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ledger.identity import DefinitionId, HolderId
from sync.engage.transactions.stamps import assign, floor

ACCOUNT = (HolderId(UUID(int=1)), DefinitionId(1))
OTHER = (HolderId(UUID(int=2)), DefinitionId(1))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def test_rows_of_one_instant_follow_each_other() -> None:
    wanted = [(ACCOUNT, NOON), (ACCOUNT, NOON), (OTHER, NOON)]
    assert assign(wanted, MILLISECOND, {}) == [NOON, NOON + MILLISECOND, NOON]


def test_what_earlier_rows_have_is_passed_over() -> None:
    taken = {ACCOUNT: {NOON, NOON + MILLISECOND}}
    assert assign([(ACCOUNT, NOON)], MILLISECOND, taken) == [NOON + 2 * MILLISECOND]


def test_an_engage_that_keeps_seconds_gets_seconds() -> None:
    second = timedelta(seconds=1)
    at = NOON + timedelta(milliseconds=700)
    assert assign([(ACCOUNT, at), (ACCOUNT, at)], second, {}) == [NOON, NOON + second]


@given(
    st.lists(st.integers(0, 20), max_size=40),
    st.sets(st.integers(0, 20), max_size=15),
    st.sampled_from([1, 3, 1000]),
)
def test_stamps_are_unique_and_as_early_as_can_be(
    wanted: list[int], taken: set[int], milliseconds: int
) -> None:
    step = timedelta(milliseconds=milliseconds)
    instants = [NOON + one * step / 2 for one in wanted]
    there = {floor(NOON, step) + one * step for one in taken}
    given_ = assign([(ACCOUNT, at) for at in instants], step, {ACCOUNT: there})
    assert len(set(given_)) == len(given_)
    assert not set(given_) & there
    used = there | set(given_)
    for at, stamp in zip(instants, given_, strict=True):
        between = range((stamp - floor(at, step)) // step)
        assert all(floor(at, step) + number * step in used for number in between)
