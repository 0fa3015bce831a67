"""What follows from the answer to a request with movements: sent again, read, or over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.engage.exchange import Answered, Exchange, RateLimited, Refused, Unclear, Unreached
from sync.engage.progress import State
from sync.engage.settings import EngageOptions
from sync.engage.transactions.options import TransactionOptions
from sync.engage.transactions.progress import after_telling, keys_alive_since

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOST = Unclear("no answer within 60 seconds")


def options(**given: Any) -> EngageOptions:
    return EngageOptions(base_url="https://x.voyado.com", transactions=TransactionOptions(**given))


def after(exchange: Exchange, *, again: bool = False, hours_ago: float = 0, **given: Any) -> Any:
    return after_telling(
        exchange,
        attempts=1,
        first_sent_at=NOW - timedelta(hours=hours_ago),
        again=again,
        now=NOW,
        options=options(**given),
    )


def test_an_answer_ends_it() -> None:
    step = after(Answered(202, b"{}"))
    assert (step.state, step.trouble) == (State.DONE, None)


def test_what_was_lost_is_sent_again_with_its_key() -> None:
    step = after(LOST)
    assert (step.state, step.must_read) == (State.UNCLEAR, False)
    assert step.next_action_at == NOW + timedelta(seconds=10)
    assert step.trouble


def test_the_key_dies_before_engage_forgets_it() -> None:
    assert keys_alive_since(NOW, options()) == NOW - timedelta(hours=23, minutes=50)
    assert keys_alive_since(NOW, options(idempotency_hours=0)) == NOW


@pytest.mark.parametrize(("hours", "given"), [(24, {}), (0, {"idempotency_hours": 0})])
def test_without_a_living_key_it_waits_to_be_read(hours: float, given: dict[str, Any]) -> None:
    step = after(LOST, hours_ago=hours, **given)
    assert step.state is State.UNCLEAR
    assert step.next_action_at == NOW + timedelta(seconds=900)


@pytest.mark.parametrize(
    "exchange",
    [LOST, RateLimited(), Unreached("no connection"), Refused(400, "bad"), Refused(401, "who")],
)
def test_a_repeat_that_was_turned_away_says_nothing_of_the_first_attempt(
    exchange: Exchange,
) -> None:
    step = after(exchange, again=True, hours_ago=1)
    assert (step.state, step.must_read) == (State.UNCLEAR, False)


@pytest.mark.parametrize("again", [False, True])
def test_a_conflict_about_the_key_is_settled_by_reading(*, again: bool) -> None:
    step = after(Refused(409, "key was used"), again=again)
    assert (step.state, step.must_read, step.trouble) == (State.UNCLEAR, True, None)
    assert step.next_action_at == NOW + timedelta(seconds=900), "it may be under way there"


@pytest.mark.parametrize(
    ("exchange", "state"),
    [
        (Refused(400, "Too many items"), State.REFUSED),
        (Refused(400, "New point system not active"), State.STORED),
        (Refused(401, "who are you"), State.STORED),
        (RateLimited(20), State.STORED),
        (Unreached("no connection"), State.STORED),
    ],
)
def test_what_certainly_did_nothing(exchange: Exchange, state: State) -> None:
    step = after(exchange)
    assert step.state is state
    assert (step.trouble is None) == (state is State.REFUSED)
