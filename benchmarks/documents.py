"""Postings as they come over HTTP, made beforehand."""

import json

from benchmarks.asking import request_bytes
from benchmarks.driving import Maker
from benchmarks.ground import DEFINITION
from benchmarks.serving import Serving


def earn_document(maker: Maker) -> dict[str, object]:
    """A purchase as a till posts it."""
    request = maker.earn(maker.anyone())
    return {
        "idempotencyKey": request.idempotency_key,
        "contactId": str(request.contact),
        "definitionId": DEFINITION,
        "kind": "earn",
        "amount": int(request.amount),
        "source": "pos",
        "description": request.description,
    }


def single_requests(maker: Maker, serving: Serving, count: int) -> list[bytes]:
    """One purchase a request."""
    return [
        request_bytes(
            "POST",
            "/v1/transactions",
            headers=serving.authorization,
            body=json.dumps(earn_document(maker)).encode(),
        )
        for _ in range(count)
    ]


def batch_requests(maker: Maker, serving: Serving, count: int, each: int) -> list[bytes]:
    """`each` purchases a request."""
    return [
        request_bytes(
            "POST",
            "/v1/transactions/batch",
            headers=serving.authorization,
            body=json.dumps({"transactions": [earn_document(maker) for _ in range(each)]}).encode(),
        )
        for _ in range(count)
    ]
