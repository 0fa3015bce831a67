from datetime import UTC, datetime

from sandbox.journal import Entry, Journal


def entry(number: int, body: bytes = b"", status: int | None = 200, path: str = "/a") -> Entry:
    return Entry(
        number=number,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        method="GET",
        path=path,
        query="",
        status=status,
        milliseconds=1.0,
        request_bytes=len(body),
        key="none",
        user_agent="test",
        idempotency_key=None,
        faults=(),
        request_body=body,
        answer_body=b"",
    )


def test_only_the_last_entries_are_kept_and_all_are_counted() -> None:
    journal = Journal(entries_max=3, body_bytes_max=1000)
    for number in range(1, 6):
        journal.add(entry(number, status=None if number == 5 else 200))

    assert [one.number for one in journal.latest(10)] == [5, 4, 3]
    assert journal.by_status == {"200": 4, "dropped": 1}


def test_old_bodies_go_before_the_entries_that_held_them() -> None:
    journal = Journal(entries_max=10, body_bytes_max=25)
    for number in range(1, 5):
        journal.add(entry(number, body=b"0123456789"))

    bodies = [one.shown(bodies=True)["requestBody"] for one in journal.latest(10)]

    assert bodies == ["0123456789", "0123456789", None, None]
    assert "requestBody" not in journal.latest(1)[0].shown(bodies=False)


def test_letting_an_entry_go_frees_the_room_of_its_body() -> None:
    journal = Journal(entries_max=1, body_bytes_max=25)
    for number in range(1, 10):
        journal.add(entry(number, body=b"0123456789"))

    assert journal.latest(1)[0].request_body == b"0123456789"


def test_entries_are_found_by_a_part_of_their_path() -> None:
    journal = Journal(entries_max=10, body_bytes_max=0)
    journal.add(entry(1, path="/api/v3/contacts/id"))
    journal.add(entry(2, path="/api/v3/point-accounts"))

    assert [one.number for one in journal.latest(10, "contacts")] == [1]
