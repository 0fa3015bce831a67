"""Engage's doors for transactions: add them (v2), list them (v2 and v3), look at one (v2).

In v3 ids are GUIDs and times are written with offset and microseconds; adding in bulk has no
published v3 form, so there is none here.
"""

import hashlib
from datetime import datetime
from typing import Any, Final

from litestar import Response, get, post

from sandbox.answers import json_answer
from sandbox.control import AnyRequest
from sandbox.engage.accounts import (
    PointTransaction,
    account_guid,
    read_account_guid,
    transaction_guid,
)
from sandbox.engage.balances import BodyRefusedError
from sandbox.engage.queries import (
    QueryError,
    answered,
    paged,
    query_of,
    read_number,
    read_page,
    refused,
)
from sandbox.engage.settings import OtherBody
from sandbox.engage.state import Engage
from sandbox.engage.transactions import OtherBodyError, Posting, read_rows

KEY_CHARACTERS_MAX: Final = 500


@post("/api/v2/point-accounts/transactions")
async def post_transactions(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """Add transactions: 202 even when rows are not accepted; the answer names those."""
    if not engage.settings.new_point_system_active:
        return refused(400, "NewPointSystemNotActive", "New point system not active")
    body = await request.body()
    now = engage.present()
    key = request.headers.get("idempotency-key")
    if key is None:
        engage.findings.note("no-idempotency-key", "transactions without Idempotency-Key")
    elif not 0 < len(key) <= KEY_CHARACTERS_MAX:
        return refused(400, "InvalidIdempotencyKey", "Idempotency-Key must not be empty or long")
    else:
        # Keys of one caller mean nothing to another; hashed, since the API key must not be kept.
        caller = request.headers.get(engage.settings.api_key_header, "")
        key = hashlib.sha256(f"{caller}\n{key}".encode()).hexdigest()
        earlier = _earlier_answer(engage, key, body, now)
        if earlier is not None:
            return earlier
    try:
        rows = read_rows(body, engage.settings.rows_max)
    except BodyRefusedError as error:
        return refused(400, "InvalidRequest", str(error))
    engage.welcome({row.contact_id for row in rows if row.contact_id is not None})
    posting = Posting(
        engage.contacts,
        engage.accounts,
        engage.findings,
        engage.definitions,
        engage.settings.transactions,
        now,
    )
    answer = json_answer(202, posting.post(rows))
    if key is not None:
        engage.idempotency.keep(key, body, answer, now)
    return answer.response()


@get("/api/v2/point-accounts/transactions")
async def list_transactions(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """The transactions of an account, by its number or by contact and definition; newest first."""
    query = query_of(request)
    engage.present()
    try:
        if "accountid" in query:
            account = engage.accounts.by_number.get(read_number(query, "accountId"))
        else:
            contact_id = engage.contacts.known(query.get("contactid", ""))
            definition_id = read_number(query, "definitionId")
            account = engage.accounts.account(contact_id or "", definition_id)
        page = read_page(query)
        chosen = _filtered([] if account is None else _of(engage, account.id), query)
    except QueryError as error:
        return refused(400, "InvalidRequest", str(error))
    items = [_written_v2(one) for one in page.of(chosen)]
    return answered(200, paged(items, len(chosen), page))


@get("/api/v2/point-accounts/transactions/{transaction_id:int}")
async def get_transaction(transaction_id: int, engage: Engage) -> Response[bytes]:
    """One transaction."""
    engage.present()
    if not 1 <= transaction_id <= len(engage.accounts.transactions):
        return refused(404, "NotFound", f"No point transaction {transaction_id}")
    return answered(200, _written_v2(engage.accounts.transactions[transaction_id - 1]))


@get("/api/v3/point-transactions")
async def list_transactions_v3(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """The transactions of an account, by its GUID; newest first."""
    query = query_of(request)
    engage.present()
    number = read_account_guid(query.get("accountid", ""))
    if number is None or number not in engage.accounts.by_number:
        return refused(404, "PointAccountNotFound", "No point account with this accountId")
    try:
        page = read_page(query)
        chosen = _filtered(_of(engage, number), query)
    except QueryError as error:
        return refused(400, "InvalidRequest", str(error))
    items = [_written_v3(one) for one in page.of(chosen)]
    return answered(200, paged(items, len(chosen), page))


def _earlier_answer(engage: Engage, key: str, body: bytes, now: datetime) -> Response[bytes] | None:
    """What a key that was used before gets; None when the request is to be worked on."""
    settings = engage.settings.transactions
    try:
        known = engage.idempotency.recall(key, body, now, settings.idempotency_hours)
    except OtherBodyError as error:
        engage.findings.note("idempotency-key-other-body", "an Idempotency-Key with another body")
        if settings.same_key_other_body is OtherBody.CONFLICT:
            return refused(409, "IdempotencyKeyConflict", str(error))
        known = error.first if settings.same_key_other_body is OtherBody.REPLAY else None
    return None if known is None else known.response()


def _of(engage: Engage, account_id: int) -> list[PointTransaction]:
    return list(reversed(engage.accounts.transactions_of(account_id)))


def _filtered(
    transactions: list[PointTransaction], query: dict[str, str]
) -> list[PointTransaction]:
    """By `filter`: All, Active or Pending.

    Raises:
        QueryError: it is something else.
    """
    wanted = query.get("filter", "All").lower()
    if wanted not in ("all", "active", "pending"):
        message = "filter must be All, Active or Pending"
        raise QueryError(message)
    if wanted == "all":
        return transactions
    return [one for one in transactions if one.pending is (wanted == "pending")]


def _written_v2(transaction: PointTransaction) -> dict[str, Any]:
    return {
        "id": transaction.id,
        "accountId": transaction.account_id,
        "amount": transaction.amount,
        "description": transaction.description,
        "source": transaction.source,
        "type": transaction.type,
        "transactionDate": transaction.transaction_date,
        "createdOn": transaction.created_on,
        "modifiedOn": transaction.modified_on,
        "validFrom": transaction.valid_from,
        "validTo": transaction.valid_to,
        "retailTransactionLineItemId": None,
        "links": [],
    }


def _written_v3(transaction: PointTransaction) -> dict[str, Any]:
    written = _written_v2(transaction)
    del written["links"]
    written["id"] = transaction_guid(transaction.id)
    written["accountId"] = account_guid(transaction.account_id)
    for name, value in written.items():
        if isinstance(value, datetime):
            written[name] = value.isoformat(timespec="microseconds")
    return written
