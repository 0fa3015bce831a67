"""What the controller closes the month on: trial balance, roll-forward, ageing.

The one hard idea: each report is answered as of any instant of both time axes, so that what was
reported once can be asked for again, and be the same, years later.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from msgspec import Meta

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents import finance_examples as examples
from api.documents.finance import (
    AgeingDocument,
    RollForwardDocument,
    TrialBalanceDocument,
    ageing_document,
    roll_forward_document,
    trial_balance_document,
)
from api.documents.forms import Instant
from api.intake.as_of import (
    AS_OF_CHECKS,
    EFFECTIVE_AT,
    RECORDED_AT,
    instant,
    read_as_of,
    read_instant,
    unknown_yet,
)
from api.intake.checks import Finding
from api.intake.query import read_query
from api.openapi.operation import Answer, Operation, Parameter, described
from api.problems.catalogue import REQUEST_INVALID
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import invalid
from api.service import service_of
from ledger.ageing import BANDS_MAX, DAYS, ageing
from ledger.reading_as_of import FutureRecordError
from ledger.roll_forward import PeriodEmptyError, roll_forward
from ledger.trial_balance import trial_balance

DAYS_MAX: Final = 36_500

FROM: Final = Parameter(
    "from",
    "query",
    Instant,
    "The first instant of the period.",
    required=True,
    example="2026-10-31T23:00:00Z",
)
UNTIL: Final = Parameter(
    "until",
    "query",
    Instant,
    "The first instant after the period; may lie ahead.",
    required=True,
    example="2026-11-30T23:00:00Z",
)
BANDS: Final = Parameter(
    "days",
    "query",
    Annotated[str, Meta(pattern="^[1-9][0-9]{0,4}(,[1-9][0-9]{0,4})*$", max_length=120)],
    f"Where bands end, in days, rising; {','.join(map(str, DAYS))} if left out.",
    example="30,90,180,365",
)

GET_TRIAL_BALANCE: Final = Operation(
    id="getTrialBalance",
    tag="Finance",
    summary="Read the trial balance",
    description=(
        "Every ledger account of every definition, now or as of any instant, as the books know it "
        "now or knew it then. The holders' side comes from the stored balances and the program's "
        "from its own books, so a difference of zero is a finding."
    ),
    scope=Scope.FINANCE_READ,
    parameters=(EFFECTIVE_AT, RECORDED_AT),
    answers=(
        Answer(200, "The trial balance.", TrialBalanceDocument, example=examples.TRIAL_BALANCE),
    ),
    problems=(REQUEST_INVALID,),
)

GET_ROLL_FORWARD: Final = Operation(
    id="getRollForward",
    tag="Finance",
    summary="Read how points rolled forward over a period",
    description=(
        "What contacts had at the start, what was issued, redeemed, lapsed, adjusted, brought in, "
        "moved and closed, and what they had at the end. Opening and closing are trial balances, "
        "the movements are summed from the transfers, so a difference of zero is a finding. The "
        "period ends just before `until`, and what was due by then counts as booked."
    ),
    scope=Scope.FINANCE_READ,
    parameters=(FROM, UNTIL, RECORDED_AT),
    answers=(Answer(200, "The roll-forward.", RollForwardDocument, example=examples.ROLL_FORWARD),),
    problems=(REQUEST_INVALID,),
)

GET_AGEING: Final = Operation(
    id="getAgeing",
    tag="Finance",
    summary="Read how old points are and how soon they lapse",
    description=(
        "Outstanding points in bands of days, by the time since they were issued and by the time "
        "until they lapse. Points on hold and debt are told apart. Moved points count from their "
        "move."
    ),
    scope=Scope.FINANCE_READ,
    parameters=(EFFECTIVE_AT, RECORDED_AT, BANDS),
    answers=(Answer(200, "The ageing.", AgeingDocument, example=examples.AGEING),),
    problems=(REQUEST_INVALID,),
)


@get(
    "/v1/finance/trial-balance",
    guards=[needs(Scope.FINANCE_READ)],
    opt=described(GET_TRIAL_BALANCE),
)
async def get_trial_balance(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read the trial balance."""
    service, tenant = service_of(request), bearer_of(request).tenant
    as_of = read_as_of(read_query(request, AS_OF_CHECKS))
    async with service.pool.acquire() as connection:
        with reporting():
            trial = await trial_balance(connection, service.catalogue, tenant, **as_of._asdict())
    return answer(trial_balance_document(trial, service.catalogue))


@get(
    "/v1/finance/roll-forward",
    guards=[needs(Scope.FINANCE_READ)],
    opt=described(GET_ROLL_FORWARD),
)
async def get_roll_forward(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read a roll-forward."""
    service, tenant = service_of(request), bearer_of(request).tenant
    known = {"from": instant, "until": instant, "recordedAt": AS_OF_CHECKS["recordedAt"]}
    query = read_query(request, known)
    missing = [name for name in ("from", "until") if name not in query]
    if missing:
        raise invalid([FieldError(name, FieldCode.MISSING, "is missing") for name in missing])
    async with service.pool.acquire() as connection:
        with reporting():
            rolled = await roll_forward(
                connection,
                service.catalogue,
                tenant,
                read_instant(query["from"]),
                read_instant(query["until"]),
                recorded_at=read_as_of(query).recorded_at,
            )
    return answer(roll_forward_document(rolled, service.catalogue))


@get(
    "/v1/finance/ageing",
    guards=[needs(Scope.FINANCE_READ)],
    opt=described(GET_AGEING),
)
async def get_ageing(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read an ageing."""
    service, tenant = service_of(request), bearer_of(request).tenant
    query = read_query(request, {**AS_OF_CHECKS, "days": bands})
    as_of = read_as_of(query)
    days = [int(day) for day in query["days"].split(",")] if "days" in query else DAYS
    async with service.pool.acquire() as connection:
        with reporting():
            aged = await ageing(connection, service.catalogue, tenant, days=days, **as_of._asdict())
    return answer(ageing_document(aged, service.catalogue))


def bands(value: object) -> Finding | None:
    """The ends of bands written in an address: `30,90`."""
    days = str(value).split(",")
    if not all(
        day.isascii() and day.isdecimal() and len(day) <= len(str(DAYS_MAX)) for day in days
    ):
        return FieldCode.OUT_OF_RANGE, "must be whole numbers of days parted by commas"
    numbers = [int(day) for day in days]
    if len(days) > BANDS_MAX or numbers != sorted(set(numbers)):
        return FieldCode.OUT_OF_RANGE, f"must be at most {BANDS_MAX} rising numbers"
    if not 1 <= numbers[0] <= numbers[-1] <= DAYS_MAX:
        return FieldCode.OUT_OF_RANGE, f"must be from 1 to {DAYS_MAX}"
    return None


@contextmanager
def reporting() -> Iterator[None]:
    """Turn what a report may refuse into its problem."""
    try:
        yield
    except FutureRecordError:
        raise unknown_yet() from None
    except PeriodEmptyError:
        error = FieldError("until", FieldCode.OUT_OF_RANGE, "must be later than from")
        raise invalid([error]) from None
