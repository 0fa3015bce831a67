"""Closing periods, and seeing what is closed.

The one hard idea: closing is for good, so asking for the same again is no mistake: whoever lost the
answer asks once more and gets it.
"""

from typing import Any, Final

from litestar import Request, Response, get, post

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents import finance_examples as examples
from api.documents.periods import (
    ClosePeriodRequest,
    PeriodDocument,
    PeriodsDocument,
    period_document,
)
from api.intake import checks
from api.intake.bodies import json_body
from api.intake.query import read_query
from api.intake.small import read_small
from api.openapi.operation import Answer, Body, Operation, described
from api.problems import catalogue
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid
from api.service import service_of
from ledger.periods import PeriodError, periods_of

BODY_BYTES_MAX: Final = 1024

LIST_PERIODS: Final = Operation(
    id="listPeriods",
    tag="Finance",
    summary="List the periods that are closed",
    description="Up to where the books were closed, and when; the latest first.",
    scope=Scope.FINANCE_READ,
    answers=(Answer(200, "All.", PeriodsDocument, example={"periods": [examples.PERIOD]}),),
    problems=(catalogue.REQUEST_INVALID,),
)

CLOSE_PERIOD: Final = Operation(
    id="closePeriod",
    tag="Finance",
    summary="Close a period",
    description=(
        "Closes the books up to an instant, for good. What falls due before it is booked first, "
        "while postings wait. What happened before it and comes later is booked at that "
        "instant with its true time beside it, or refused where it is `strict`. Asking for what "
        "was closed last is answered as it was."
    ),
    scope=Scope.FINANCE_CLOSE,
    body=Body(ClosePeriodRequest, {"october": {"until": "2026-11-01T00:00:00+01:00"}}),
    answers=(
        Answer(201, "Closed.", PeriodDocument, example=examples.PERIOD),
        Answer(200, "Closed already, by an earlier request.", PeriodDocument),
    ),
    problems=(
        catalogue.JSON_INVALID,
        catalogue.REQUEST_INVALID,
        catalogue.BODY_TOO_LARGE,
        catalogue.MEDIA_TYPE_UNSUPPORTED,
        catalogue.PERIOD_NOT_CLOSABLE,
    ),
)


@get("/v1/finance/periods", guards=[needs(Scope.FINANCE_READ)], opt=described(LIST_PERIODS))
async def list_periods(request: Request[Any, Any, Any]) -> Response[bytes]:
    """List what is closed."""
    service, tenant = service_of(request), bearer_of(request).tenant
    read_query(request, {})
    async with service.pool.acquire() as connection:
        found = await periods_of(connection, tenant)
    return answer(PeriodsDocument(tuple(period_document(one) for one in found)))


@post(
    "/v1/finance/periods",
    guards=[needs(Scope.FINANCE_CLOSE)],
    request_max_body_size=BODY_BYTES_MAX,
    opt=described(CLOSE_PERIOD),
)
async def close_period(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Close a period."""
    service, tenant = service_of(request), bearer_of(request).tenant
    wish = read_small(await json_body(request), ClosePeriodRequest)
    if not checks.in_range(wish.until):
        error = FieldError("until", FieldCode.TIME_OUT_OF_RANGE, checks.OUT_OF_RANGE_SENTENCE)
        raise invalid([error])
    try:
        await service.books.close_period(tenant, wish.until)
    except PeriodError as problem:
        async with service.pool.acquire() as connection:
            latest = (await periods_of(connection, tenant))[:1]
        if latest and latest[0].closed_until == wish.until:
            return answer(period_document(latest[0]), 200)
        raise ProblemError(catalogue.PERIOD_NOT_CLOSABLE, str(problem)) from None
    async with service.pool.acquire() as connection:
        found = await periods_of(connection, tenant)
    closed = next(one for one in found if one.closed_until == wish.until)
    return answer(period_document(closed), 201)
