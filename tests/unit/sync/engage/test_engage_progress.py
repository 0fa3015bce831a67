"""What follows from what is heard of a batch: a table of answers and appointments."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.engage.answers import Message
from sync.engage.exchange import Answered, Exchange, RateLimited, Refused, Unclear, Unreached
from sync.engage.progress import (
    State,
    after_polling,
    after_sending,
    describe,
    named_rows,
    retry_pause,
)
from sync.engage.settings import EngageOptions, Meaning

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPTIONS = EngageOptions(
    base_url="https://client.voyado.com",
    poll_seconds=(2, 5, 10),
    settle_seconds=900,
    unknown_status_seconds=3600,
    status_seconds=86_400,
    status_meanings={"Klar": Meaning.DONE, "completed": Meaning.PENDING},
)


@pytest.mark.parametrize(
    ("exchange", "attempts", "state", "seconds", "is_trouble"),
    [
        (Answered(202, b'"abc1"'), 1, State.ACCEPTED, 2, False),
        (Answered(200, b"", "/status/abc1"), 1, State.ACCEPTED, 2, False),
        (Answered(202, b""), 1, State.UNCLEAR, 900, False),
        (Unclear("no answer"), 1, State.UNCLEAR, 900, True),
        (Unclear("500: An error", 500), 1, State.UNCLEAR, 900, True),
        (Unclear("503: busy", 503, 30), 1, State.UNCLEAR, 900, True),
        (Unreached("no connection"), 1, State.STORED, 10, True),
        (Unreached("no connection"), 2, State.STORED, 30, True),
        (Unreached("no connection"), 3, State.STORED, 60, True),
        (Unreached("no connection"), 4, State.STORED, 300, True),
        (Unreached("no connection"), 99, State.STORED, 300, True),
        (RateLimited(), 1, State.STORED, 10, True),
        (RateLimited(120), 1, State.STORED, 120, True),
        (RateLimited(3), 2, State.STORED, 30, True),
        (Refused(401, "denied"), 1, State.STORED, 10, True),
        (Refused(403, "denied"), 1, State.STORED, 10, True),
        (Refused(404, "not found"), 1, State.STORED, 10, True),
        (Refused(301, "moved"), 1, State.STORED, 10, True),
        (Refused(400, "New point system not active"), 1, State.STORED, 10, True),
        (Refused(400, "Too many items"), 1, State.REFUSED, None, False),
        (Refused(413, "too large"), 1, State.REFUSED, None, False),
        (Refused(422, "bad row"), 1, State.REFUSED, None, False),
    ],
)
def test_after_sending(
    exchange: Exchange, attempts: int, state: State, seconds: int | None, *, is_trouble: bool
) -> None:
    step = after_sending(exchange, attempts=attempts, now=NOW, options=OPTIONS)
    assert step.state is state
    due = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert step.next_action_at == due
    assert (step.trouble is not None) is is_trouble
    assert state.is_final is (due is None)


def status(word: str, *messages: str) -> Answered:
    listed = ",".join(f'{{"message":"{message}"}}' for message in messages)
    return Answered(200, f'{{"status":"{word}","messages":[{listed}]}}'.encode())


@pytest.mark.parametrize(
    ("exchange", "polls", "waited", "state", "seconds"),
    [
        (status("Done"), 1, 5, State.DONE, None),
        (status("SUCCEEDED"), 1, 5, State.DONE, None),
        (status("klar"), 1, 5, State.DONE, None),
        (status("Failed"), 1, 5, State.FAILED, None),
        (status("Queued"), 1, 5, State.ACCEPTED, 5),
        (status("Queued"), 2, 5, State.ACCEPTED, 10),
        (status("Queued"), 50, 5, State.ACCEPTED, 10),
        (status("Completed"), 1, 5, State.ACCEPTED, 5),
        (status("Queued"), 50, 86_399, State.ACCEPTED, 10),
        (status("Queued"), 50, 86_400, State.UNCLEAR, 0),
        (status("Indeterminate"), 1, 5, State.ACCEPTED, 5),
        (status("Indeterminate"), 50, 3_599, State.ACCEPTED, 10),
        (status("Indeterminate"), 50, 3_600, State.UNCLEAR, 0),
        (Answered(200, b"{}"), 1, 5, State.ACCEPTED, 5),
        (Answered(200, b"{}"), 50, 3_600, State.UNCLEAR, 0),
        (Refused(404, "not found"), 1, 0, State.ACCEPTED, 5),
        (Refused(404, "not found"), 50, 3_600, State.UNCLEAR, 0),
        (Refused(401, "denied"), 1, 86_400, State.ACCEPTED, 10),
        (Unclear("500", 500), 1, 86_400, State.ACCEPTED, 10),
        (Unclear("503", 503, 77), 1, 5, State.ACCEPTED, 77),
        (Unreached("no connection"), 2, 5, State.ACCEPTED, 30),
        (RateLimited(), 1, 5, State.ACCEPTED, 10),
    ],
)
def test_after_polling(
    exchange: Exchange, polls: int, waited: int, state: State, seconds: int | None
) -> None:
    step = after_polling(
        exchange,
        polls=polls,
        answered_at=NOW - timedelta(seconds=waited),
        now=NOW,
        options=OPTIONS,
    )
    assert step.state is state
    assert step.next_action_at == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_the_raw_word_and_messages_are_kept() -> None:
    step = after_polling(
        status("Indeterminate", "hm"), polls=1, answered_at=NOW, now=NOW, options=OPTIONS
    )
    assert step.status == "Indeterminate"
    assert step.messages == (Message("hm"),)


def test_rows_that_messages_name() -> None:
    first, second, third = (f"a0000000-0000-4000-8000-00000000000{n}" for n in "123")
    messages = [
        Message(f"Contact {second.upper()} was not found"),
        Message("something without a contact"),
        Message(f"again {second}"),
        Message("a0000000-0000-4000-8000-999999999999 is nobody of ours"),
    ]
    named = named_rows([first, second, third, second], messages)
    assert named == {1: messages[0].message, 3: messages[0].message}


def test_pauses_grow_and_honour_what_engage_asks() -> None:
    assert [retry_pause(n).seconds for n in (0, 1, 2, 3, 4, 5)] == [10, 10, 30, 60, 300, 300]
    assert retry_pause(1, 45).seconds == 45
    assert retry_pause(4, 45).seconds == 300


def test_every_end_of_a_call_can_be_described() -> None:
    ends: list[Exchange] = [
        Answered(200, b""), Refused(400, "x"), RateLimited(), Unreached("y"), Unclear("z"),
    ]  # fmt: skip
    assert [describe(end) for end in ends] == ["200", "400: x", "429: too many requests", "y", "z"]
