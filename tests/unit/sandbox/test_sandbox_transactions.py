from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from sandbox.answers import json_answer, write_json
from sandbox.engage.accounts import Accounts
from sandbox.engage.balances import BodyRefusedError
from sandbox.engage.contacts import Contact, Contacts
from sandbox.engage.settings import TransactionSettings
from sandbox.engage.transactions import IdempotencyKeys, OtherBodyError, Posting, read_rows
from sandbox.findings import Findings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTACT = "11111111-1111-4111-8111-111111111111"
STRANGER = "33333333-3333-4333-8333-333333333333"
GOOD: dict[str, Any] = {
    "contactId": CONTACT,
    "amount": 12,
    "definitionId": 1,
    "timeStamp": "2025-12-31T08:00:00Z",
    "source": "Purchase",
    "description": "Gloves",
    "validFrom": "2025-12-31T08:00:00Z",
}


class Tenant:
    """One contact and a way to post."""

    def __init__(self, settings: TransactionSettings | None = None) -> None:
        self.accounts = Accounts()
        self.contacts = Contacts()
        self.contacts.put(Contact(CONTACT), NOW)
        self.findings = Findings()
        self.settings = settings or TransactionSettings()

    def post(self, *rows: dict[str, Any]) -> dict[str, Any]:
        posting = Posting(
            self.contacts, self.accounts, self.findings, frozenset({1}), self.settings, NOW
        )
        outcome = posting.post(read_rows(msgspec.json.encode(rows), 1000))
        answer: dict[str, Any] = msgspec.json.decode(write_json(outcome))
        return answer

    @property
    def points(self) -> tuple[int, int]:
        account = self.accounts.account(CONTACT, 1)
        return (0, 0) if account is None else (int(account.balance), int(account.pending))


def test_rows_add_up_in_an_account_that_is_made_when_missing() -> None:
    tenant = Tenant()

    answer = tenant.post(GOOD, {**GOOD, "amount": -5})

    assert answer == {
        "notAccepted": [],
        "errorMessages": [],
        "missingDefinitionIds": [],
        "missingContactIds": [],
    }
    assert tenant.points == (7, 0)


def test_bad_rows_are_answered_as_they_came_and_the_good_ones_are_kept() -> None:
    tenant = Tenant()
    no_source = {key: value for key, value in GOOD.items() if key != "source"}
    stranger = {**GOOD, "contactId": STRANGER}
    unknown_definition = {**GOOD, "definitionId": 9}

    answer = tenant.post(no_source, GOOD, stranger, unknown_definition)

    assert tenant.points == (12, 0)
    assert answer["notAccepted"] == [no_source, stranger, unknown_definition]
    assert answer["missingContactIds"] == [STRANGER]
    assert answer["missingDefinitionIds"] == [9]
    assert answer["errorMessages"][0] == "Row 0: source is required"
    assert len(answer["errorMessages"]) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"description": ""}, "description is required"),
        ({"contactId": "1001"}, "contactId must be a GUID"),
        ({"contactId": None}, "contactId must be a GUID"),
        ({"amount": None}, "amount is required"),
        ({"definitionId": None}, "definitionId is required"),
        ({"validTo": "2025-12-31T08:00:00Z"}, "validTo must be after validFrom"),
    ],
)
def test_each_bad_row_says_what_is_wrong_with_it(change: dict[str, Any], message: str) -> None:
    answer = Tenant().post({**GOOD, **change})

    assert message in answer["errorMessages"][0]
    assert len(answer["notAccepted"]) == 1


def test_a_deduction_from_pending_points_is_accepted_or_not_as_it_is_set() -> None:
    later = {**GOOD, "validFrom": "2026-02-01T00:00:00Z"}
    back = {**later, "amount": -12}

    accepting = Tenant()
    refusing = Tenant(TransactionSettings(accept_negative_pending=False))

    assert accepting.post(later, back)["notAccepted"] == []
    assert accepting.points == (0, 0)
    assert len(refusing.post(later, back)["notAccepted"]) == 1
    assert refusing.points == (0, 12)


def test_what_a_careful_master_sends_leaves_no_findings() -> None:
    tenant = Tenant()
    tenant.post(GOOD)
    assert not tenant.findings.counts

    tenant.post(
        {**GOOD, "source": "Magic"},
        {**GOOD, "timeStamp": "2025-12-31T08:00:00"},
        {key: value for key, value in GOOD.items() if key != "timeStamp"},
    )

    assert tenant.findings.counts == {"undocumented-source": 1, "no-time-zone": 1, "no-time": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "array"),
        (b'[{"amount": "12"}]', r"\$\[0\].amount"),
        (b'[{"definitionId": 1.5}]', "definitionId"),
    ],
)
def test_a_body_that_is_not_an_array_of_rows_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(BodyRefusedError, match=message):
        read_rows(content, 1000)


def test_a_key_gets_the_answer_it_got_before_for_a_day() -> None:
    keys = IdempotencyKeys()
    answer = json_answer(202, {"notAccepted": []})
    keys.keep("key", b"body", answer, NOW)

    almost = NOW + timedelta(hours=24) - timedelta(seconds=1)
    known = keys.recall("key", b"body", almost, 24)

    assert known is not None
    assert (known.status, known.body) == (answer.status, answer.body)
    assert keys.recall("other", b"body", almost, 24) is None
    assert keys.recall("key", b"body", NOW + timedelta(hours=24), 24) is None


def test_a_key_with_another_body_is_told_with_the_first_answer() -> None:
    keys = IdempotencyKeys()
    keys.keep("key", b"body", json_answer(202, "first"), NOW)

    with pytest.raises(OtherBodyError) as error:
        keys.recall("key", b"other", NOW, 24)

    assert error.value.first.body == b'"first"'
