"""What a caller is told of what went wrong inside."""

import asyncpg
import pytest

from api.answers import problem_of
from ledger.posting import TooManyRacesError
from ledger.reading_as_of import HeldUpError

AT_THIS_MOMENT = [
    ConnectionRefusedError("Connection refused"),
    TimeoutError(),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.InterfaceError("the underlying connection is closed"),
    # What asyncpg says where the server's farewell crosses the next query.
    asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.DeadlockDetectedError("deadlock detected"),
    TooManyRacesError("lost 8 races in a row"),
]


@pytest.mark.parametrize("exception", AT_THIS_MOMENT, ids=lambda one: type(one).__name__)
def test_a_database_that_is_away_is_a_reason_to_come_again(exception: Exception) -> None:
    problem = problem_of(exception, "r-1")
    assert problem.document("r-1").status == 503
    assert problem.headers == {"Retry-After": "2"}
    assert str(exception) not in problem.detail or not str(exception)


@pytest.mark.parametrize(
    "exception", [ValueError("secret"), asyncpg.UniqueViolationError("secret"), KeyError("secret")]
)
def test_a_mistake_of_ours_tells_the_caller_nothing_but_the_id(exception: Exception) -> None:
    document = problem_of(exception, "r-1").document("r-1")
    assert (document.status, document.code, document.request_id) == (500, "internal", "r-1")
    assert "secret" not in document.detail


def test_a_reading_that_is_held_up_is_told_what_holds_it_up() -> None:
    problem = problem_of(HeldUpError(), "r-1")
    document = problem.document("r-1")
    assert (document.status, document.code) == (503, "books_busy")
    assert "being booked for this contact" in document.detail
    assert problem.headers == {"Retry-After": "2"}
