from datetime import UTC, datetime, timedelta

import pytest

from sandbox.engage.contacts import (
    ChangeType,
    Contact,
    ContactNotFoundError,
    Contacts,
    InvalidLookupError,
    MultipleMatchesError,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = "11111111-1111-4111-8111-111111111111"
SECOND = "22222222-2222-4222-8222-222222222222"


def two_contacts() -> Contacts:
    contacts = Contacts()
    contacts.put(Contact(FIRST.upper(), "one@example.com", "+46 70-123 45 67", "M-1001"), NOW)
    contacts.put(
        Contact(SECOND, "two@example.com", "+46701234568", "0701234568", contact_type="Contact"),
        NOW + timedelta(hours=1),
    )
    return contacts


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({"email": "ONE@example.com"}, FIRST),
        ({"mobilePhone": "+46701234567"}, FIRST),
        ({"customKey": "M-1001"}, FIRST),
        ({"any": "two@example.com"}, SECOND),
        ({"any": "+46701234568"}, SECOND),
        ({"any": "M-1001"}, FIRST),
        ({"customKey": "0701234568"}, SECOND),
    ],
)
def test_a_contact_is_found_by_each_of_its_keys(criteria: dict[str, str], found: str) -> None:
    assert two_contacts().find(criteria, None) == found


def test_a_custom_key_that_looks_like_a_telephone_number_is_not_found_by_any() -> None:
    with pytest.raises(ContactNotFoundError):
        two_contacts().find({"any": "0701234568"}, None)


@pytest.mark.parametrize(
    ("criteria", "code"),
    [
        ({}, "InvalidSearchQuery"),
        ({"email": "one@example.com", "customKey": "M-1001"}, "InvalidSearchQuery"),
        ({"email": "one"}, "InvalidEmailAddress"),
        ({"mobilePhone": "abc"}, "InvalidPhoneNumber"),
        ({"customKey": ""}, "InvalidSearchQuery"),
        ({"shoeSize": "42"}, "InvalidSearchQuery"),
    ],
)
def test_a_lookup_that_is_not_well_formed_has_its_code(criteria: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidLookupError, match=code):
        two_contacts().find(criteria, None)


def test_two_contacts_with_one_key_are_told_apart_by_their_type_only() -> None:
    contacts = two_contacts()
    contacts.put(Contact(SECOND, "one@example.com", contact_type="Contact"), NOW)

    with pytest.raises(MultipleMatchesError):
        contacts.find({"email": "one@example.com"}, None)
    assert contacts.find({"email": "one@example.com"}, "member") == FIRST


def test_a_replaced_contact_is_no_longer_found_by_its_old_keys() -> None:
    contacts = two_contacts()

    assert not contacts.put(Contact(FIRST, "new@example.com"), NOW)

    assert contacts.find({"email": "new@example.com"}, None) == FIRST
    for criteria in ({"email": "one@example.com"}, {"customKey": "M-1001"}):
        with pytest.raises(ContactNotFoundError):
            contacts.find(criteria, None)


def test_ids_are_guids_in_lower_case_and_understood_in_any() -> None:
    contacts = two_contacts()

    assert contacts.known(FIRST.upper()) == FIRST
    assert contacts.known("33333333-3333-4333-8333-333333333333") is None
    for wrong in ("1001", "{11111111-1111-4111-8111-111111111111}", FIRST.replace("-", "")):
        with pytest.raises(ValueError, match="not a GUID"):
            contacts.put(Contact(wrong), NOW)


def test_changes_are_reported_by_kind_and_time_each_contact_once() -> None:
    contacts = two_contacts()
    contacts.put(Contact(SECOND, "other@example.com"), NOW + timedelta(hours=2))
    contacts.put(Contact(SECOND, "another@example.com"), NOW + timedelta(hours=3))
    contacts.remove(FIRST, NOW + timedelta(hours=4))
    day = NOW + timedelta(days=1)

    assert contacts.changed_between(ChangeType.CREATED, NOW, day) == [FIRST, SECOND]
    assert contacts.changed_between(ChangeType.CREATED, NOW, NOW + timedelta(hours=1)) == [FIRST]
    assert contacts.changed_between(ChangeType.UPDATED, NOW, day) == [SECOND]
    assert contacts.changed_between(ChangeType.DELETED, NOW, day) == [FIRST]
    assert not contacts.remove(FIRST, NOW)
