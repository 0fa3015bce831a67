from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sandbox.engage.accounts import Accounts
from sandbox.engage.balances import BalanceQueue, Behaviour, BodyRefusedError, read_rows
from sandbox.engage.contacts import Contact, Contacts
from sandbox.engage.settings import BalanceSettings, Order
from sandbox.findings import Findings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = "11111111-1111-4111-8111-111111111111"
SECOND = "22222222-2222-4222-8222-222222222222"
STRANGER = "33333333-3333-4333-8333-333333333333"


def body(*rows: tuple[str, int, str]) -> bytes:
    return msgspec.json.encode(
        [
            {"contactId": contact, "amount": amount, "definitionId": 1, "timeStamp": at}
            for contact, amount, at in rows
        ],
    )


class Tenant:
    """Two contacts, their accounts and a queue."""

    def __init__(self, settings: BalanceSettings | None = None) -> None:
        self.findings = Findings()
        self.contacts = Contacts()
        self.accounts = Accounts()
        self.queue = BalanceQueue(self.findings)
        self.settings = settings or BalanceSettings()
        self.kept_max = 1000
        for contact_id in (FIRST, SECOND):
            self.contacts.put(Contact(contact_id), NOW)

    def send(
        self, *rows: tuple[str, int], late: int = 0, at: str = "2026-01-01T00:00:00Z"
    ) -> msgspec.Struct:
        read = read_rows(
            body(*((contact, amount, at) for contact, amount in rows)), 1000, NOW, self.findings
        )
        return self.queue.add(read, NOW, Behaviour(late_milliseconds=late), self.kept_max)

    def run(self, seconds: float = 0, order: Order = Order.ARRIVAL) -> list[str]:
        """Apply what is due; the final states."""
        now = NOW + timedelta(seconds=seconds)
        due = self.queue.take_due(now, order)
        for request in due:
            self.queue.apply(
                request, self.contacts, self.accounts, frozenset({1}), now, self.settings
            )
        return [request.state for request in due]

    def balance(self, contact_id: str) -> int | None:
        account = self.accounts.account(contact_id, 1)
        return None if account is None else int(account.balance)


def test_a_total_is_set_when_the_job_runs_and_not_before() -> None:
    tenant = Tenant()
    tenant.send((FIRST, 122), (SECOND, 63))

    assert tenant.balance(FIRST) is None
    assert tenant.run() == ["completed"]
    assert (tenant.balance(FIRST), tenant.balance(SECOND)) == (122, 63)
    assert tenant.queue.unapplied == 0


def test_rows_for_strangers_are_told_in_the_messages_and_harm_nobody() -> None:
    tenant = Tenant()
    request = tenant.send((STRANGER, 1), (FIRST, 2), ("1001", 3))

    assert tenant.run() == ["completed"]
    assert tenant.balance(FIRST) == 2
    said = [message["message"] for message in msgspec.to_builtins(request)["messages"]]
    assert said == [f"Contact {STRANGER} was not found", "Contact id 1001 is not a GUID"]


def test_a_request_of_which_nothing_could_be_set_failed() -> None:
    tenant = Tenant()
    tenant.send((STRANGER, 1))

    assert tenant.run() == ["failed"]


def test_a_late_request_undoes_a_newer_total() -> None:
    tenant = Tenant()
    tenant.send((FIRST, 1), late=5000, at="2026-01-01T00:00:00Z")
    tenant.send((FIRST, 2), at="2026-01-01T00:00:01Z")

    assert tenant.run() == ["completed"]
    assert tenant.balance(FIRST) == 2
    assert tenant.run(5) == ["completed"]
    assert tenant.balance(FIRST) == 1


def test_a_late_request_does_not_where_older_totals_are_dropped() -> None:
    tenant = Tenant(BalanceSettings(drop_older=True))
    tenant.send((FIRST, 1), late=5000, at="2026-01-01T00:00:00Z")
    tenant.send((FIRST, 2), at="2026-01-01T00:00:01Z")

    tenant.run()
    tenant.run(5)

    assert tenant.balance(FIRST) == 2


@pytest.mark.parametrize(("order", "last"), [(Order.ARRIVAL, 3), (Order.REVERSE, 1)])
def test_the_order_of_applying_decides_what_remains(order: Order, last: int) -> None:
    tenant = Tenant()
    for amount in (1, 2, 3):
        tenant.send((FIRST, amount))

    tenant.run(order=order)

    assert tenant.balance(FIRST) == last


def test_two_rows_for_one_account_are_noted_and_the_later_wins() -> None:
    tenant = Tenant()
    tenant.send((FIRST, 1), (FIRST, 2))

    tenant.run()

    assert tenant.findings.counts == {"two-rows-for-one-account": 1}
    assert tenant.balance(FIRST) == 2


def test_a_second_total_while_the_first_waits_is_noted_and_afterwards_it_is_not() -> None:
    tenant = Tenant()
    tenant.send((FIRST, 1))
    tenant.send((FIRST, 2), (SECOND, 2))
    assert tenant.findings.counts == {"balance-sent-while-one-waits": 1}

    tenant.run()
    tenant.send((FIRST, 3))

    assert tenant.findings.counts == {"balance-sent-while-one-waits": 1}


def test_a_queue_that_is_lost_sets_nothing_and_is_not_remembered() -> None:
    tenant = Tenant()
    tenant.send((FIRST, 1))

    assert tenant.queue.forget_waiting() == 1
    assert tenant.run() == []
    assert tenant.queue.requests == {}
    assert tenant.queue.unapplied == 0


def test_only_so_many_finished_requests_are_remembered_and_all_that_wait() -> None:
    tenant = Tenant()
    tenant.kept_max = 2
    for amount in range(5):
        tenant.send((FIRST, amount))
        tenant.run()
    assert len(tenant.queue.requests) == 2

    for amount in range(5):
        tenant.send((FIRST, amount))

    assert len(tenant.queue.requests) == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (b"{}", "array"),
        (b"[]", "No items"),
        (b'[{"amount": 1, "definitionId": 1}]', "contactId"),
        (b'[{"contactId": "x", "definitionId": 1}]', "amount"),
        (b'[{"contactId": "x", "amount": "1", "definitionId": 1}]', r"\$\[0\].amount"),
        (b'[{"contactId": "x", "amount": 1, "definitionId": "1"}]', "definitionId"),
        (b'[{"contactId": "x", "amount": 1, "definitionId": 1, "timeStamp": "now"}]', "timeStamp"),
    ],
)
def test_a_body_that_is_not_an_array_of_totals_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(BodyRefusedError, match=message):
        read_rows(content, 1000, NOW, Findings())


def test_more_rows_than_allowed_are_too_many_items() -> None:
    rows = body(*((FIRST, 1, "2026-01-01T00:00:00Z") for _ in range(1001)))

    with pytest.raises(BodyRefusedError, match=r"^Too many items$"):
        read_rows(rows, 1000, NOW, Findings())


def test_a_total_without_a_usable_time_gets_the_present_and_is_noted() -> None:
    findings = Findings()
    content = (
        b'[{"contactId": "x", "amount": 1, "definitionId": 1},'
        b'{"contactId": "x", "amount": 1, "definitionId": 1, "timeStamp": "2020-01-01T00:00:00"}]'
    )

    assert [row.at for row in read_rows(content, 1000, NOW, findings)] == [NOW, NOW]
    assert findings.counts == {"no-time": 1, "no-time-zone": 1}
