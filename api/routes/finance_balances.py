"""Every contact's balance, as of any instant: page by page, or whole as a file.

The one hard idea: as JSON it is pages, each a request of its own, and all of one instant because
any instant can be asked for; as CSV or Parquet it is everything from one snapshot, sent while it
is read, so that neither side holds it in memory.
"""

import asyncio
from functools import partial
from typing import Any, Final

from litestar import Request, Response, get
from litestar.response import Stream
from msgspec import UNSET

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import JSON, answer
from api.documents import finance_examples as examples
from api.documents.account_balances import AccountBalancesDocument, account_balance_document
from api.documents.forms import PAGE_DEFAULT, PAGE_MAX
from api.exporting.datasets import DATASETS, Asked
from api.exporting.formats import Format, writer_of
from api.intake.accepting import preferred
from api.intake.account_cursor import account_cursor, read_account_cursor, write_account_cursor
from api.intake.as_of import AS_OF_CHECKS, EFFECTIVE_AT, RECORDED_AT, AsOf, read_as_of
from api.intake.query import count_up_to, definition_number, read_query
from api.openapi.operation import Answer, Operation, described
from api.parquet import ParquetMissingError
from api.problems import catalogue
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid
from api.routes.contacts import CURSOR, DEFINITION, LIMIT, only_definition
from api.routes.finance import reporting
from api.service import Service, service_of
from api.streaming import Give, Pieces
from ledger.balances_export import FIRST, AccountKey, BalanceWalk, HolderBalance, walking
from ledger.identity import TenantId
from ledger.policies import Definition

CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
FORMS: Final = {CSV: Format.CSV, PARQUET: Format.PARQUET}

ACCOUNTS_LOOKED_AT_MAX: Final = 20_000
"""For one page, before it is answered although it is not full."""

FILES_AT_ONCE: Final = 2
"""Whole files that one process makes at once; each has a connection to itself."""

RETRY_SECONDS: Final = "10"

LIST_ACCOUNT_BALANCES: Final = Operation(
    id="listAccountBalances",
    tag="Finance",
    summary="List every contact's balances",
    description=(
        "Whatever contacts hold or owe, now or as of any instant, as the books know it now or knew "
        "it then; points that became valid or lapsed by then included. As JSON in pages: hand "
        "`nextCursor` back as `cursor`, and `effectiveAt` as it was answered, until there is none; "
        "with `recordedAt` too, no page can change meanwhile. With `Accept: text/csv` or "
        "`application/vnd.apache.parquet` everything at once, of one instant, without pages."
    ),
    scope=Scope.FINANCE_READ,
    parameters=(EFFECTIVE_AT, RECORDED_AT, DEFINITION, LIMIT, CURSOR),
    answers=(
        Answer(200, "A page.", AccountBalancesDocument, example=examples.ACCOUNT_BALANCES),
        Answer(200, "Everything.", str, media_type=CSV),
        Answer(200, "Everything.", str, media_type=PARQUET),
    ),
    problems=(catalogue.REQUEST_INVALID, catalogue.DEFINITION_UNKNOWN),
)

LIST_CHECKS: Final = {
    **AS_OF_CHECKS,
    "definitionId": definition_number,
    "limit": count_up_to(PAGE_MAX),
    "cursor": account_cursor,
}

_making: Final[set[Pieces]] = set()
"""The files this process makes now."""


@get(
    "/v1/finance/balances",
    guards=[needs(Scope.FINANCE_READ)],
    opt=described(LIST_ACCOUNT_BALANCES),
)
async def list_account_balances(request: Request[Any, Any, Any]) -> Response[bytes] | Stream:
    """List every balance."""
    service, tenant = service_of(request), bearer_of(request).tenant
    query = read_query(request, LIST_CHECKS)
    only = only_definition(service, tenant, query)
    definitions = [only] if only else service.catalogue.definitions_of(tenant)
    media_type = preferred(request, (JSON, *FORMS))
    if media_type in FORMS:
        pages = [name for name in ("limit", "cursor") if name in query]
        if pages:
            message = "is for pages, which are JSON"
            raise invalid([FieldError(name, FieldCode.NOT_TOGETHER, message) for name in pages])
        return await _file(service, tenant, definitions, read_as_of(query), FORMS[media_type])
    after = read_account_cursor(query["cursor"]) if "cursor" in query else FIRST
    limit = int(query.get("limit", PAGE_DEFAULT))
    async with service.pool.acquire() as connection:
        with reporting():
            async with walking(
                connection, [one.id for one in definitions], **read_as_of(query)._asdict()
            ) as walk:
                found, last = await _page(walk, after or FIRST, limit)
    return answer(
        AccountBalancesDocument(
            walk.instants.effective_at,
            tuple(
                account_balance_document(one, service.catalogue.definitions[one.definition])
                for one in found
            ),
            walk.instants.recorded_at or UNSET,
            UNSET if last is None else write_account_cursor(last),
        )
    )


async def _page(
    walk: BalanceWalk, after: AccountKey, limit: int
) -> tuple[list[HolderBalance], AccountKey | None]:
    """Balances until the page is full, and the last account looked at if there may be more."""
    found: list[HolderBalance] = []
    looked_at = 0
    while len(found) < limit and looked_at < ACCOUNTS_LOOKED_AT_MAX:
        stretch = await walk.after(after, limit - len(found))
        found += stretch.balances
        if stretch.last is None:
            return found, None
        looked_at += limit
        after = stretch.last
    return found, after


async def _file(
    service: Service,
    tenant: TenantId,
    definitions: list[Definition],
    as_of: AsOf,
    form: Format,
) -> Stream:
    """Everything, sent while it is read."""
    if len(_making) >= FILES_AT_ONCE:
        raise ProblemError(
            catalogue.TOO_MANY_REQUESTS,
            f"{FILES_AT_ONCE} files are being made already",
            headers={"Retry-After": RETRY_SECONDS},
        )
    dataset = DATASETS["balances"]
    try:
        writer = writer_of(form, dataset.fields)
    except ParquetMissingError as problem:
        raise ProblemError(catalogue.REQUEST_INVALID, str(problem)) from None

    async def make(give: Give) -> None:
        async with service.pool.acquire() as connection:
            asked = Asked(
                connection=connection,
                catalogue=service.catalogue,
                tenant=tenant,
                definitions=tuple(definitions),
                **as_of._asdict(),
            )
            begun = writer.begin()
            async for rows in dataset.rows(asked):
                # In a thread of its own, so that other callers are answered meanwhile.
                await give(begun + await asyncio.to_thread(writer.rows, rows))
                begun = b""
            await give(begun + await asyncio.to_thread(writer.end))

    pieces = Pieces(make, ended=_making.discard)
    _making.add(pieces)
    with reporting():
        await pieces.begin()
    return Stream(
        partial(pieces.every),
        media_type=writer.media_type,
        headers={"Content-Disposition": f'attachment; filename="balances.{form.value}"'},
    )
