"""The description of the doors: complete, stable, and readable without the internet."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.application import HANDLERS, PAGES, operations
from api.documents.requests import REQUESTS
from api.openapi.document import build_document, problems_of
from api.openapi.operation import OPERATION
from api.openapi.page import POLICY, render_page, render_problem
from api.openapi.schemas import split_docstring
from api.problems.catalogue import CATALOGUE

DOCUMENT = build_document(operations(), version="0")
PAGE = render_page(DOCUMENT).decode()


def test_operation_ids_are_a_contract() -> None:
    """Generated clients name their methods after them: none is ever changed or taken away."""
    ids = [operation.id for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    assert set(ids) == {
        "closePeriod",
        "closeContact",
        "eraseContact",
        "eraseRelayCustomers",
        "explainContactPoints",
        "explainTransaction",
        "findContact",
        "getAdjustment",
        "getAgeing",
        "getContactBalances",
        "getLiveness",
        "getMetrics",
        "getPointsLog",
        "getPointsLogByPath",
        "getPointsLogByToken",
        "getPointsLogByTokenAndPath",
        "getReadiness",
        "getRelayEvent",
        "getRelayStatus",
        "getRollForward",
        "getSyncRun",
        "getSyncStatus",
        "getTransaction",
        "getTransactionByKey",
        "getTrialBalance",
        "greetRelaySource",
        "greetRelaySourceByToken",
        "listAccountBalances",
        "listAdjustments",
        "listGoneContacts",
        "listParked",
        "listSyncDifferences",
        "listSyncPauses",
        "pauseSync",
        "readSyncRecord",
        "rehearseSync",
        "resumeSync",
        "retryParked",
        "listContactHolds",
        "listContactLots",
        "listContactTransactions",
        "listPeriods",
        "listRelayEvents",
        "listSyncBatches",
        "listSyncRuns",
        "mergeContact",
        "postSyncRun",
        "postTransaction",
        "postTransactionBatch",
        "receiveEngageWebhook",
        "receiveRelayMessage",
        "receiveRelayMessageByToken",
        "dismissAdjustment",
        "replayAdjustment",
        "replayAdjustments",
        "replayRelayEvent",
        "replayRelayEvents",
        "resumeRelayDestination",
        "tellRelayCustomers",
    }


def test_every_door_is_described() -> None:
    assert all(OPERATION in handler.opt for handler in HANDLERS)
    assert {path for page in PAGES for path in page.paths} == {
        "/openapi.json",
        "/docs",
        "/problems/{code:str}",
    }


def test_nothing_is_open_but_health_and_what_engage_and_vendors_prove_themselves_to() -> None:
    unguarded = {path for _, path, operation in operations() if operation.scope is None}
    assert {path for path in unguarded if not path.startswith(("/engage/", "/relay/"))} == {
        "/health/live",
        "/health/ready",
    }


def test_a_transaction_is_told_apart_by_its_kind() -> None:
    body = DOCUMENT["paths"]["/v1/transactions"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert schema["discriminator"]["propertyName"] == "kind"
    assert list(schema["discriminator"]["mapping"]) == list(REQUESTS)
    assert set(REQUESTS) == {
        *{"earn", "redeem", "hold", "capture", "release", "return", "cancel", "adjust", "move"},
        *{"activate", "extend", "close"},
    }


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))
    assert references == set(DOCUMENT["components"]["schemas"])


def test_every_property_of_what_is_sent_is_explained() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema["description"], name
        if name.endswith("Request"):
            for field, form in schema["properties"].items():
                said = "description" in form or field in {"kind", "allowDebt", "atomic"}
                assert said or "$ref" in form or "anyOf" in form or field == "transactions", field


@pytest.mark.parametrize(
    ("form", "example"),
    [
        (answer.form, answer.example)
        for _, _, operation in operations()
        for answer in operation.answers
        if answer.example is not None and answer.form is not None
    ],
)
def test_examples_of_answers_fit_their_form(form: Any, example: object) -> None:
    # As JSON, for amounts are kept as they are written.
    msgspec.json.decode(json.dumps(example), type=form)


def test_every_operation_says_what_can_go_wrong_with_it() -> None:
    for _, _, operation in operations():
        codes = {problem.code for problem in problems_of(operation)}
        assert {"internal", "unavailable", "too_many_requests"} <= codes
        assert ({"unauthenticated", "scope_missing"} <= codes) is (operation.scope is not None)


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    assert "<script" not in PAGE
    assert "default-src 'none'" in POLICY
    links = re.findall(r"(?:src|href|url)\s*[=(]\s*['\"]?([^'\")\s>]+)", PAGE)
    assert [link for link in links if not link.startswith(("#", "/"))] == []


def test_the_page_tells_of_every_operation_and_problem() -> None:
    for _, path, operation in operations():
        assert f"id='{operation.id}'" in PAGE
        assert path in PAGE
    for problem in CATALOGUE.values():
        assert f"id='{problem.code}'" in PAGE
        assert problem.code in render_problem(problem).decode()


def test_the_page_is_wellformed_around_what_it_shows() -> None:
    for tag in ("section", "details", "table", "pre", "code", "main", "nav", "dl"):
        assert len(re.findall(rf"<{tag}[ >]", PAGE)) == PAGE.count(f"</{tag}>"), tag


def test_the_styles_file_is_part_of_the_package() -> None:
    assert (Path(render_page.__code__.co_filename).parent / "page.css").is_file()


def test_docstrings_become_descriptions() -> None:
    text, attributes = split_docstring(
        """What it is,
        over two lines.

        More of it.

        Attributes:
            row_count: The rows,
                all of them.
            part, whole: Amounts.
        """
    )
    assert text == "What it is, over two lines.\n\nMore of it."
    assert attributes == [
        ("rowCount", "The rows, all of them."),
        ("part", "Amounts."),
        ("whole", "Amounts."),
    ]
