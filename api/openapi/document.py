"""The OpenAPI 3.1 document, made of the handlers' operations and the very structs they use.

The one hard idea: nothing is described twice. Schemas come from the structs, problems from the
catalogue, scopes from the operations; so a description can be incomplete but not wrong.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from api.openapi.operation import Answer, Operation, Parameter
from api.openapi.schemas import Schemas
from api.problems.catalogue import (
    INTERNAL,
    SCOPE_MISSING,
    TOO_MANY_REQUESTS,
    UNAUTHENTICATED,
    UNAVAILABLE,
    ProblemType,
)
from api.problems.problem import MEDIA_TYPE, ProblemDocument

ALWAYS: Final = (TOO_MANY_REQUESTS, INTERNAL, UNAVAILABLE)
"""What can go wrong with any request."""

SECURITY: Final[dict[str, dict[str, Any]]] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "pm_<id>_<secret>",
        "description": "An API key, made with `pointmaster keys create`. It belongs to one tenant.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "svix-signature",
        "description": "The Svix signature of the body, by the tenant's signing secret.",
    },
    "pointsLog": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "As the tenant is configured: a header, Basic, or part of the address.",
    },
    "vendor": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "As the source is configured: Basic, Bearer, a header or a signature.",
    },
}

DESCRIPTION: Final = """\
The books of record for loyalty points. Every amount is exact, every posting is safe to repeat, and
every refusal says which field and which rule.

Send `Authorization: Bearer pm_…` with each request. Errors are `application/problem+json`
(RFC 9457); programs branch on their `code`, which never changes. Every answer carries
`X-Request-Id`; send your own to find a request again in both logs.
"""

Described = Iterable[tuple[str, str, Operation]]
"""Method (lower case), path as OpenAPI writes it, and operation."""


def build_document(described: Described, *, version: str) -> dict[str, Any]:
    """The document of these operations."""
    operations = list(described)
    schemas = Schemas(_forms(operations))
    paths: dict[str, dict[str, Any]] = {}
    for method, path, operation in operations:
        paths.setdefault(path, {})[method] = _operation(operation, schemas)
    tags = dict.fromkeys(operation.tag for _, _, operation in operations)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pointmaster",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": schemas.components, "securitySchemes": SECURITY},
    }


def problems_of(operation: Operation) -> list[ProblemType]:
    """Everything that can go wrong with an operation, by status."""
    asked = (UNAUTHENTICATED, SCOPE_MISSING) if operation.scope else ()
    found = dict.fromkeys((*operation.problems, *asked, *ALWAYS))
    return sorted(found, key=lambda problem: problem.status)


def _forms(operations: list[tuple[str, str, Operation]]) -> list[Any]:
    forms: list[Any] = [ProblemDocument]
    for _, _, operation in operations:
        forms += [parameter.form for parameter in operation.parameters]
        forms += [answer.form for answer in operation.answers if answer.form is not None]
        if operation.body is not None:
            forms.append(operation.body.form)
    return forms


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": _description(operation),
        "parameters": [_parameter(one, schemas) for one in operation.parameters],
        "responses": _responses(operation, schemas),
        "security": [] if operation.security == "none" else [{operation.security: []}],
    }
    body = operation.body
    if body is not None:
        found["requestBody"] = {
            "required": True,
            "description": body.description,
            "content": {
                "application/json": {
                    "schema": schemas.of(body.form),
                    "examples": {name: {"value": value} for name, value in body.examples.items()},
                }
            },
        }
    return found


def _description(operation: Operation) -> str:
    if operation.scope is None:
        return operation.description
    return f"{operation.description}\n\nScope: `{operation.scope}`."


def _parameter(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.required,
        "description": parameter.description,
        "schema": schemas.of(parameter.form),
    }
    if parameter.example is not None:
        found["example"] = parameter.example
    return found


def _responses(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for answer in operation.answers:
        one = _answer(answer, schemas)
        known = found.setdefault(str(answer.status), one)
        if known is not one:
            # The same answer in another form.
            known["content"] |= one["content"]
    by_status: dict[int, list[ProblemType]] = {}
    for problem in problems_of(operation):
        by_status.setdefault(problem.status, []).append(problem)
    for status, problems in by_status.items():
        found[str(status)] = _problem_response(status, problems, schemas.of(ProblemDocument))
    return found


def _answer(answer: Answer, schemas: Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.description}
    if answer.form is not None:
        content: dict[str, Any] = {"schema": schemas.of(answer.form)}
        if answer.example is not None:
            content["example"] = answer.example
        found["content"] = {answer.media_type: content}
    if answer.headers:
        found["headers"] = _headers(answer.headers)
    return found


def _headers(headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in headers.items()
    }


def _problem_response(
    status: int, problems: list[ProblemType], schema: dict[str, Any]
) -> dict[str, Any]:
    codes = ", ".join(f"`{problem.code}`" for problem in problems)
    return {
        "description": f"{HTTPStatus(status).phrase}: {codes}.",
        "content": {
            MEDIA_TYPE: {
                "schema": schema,
                "examples": {
                    problem.code: {
                        "summary": problem.title,
                        "value": {
                            "type": problem.uri,
                            "title": problem.title,
                            "status": problem.status,
                            "code": problem.code,
                            "detail": problem.explanation.partition(". ")[0].rstrip("."),
                        },
                    }
                    for problem in problems
                },
            }
        },
    }
