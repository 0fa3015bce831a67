"""One occurrence of a problem: raised by whoever finds it, answered as `application/problem+json`.

The one hard idea: a problem carries everything its document says, so the place that answers knows
nothing of the place that refused. Nothing of a stack or a query ever enters one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from api.problems.catalogue import REQUEST_INVALID, ProblemType, of_rule
from api.problems.fields import FieldError
from ledger.outcomes import Refused

MEDIA_TYPE: Final = "application/problem+json"

ERRORS_MAX: Final = 100
"""Fields named in one answer; a body can have any number of unknown ones."""


class ProblemDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The answer to a request that could not be fulfilled (RFC 9457).

    Attributes:
        type: Where the problem is explained, relative to the service.
        detail: What is the matter this time.
        request_id: What to tell whoever runs the service; also in the `X-Request-Id` header.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    request_id: str | None = None


class ProblemError(Exception):
    """A request can't be fulfilled, and this is the answer."""

    def __init__(
        self,
        problem: ProblemType,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.errors = tuple(errors[:ERRORS_MAX])
        self.headers = dict(headers or {})

    def document(self, request_id: str | None = None) -> ProblemDocument:
        """What is answered."""
        return ProblemDocument(
            type=self.problem.uri,
            title=self.problem.title,
            status=self.problem.status,
            code=self.problem.code,
            detail=self.detail,
            errors=self.errors,
            request_id=request_id,
        )


def invalid(errors: Sequence[FieldError]) -> ProblemError:
    """The problem of a request with wrong fields."""
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    detail = f"{first.field or 'the body'} {first.message}{more}"
    return ProblemError(REQUEST_INVALID, detail, errors=errors)


def refused(refusal: Refused) -> ProblemError:
    """The problem of a request that the books refused."""
    problem = of_rule(refusal.code)
    if refusal.field is None:
        return ProblemError(problem, refusal.message)
    error = FieldError(refusal.field, refusal.code, refusal.message)
    return ProblemError(problem, f"{refusal.field} {refusal.message}", errors=[error])
