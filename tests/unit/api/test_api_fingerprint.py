"""Fingerprints: the same words are the same request for ever, however they are spelt."""

import json
from typing import Any

import pytest

from api.intake.reading import read_transaction

EARN: dict[str, Any] = {
    "kind": "earn",
    "idempotencyKey": "receipt-1",
    "contactId": "1dfe06cd-a1be-4423-8ed4-afd900d998aa",
    "definitionId": 1,
    "amount": 12,
    "source": "pos",
    "description": "Purchase",
}
ABOUT = {name: value for name, value in EARN.items() if name != "amount"}
HOLD = "019aa5c9-7e02-7d11-8a0e-2f4c1b7d9e55"
RETURN: dict[str, Any] = {
    **ABOUT,
    "kind": "return",
    "reverses": {"idempotencyKey": "receipt-1"},
}


def fingerprint(document: dict[str, Any] | str) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    return read_transaction(text.encode()).fingerprint.hex()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (EARN, "7726e8291143f615080967f8b56e57c0"),
        (
            {**EARN, "effectiveAt": "2026-11-21T10:00:00Z", "validTo": None, "actor": "till 4"},
            "66b7eea2309b25e7877dccd406eff326",
        ),
        ({**RETURN, "part": 1.5, "whole": 30}, "e460635af3cb7a6e6bf785b76b1f6e1f"),
        ({**EARN, "strict": True}, "dfc5d3cee348892572c96e5a5f4d73d4"),
        (
            {**EARN, "kind": "hold", "holdExpiresAt": "2026-11-21T10:00:00Z"},
            "ababc49bcf0e35d2bbbac1855e1cac27",
        ),
        (
            {**ABOUT, "kind": "capture", "holdId": HOLD, "amount": 1},
            "5a0ca3e5bf19d2de86cf15856fc45f6e",
        ),
        ({**ABOUT, "kind": "release", "holdKey": "checkout-1"}, "0e26489e62a64bd01fd53b2981a7c9ad"),
        ({**RETURN, "kind": "cancel"}, "21f1bac14313a27ee6ce3e0606a7e0e8"),
        (
            {**EARN, "kind": "move", "to": {"definitionId": 2, "contactId": HOLD}},
            "08f3f76ec7b73af1736e440be5b67e30",
        ),
        (
            {**ABOUT, "kind": "move", "to": {"contactId": HOLD}, "everything": True},
            "f583e76f567c7262095aaaff9b4a41f4",
        ),
        ({**RETURN, "kind": "activate"}, "00049fa44fbca06e1cddaf70f10a1b65"),
        ({**RETURN, "kind": "extend", "validTo": None}, "13e1803354ce0e8cba224980b7fa3655"),
        ({**ABOUT, "kind": "close"}, "bc85770bd35748f260407ca7c26da6a4"),
    ],
)
def test_fingerprints_kept_for_ever_never_change(document: dict[str, Any], expected: str) -> None:
    assert fingerprint(document) == expected


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(dict(reversed(EARN.items()))),
        json.dumps(EARN, indent=4),
        json.dumps(EARN).replace("12", "12.000"),
        json.dumps({**EARN, "contactId": EARN["contactId"].upper()}),
        json.dumps({**EARN, "contactId": EARN["contactId"].replace("-", "")}),
        json.dumps(EARN).replace("Purchase", r"\u0050urchase"),
    ],
)
def test_another_spelling_is_the_same_request(text: str) -> None:
    assert fingerprint(text) == fingerprint(EARN)


def test_the_same_instant_is_the_same_request() -> None:
    spellings = (
        "2026-11-21T10:00:00Z",
        "2026-11-21T11:00:00+01:00",
        "2026-11-21T10:00:00.000000-00:00",
        "2026-11-21t10:00:00z",
    )
    assert len({fingerprint({**EARN, "effectiveAt": one}) for one in spellings}) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "redeem"},
        {"amount": 13},
        {"amount": 120},
        {"definitionId": 2},
        {"source": "POS"},
        {"description": "purchase"},
        {"contactId": "2dfe06cd-a1be-4423-8ed4-afd900d998aa"},
        {"effectiveAt": "2026-11-21T10:00:00Z"},
        {"validTo": None},
        {"validTo": "2999-01-01T00:00:00Z"},
        {"validFrom": "2999-01-01T00:00:00Z"},
        {"reference": "x"},
        {"actor": "x"},
    ],
)
def test_another_content_is_another_request(changes: dict[str, Any]) -> None:
    assert fingerprint({**EARN, **changes}) != fingerprint(EARN)


def test_what_is_named_by_id_is_not_what_is_named_by_a_key_of_the_same_letters() -> None:
    letters = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"
    by_id = {**RETURN, "reverses": {"transactionId": letters}}
    by_key = {**RETURN, "reverses": {"idempotencyKey": letters}}
    assert fingerprint(by_id) != fingerprint(by_key)


def test_a_default_that_is_said_is_not_one_that_is_not() -> None:
    redeem = {**EARN, "kind": "redeem"}
    assert fingerprint({**redeem, "allowDebt": False}) != fingerprint(redeem)
