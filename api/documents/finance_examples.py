"""Answers of finance as the description shows them; a test holds that they fit their documents."""

from typing import Any, Final

_BUCKETS: Final = {"available": 150, "pending": 0, "held": 0, "debt": 0}

TRIAL_BALANCE: Final[dict[str, Any]] = {
    "at": "2026-11-21T09:30:02.114083Z",
    "balanced": True,
    "definitions": [
        {
            "definitionId": 1,
            "name": "Points",
            "lines": [
                {"account": "available", "debit": 0, "credit": 250},
                {"account": "issued", "debit": 250, "credit": 0},
            ],
            "holdersSide": 250,
            "programSide": 250,
            "difference": 0,
        }
    ],
}

ROLL_FORWARD: Final[dict[str, Any]] = {
    "from": "2026-10-31T23:00:00Z",
    "until": "2026-11-30T23:00:00Z",
    "balanced": True,
    "definitions": [
        {
            "definitionId": 1,
            "name": "Points",
            "opening": {**_BUCKETS, "available": 0},
            "openingNet": 0,
            "movements": [
                {"account": "issued", "toContacts": 250, "fromContacts": 0, "net": 250},
                {"account": "redeemed", "toContacts": 0, "fromContacts": 100, "net": -100},
            ],
            "closing": _BUCKETS,
            "closingNet": 150,
            "debtIncurred": 0,
            "debtSettled": 0,
            "difference": 0,
            "debtDifference": 0,
        }
    ],
}

AGEING: Final[dict[str, Any]] = {
    "at": "2026-11-21T09:30:02.114083Z",
    "balanced": True,
    "definitions": [
        {
            "definitionId": 1,
            "name": "Points",
            "byAge": [{"available": 150, "pending": 0, "daysFrom": 0, "daysTo": 30}],
            "byExpiry": [
                {"available": 100, "pending": 0, "daysFrom": 30, "daysTo": 90},
                {"available": 50, "pending": 0},
            ],
            **_BUCKETS,
            "difference": 0,
        }
    ],
}

ACCOUNT_BALANCES: Final[dict[str, Any]] = {
    "effectiveAt": "2026-11-30T22:59:59.999999Z",
    "recordedAt": "2026-12-03T08:00:00Z",
    "balances": [
        {
            "contactId": "1dfe06cd-a1be-4423-8ed4-afd900d998aa",
            "holderId": "5b0c7a0e-6d2f-4a57-9d8e-0d4b7f1c2a33",
            "definitionId": 1,
            **_BUCKETS,
            "net": 150,
        }
    ],
    "nextCursor": "QTE6NWIwYzdhMGU2ZDJmNGE1NzlkOGUwZDRiN2YxYzJhMzM6MQ",
}

PERIOD: Final[dict[str, Any]] = {
    "until": "2026-10-31T23:00:00Z",
    "closedAt": "2026-11-03T09:12:44.018273Z",
}
