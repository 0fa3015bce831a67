"""Examples of requests and answers, for people and for the description of the doors.

They are data and tested: each request is read by the same reader as real ones, and each answer
fits its struct.
"""

from typing import Any, Final

CONTACT: Final = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"

EARN: Final[dict[str, Any]] = {
    "kind": "earn",
    "idempotencyKey": "receipt-20261121-000417",
    "contactId": CONTACT,
    "definitionId": 1,
    "amount": 250,
    "effectiveAt": "2026-11-21T09:30:00Z",
    "source": "pos",
    "description": "Purchase in store 12",
    "reference": "20261121-000417",
}

REDEEM: Final[dict[str, Any]] = {
    "kind": "redeem",
    "idempotencyKey": "redemption-88213",
    "contactId": CONTACT,
    "definitionId": 1,
    "amount": 100,
    "source": "app",
    "description": "Gift card",
}

RETURN: Final[dict[str, Any]] = {
    "kind": "return",
    "idempotencyKey": "return-20261122-000031",
    "contactId": CONTACT,
    "definitionId": 1,
    "reverses": {"idempotencyKey": "receipt-20261121-000417"},
    "part": 199.5,
    "whole": 1250,
    "source": "pos",
    "description": "One item returned",
}

ADJUST: Final[dict[str, Any]] = {
    "kind": "adjust",
    "idempotencyKey": "case-5512",
    "contactId": CONTACT,
    "definitionId": 1,
    "amount": -50,
    "source": "support",
    "description": "Points booked twice",
    "actor": "support desk",
}

POSTING_EXAMPLES: Final = {"earn": EARN, "redeem": REDEEM, "return": RETURN, "adjust": ADJUST}

BATCH_EXAMPLES: Final = {"two": {"transactions": [EARN, REDEEM], "atomic": False}}

EARN_ANSWER: Final[dict[str, Any]] = {
    "transactionId": "019aa5c4-3f1e-7c3a-9d52-6f0b8d5a2c11",
    "kind": "earn",
    "contactId": CONTACT,
    "definitionId": 1,
    "amount": 250,
    "effectiveAt": "2026-11-21T09:30:00Z",
    "recordedAt": "2026-11-21T09:30:02.114083Z",
    "source": "pos",
    "idempotencyKey": "receipt-20261121-000417",
    "description": "Purchase in store 12",
    "reference": "20261121-000417",
    "validFrom": "2026-11-21T09:30:00Z",
    "validTo": "2028-12-31T23:00:00Z",
    "transfers": [
        {
            "debit": "issued",
            "credit": "available",
            "amount": 250,
            "effectiveAt": "2026-11-21T09:30:00Z",
        }
    ],
    "balance": {"available": 250, "pending": 0, "held": 0, "debt": 0},
}

BATCH_ANSWER: Final[dict[str, Any]] = {
    "booked": 1,
    "replayed": 0,
    "refused": 1,
    "outcomes": [
        {"status": "booked", "transaction": EARN_ANSWER},
        {
            "status": "refused",
            "problem": {
                "type": "/problems/insufficient_points",
                "title": "There are not enough points",
                "status": 422,
                "code": "insufficient_points",
                "detail": "amount 250 available, 300 needed",
                "errors": [
                    {
                        "field": "amount",
                        "code": "insufficient_points",
                        "message": "250 available, 300 needed",
                    }
                ],
            },
        },
    ],
}

PAGE_ANSWER: Final[dict[str, Any]] = {"transactions": [EARN_ANSWER], "nextCursor": "MTo0MQ"}

BALANCES_ANSWER: Final[dict[str, Any]] = {
    "contactId": CONTACT,
    "balances": [
        {
            "definitionId": 1,
            "name": "Points",
            "available": 250,
            "pending": 0,
            "held": 0,
            "debt": 0,
            "nextChangeAt": "2028-12-31T23:00:00Z",
        }
    ],
}
