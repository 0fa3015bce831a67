"""Engage's doors for point accounts and definitions.

They only read. v2 knows accounts by number and answers in pages, v3 by GUID and as a bare array.
"""

from typing import Any

from litestar import Response, get

from sandbox.control import AnyRequest
from sandbox.engage.accounts import PointAccount, account_guid
from sandbox.engage.queries import QueryError, answered, paged, query_of, read_page, refused
from sandbox.engage.settings import Definition
from sandbox.engage.state import Engage


@get("/api/v2/point-accounts")
async def list_accounts(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """The accounts of a contact, as a page."""
    query = query_of(request)
    try:
        page = read_page(query)
    except QueryError as error:
        return refused(400, "InvalidRequest", str(error))
    accounts = _accounts_of(query.get("contactid"), engage)
    if isinstance(accounts, Response):
        return accounts
    return answered(
        200, paged([_written_v2(one) for one in page.of(accounts)], len(accounts), page)
    )


@get("/api/v3/point-accounts")
async def list_accounts_v3(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """The accounts of a contact, as a bare array."""
    accounts = _accounts_of(query_of(request).get("contactid"), engage)
    if isinstance(accounts, Response):
        return accounts
    return answered(200, [_written_v3(account) for account in accounts])


@get("/api/v2/point-accounts/{account_id:int}")
async def get_account(account_id: int, engage: Engage) -> Response[bytes]:
    """One account."""
    engage.present()
    account = engage.accounts.by_number.get(account_id)
    if account is None:
        return refused(404, "PointAccountNotFound", f"No point account {account_id}")
    return answered(200, _written_v2(account))


@get("/api/v2/point-accounts/definitions")
async def list_definitions(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """The point definitions, as a bare list."""
    try:
        page = read_page(query_of(request))
    except QueryError as error:
        return refused(400, "InvalidRequest", str(error))
    return answered(200, [_definition(one) for one in page.of(list(engage.settings.definitions))])


@get("/api/v2/point-accounts/definitions/{definition_id:int}")
async def get_definition(definition_id: int, engage: Engage) -> Response[bytes]:
    """One point definition."""
    for definition in engage.settings.definitions:
        if definition.id == definition_id:
            return answered(200, _definition(definition))
    return refused(404, "PointDefinitionNotFound", f"No point definition {definition_id}")


def _accounts_of(asked: str | None, engage: Engage) -> list[PointAccount] | Response[bytes]:
    engage.present()
    if asked is None:
        return refused(400, "InvalidRequest", "contactId is required")
    contact_id = engage.contacts.known(asked)
    if contact_id is None:
        return refused(404, "ContactNotFound", f"No contact {asked[:100]}")
    return engage.accounts.by_contact.get(contact_id, [])


def _written_v2(account: PointAccount) -> dict[str, Any]:
    return {
        "id": account.id,
        "contactId": account.contact_id,
        "definitionId": account.definition_id,
        "balance": account.balance,
        "pendingPoints": account.pending,
        "balanceExpires": None,
        "links": [],
    }


def _written_v3(account: PointAccount) -> dict[str, Any]:
    written = _written_v2(account)
    del written["links"]
    written["id"] = account_guid(account.id)
    return written


def _definition(definition: Definition) -> dict[str, Any]:
    return {
        "id": definition.id,
        "name": definition.name,
        "description": definition.description,
        "links": [],
    }
