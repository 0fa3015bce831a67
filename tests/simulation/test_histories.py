"""Random histories of hundreds of steps: after each, books and model say the same."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation.history import POLICIES, tell
from tests.simulation.story import ACTIONS, RANGES, Step

STEPS = st.builds(
    Step,
    st.sampled_from(ACTIONS),
    **{name: st.integers(0, last) for name, last in RANGES.items()},
)
# A step that is left out is the simplest, so that a failing history shrinks to what it needs.
MAYBE = st.one_of(st.none(), STEPS, STEPS, STEPS)
CHOSEN_POLICIES = st.tuples(*[st.integers(0, len(POLICIES) - 1)] * 3)
Test = Callable[..., None]


def histories(examples: int, *, shortest: int, longest: int, again: bool) -> Callable[[Test], Test]:
    """So many histories of so many steps; `again` for the same ones in every run."""

    def decorate(test: Test) -> Test:
        stories = st.lists(MAYBE, min_size=shortest, max_size=longest)
        slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
        profile = settings(
            max_examples=examples,
            deadline=None,
            derandomize=again,
            database=None,
            suppress_health_check=slow,
        )
        return profile(given(CHOSEN_POLICIES, stories)(test))

    return decorate


@histories(60, shortest=80, longest=180, again=True)
def test_books_and_model_agree_after_each_of_hundreds_of_steps(
    policies: tuple[int, ...], story: Sequence[Step | None]
) -> None:
    tell(policies, [step for step in story if step is not None])


@histories(300, shortest=0, longest=30, again=True)
def test_books_and_model_agree_on_short_histories(
    policies: tuple[int, ...], story: Sequence[Step | None]
) -> None:
    tell(policies, [step for step in story if step is not None])


@pytest.mark.soak
@pytest.mark.timeout(1800)
@histories(1500, shortest=100, longest=300, again=False)
def test_books_and_model_agree_on_many_long_histories(
    policies: tuple[int, ...], story: Sequence[Step | None]
) -> None:
    tell(policies, [step for step in story if step is not None])
