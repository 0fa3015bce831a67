"""What a handler says of itself: the operation it performs, for people and for generated clients.

The one hard idea: the ids are a contract. Generated clients name their methods after them, so an id
is never changed and never used again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from api.access.scopes import Scope
from api.answers import JSON
from api.problems.catalogue import ProblemType

OPERATION: Final = "operation"
"""Under which name a handler keeps its operation."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value in the address or a header.

    Attributes:
        where: `path`, `query` or `header`.
        form: A type whose JSON schema describes the value.
    """

    name: str
    where: str
    form: Any
    description: str = ""
    required: bool = False
    example: object = None


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent.

    Attributes:
        form: A type whose JSON schema describes it.
        examples: By name; the first is the one to try.
    """

    form: Any
    examples: Mapping[str, object] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back when all is well."""

    status: int
    description: str
    form: Any = None
    media_type: str = JSON
    example: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the doors can do.

    Attributes:
        scope: What a key needs; `None` where none is asked for.
        problems: What can go wrong beside what can with every request.
    """

    id: str
    tag: str
    summary: str
    description: str
    answers: tuple[Answer, ...]
    scope: Scope | None = None
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    problems: tuple[ProblemType, ...] = ()
    security: str = "key"


def described(operation: Operation) -> dict[str, Any]:
    """What a handler is given as its options."""
    return {OPERATION: operation}
