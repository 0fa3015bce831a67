"""Finding a contact by its member number."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents.examples import CONTACT
from api.documents.requests import MEMBER_NUMBER_LENGTH_MAX, MemberNumber
from api.intake import checks
from api.intake.members import FIELD
from api.intake.query import read_query
from api.openapi.operation import Answer, Operation, Parameter, described
from api.problems import catalogue
from api.problems.problem import ProblemError
from api.service import service_of


class ContactDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whose a member number is."""

    contact_id: UUID
    member_number: str


FIND: Final = Operation(
    id="findContact",
    tag="Contacts",
    summary="Find a contact by its member number",
    description=(
        "As Engage says, or said in the last day. Whoever posts can also name a contact by "
        "`memberNumber` right away."
    ),
    scope=Scope.BALANCES_READ,
    parameters=(
        Parameter(FIELD, "query", MemberNumber, "The number.", required=True, example="10042"),
    ),
    answers=(
        Answer(
            200,
            "The contact.",
            ContactDocument,
            example={"contactId": CONTACT, "memberNumber": "10042"},
        ),
    ),
    problems=(
        catalogue.REQUEST_INVALID,
        catalogue.MEMBER_UNKNOWN,
        catalogue.MEMBER_AMBIGUOUS,
        catalogue.MEMBERS_UNAVAILABLE,
    ),
)


@get("/v1/contacts", guards=[needs(Scope.BALANCES_READ)], opt=described(FIND))
async def find_contact(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show whose a member number is."""
    service, tenant = service_of(request), bearer_of(request).tenant
    known = {FIELD: checks.text(MEMBER_NUMBER_LENGTH_MAX)}
    number = read_query(request, known, required=FIELD)[FIELD]
    found = (await service.members.find(tenant, [number]))[number]
    if isinstance(found, ProblemError):
        raise found
    return answer(ContactDocument(contact_id=found, member_number=number))
