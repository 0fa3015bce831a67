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

HOLD: Final[dict[str, Any]] = {
    "kind": "hold",
    "idempotencyKey": "checkout-77310",
    "contactId": CONTACT,
    "definitionId": 1,
    "amount": 100,
    "holdExpiresAt": "2999-11-21T10:00:00Z",
    "source": "shop",
    "description": "Checkout 77310",
}

CAPTURE: Final[dict[str, Any]] = {
    "kind": "capture",
    "idempotencyKey": "checkout-77310-paid",
    "contactId": CONTACT,
    "definitionId": 1,
    "holdId": "019aa5c9-7e02-7d11-8a0e-2f4c1b7d9e55",
    "amount": 80,
    "source": "shop",
    "description": "Order 77310",
}

RELEASE: Final[dict[str, Any]] = {
    "kind": "release",
    "idempotencyKey": "checkout-77310-left",
    "contactId": CONTACT,
    "definitionId": 1,
    "holdKey": "checkout-77310",
    "source": "shop",
    "description": "Checkout 77310 was left",
}

CANCEL: Final[dict[str, Any]] = {
    "kind": "cancel",
    "idempotencyKey": "redemption-88213-back",
    "contactId": CONTACT,
    "definitionId": 1,
    "reverses": {"idempotencyKey": "redemption-88213"},
    "source": "app",
    "description": "Gift card given back",
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

MOVE: Final[dict[str, Any]] = {
    "kind": "move",
    "idempotencyKey": "gift-3107",
    "contactId": CONTACT,
    "definitionId": 1,
    "to": {"contactId": "7c2e4b0a-91d3-4f5e-a6b8-30f1d2c4e596"},
    "amount": 25,
    "source": "app",
    "description": "A gift",
}

ACTIVATE: Final[dict[str, Any]] = {
    "kind": "activate",
    "idempotencyKey": "case-5513",
    "contactId": CONTACT,
    "definitionId": 1,
    "reverses": {"idempotencyKey": "receipt-20261121-000417"},
    "source": "support",
    "description": "Points released early",
}

EXTEND: Final[dict[str, Any]] = {
    "kind": "extend",
    "idempotencyKey": "case-5514",
    "contactId": CONTACT,
    "definitionId": 1,
    "reverses": {"idempotencyKey": "receipt-20261121-000417"},
    "validTo": "2029-12-31T23:00:00Z",
    "source": "support",
    "description": "Another year, as agreed",
}

CLOSE: Final[dict[str, Any]] = {
    "kind": "close",
    "idempotencyKey": "membership-ended-1001",
    "contactId": CONTACT,
    "definitionId": 1,
    "source": "crm",
    "description": "Membership ended",
}

POSTING_EXAMPLES: Final = {
    "earn": EARN,
    "redeem": REDEEM,
    "hold": HOLD,
    "capture": CAPTURE,
    "release": RELEASE,
    "return": RETURN,
    "cancel": CANCEL,
    "adjust": ADJUST,
    "move": MOVE,
    "activate": ACTIVATE,
    "extend": EXTEND,
    "close": CLOSE,
}

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

PAGE_ANSWER: Final[dict[str, Any]] = {
    "transactions": [EARN_ANSWER],
    "nextCursor": "MTowMTlhYTVjNC0zZjFlLTdjM2EtOWQ1Mi02ZjBiOGQ1YTJjMTE",
}

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

LOT: Final[dict[str, Any]] = {
    "transactionId": "019aa5c4-3f1e-7c3a-9d52-6f0b8d5a2c11",
    "kind": "earn",
    "definitionId": 1,
    "amount": 250,
    "effectiveAt": "2026-11-21T09:30:00Z",
    "validFrom": "2026-11-21T09:30:00Z",
    "validTo": "2028-12-31T23:00:00Z",
    "available": 150,
    "pending": 0,
    "held": 0,
    "lapsed": 0,
    "spent": 100,
}

LOTS_ANSWER: Final[dict[str, Any]] = {
    "contactId": CONTACT,
    "effectiveAt": "2026-11-21T12:00:00Z",
    "lots": [LOT],
}

HOLDS_ANSWER: Final[dict[str, Any]] = {
    "contactId": CONTACT,
    "holds": [
        {
            "holdId": "019aa5c9-7e02-7d11-8a0e-2f4c1b7d9e55",
            "definitionId": 1,
            "amount": 100,
            "effectiveAt": "2026-11-21T09:50:00Z",
            "recordedAt": "2026-11-21T09:50:00.081245Z",
            "holdExpiresAt": "2026-11-21T10:05:00Z",
            "source": "shop",
            "idempotencyKey": "checkout-77310",
            "description": "Checkout 77310",
        }
    ],
}

EXPLANATION_ANSWER: Final[dict[str, Any]] = {
    "contactId": CONTACT,
    "definitionId": 1,
    "name": "Points",
    "effectiveAt": "2026-11-21T12:00:00Z",
    "balance": {"available": 150, "pending": 0, "held": 0, "debt": 0},
    "lots": [
        {
            "lot": LOT,
            "description": "Purchase in store 12",
            "steps": [
                {
                    "transactionId": "019aa5d1-02b8-7f64-b1c7-5d7e0a9c3f12",
                    "kind": "redeem",
                    "effectiveAt": "2026-11-21T10:12:00Z",
                    "recordedAt": "2026-11-21T10:12:00.340911Z",
                    "from": "available",
                    "to": "redeemed",
                    "amount": 100,
                }
            ],
        }
    ],
    "transactions": [
        {
            "transactionId": "019aa5d1-02b8-7f64-b1c7-5d7e0a9c3f12",
            "kind": "redeem",
            "net": -100,
            "effectiveAt": "2026-11-21T10:12:00Z",
            "recordedAt": "2026-11-21T10:12:00.340911Z",
            "source": "app",
            "description": "Gift card",
            "sources": [
                {
                    "transactionId": "019aa5c4-3f1e-7c3a-9d52-6f0b8d5a2c11",
                    "amount": 100,
                    "from": "available",
                    "to": "redeemed",
                }
            ],
        },
        {
            "transactionId": "019aa5c4-3f1e-7c3a-9d52-6f0b8d5a2c11",
            "kind": "earn",
            "net": 250,
            "effectiveAt": "2026-11-21T09:30:00Z",
            "recordedAt": "2026-11-21T09:30:02.114083Z",
            "source": "pos",
            "description": "Purchase in store 12",
            "reference": "20261121-000417",
            "sources": [],
        },
    ],
}

FRIEND: Final = "7c2e4b0a-91d3-4f5e-a6b8-30f1d2c4e596"

MERGE: Final[dict[str, Any]] = {
    "into": FRIEND,
    "idempotencyKey": "merge-20261121-7",
    "actor": "support desk",
}

MERGE_ANSWER: Final[dict[str, Any]] = {
    "contactId": CONTACT,
    "into": FRIEND,
    "transactions": [],
}

CLOSING: Final[dict[str, Any]] = {
    "idempotencyKey": "left-20261121-1001",
    "source": "crm",
    "description": "Membership ended",
}

CLOSING_ANSWER: Final[dict[str, Any]] = {"contactId": CONTACT, "transactions": []}

ERASURE_ANSWER: Final[dict[str, Any]] = {"contactId": CONTACT, "wasKnown": True, "merged": []}
