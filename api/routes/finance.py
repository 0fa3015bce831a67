"""What the controller closes the month on."""

from typing import Any, Final

from litestar import Request, Response, get

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents.finance import TrialBalanceDocument, trial_balance_document
from api.intake.query import read_query
from api.openapi.operation import Answer, Operation, described
from api.problems.catalogue import REQUEST_INVALID
from api.service import service_of
from ledger.trial_balance import trial_balance

GET_TRIAL_BALANCE: Final = Operation(
    id="getTrialBalance",
    tag="Finance",
    summary="Read the trial balance",
    description=(
        "Every ledger account of every definition at this instant. The holders' side comes from "
        "the stored balances and the program's from its own books, so a difference of zero is a "
        "finding."
    ),
    scope=Scope.FINANCE_READ,
    answers=(
        Answer(
            200,
            "The trial balance.",
            TrialBalanceDocument,
            example={
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
            },
        ),
    ),
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
    read_query(request, {})
    async with service.pool.acquire() as connection:
        trial = await trial_balance(connection, service.catalogue, tenant)
    return answer(trial_balance_document(trial, service.catalogue))
