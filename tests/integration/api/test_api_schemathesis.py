"""The whole description, tried: whatever is sent, answers are as described and never a 500.

Schemathesis makes the requests, good and bad ones; the service runs behind real HTTP in a thread of
its own, so that the tests need not know of its loop.
"""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, Self
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.access.scopes import Scope
from api.application import operations
from api.openapi.document import build_document
from ledger.postgres import Server
from sync.engage import EngageOptions, EngageSecrets, EngageSettings
from sync.secret import Secret
from tests.conftest import FOLDER, TEMPLATE, create_database, drop_database, ensure_template
from tests.doors.house import configuration_of, open_house

pytestmark = pytest.mark.any_postgres

SCHEMA = schemathesis.openapi.from_dict(build_document(operations(), version="0"))

EXAMPLES = 15
"""Requests for each operation."""

ENGAGE = EngageSettings(
    # A port that nobody listens on: runs end in trouble, at once.
    options=EngageOptions(base_url="http://127.0.0.1:9", connect_seconds=1),
    secrets=EngageSecrets(
        api_key=Secret("key"),
        encryption_keys=(Secret("k" * 32),),
        signing_secrets=(Secret("whsec_c2VjcmV0"),),
    ),
)


class Running:
    """A house in a thread of its own."""

    def __init__(self, server: Server, config: pytest.Config) -> None:
        self._server = server
        self._config = config
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))
        self.address = ""
        self.key = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await ensure_template(self._server, self._config.stash[FOLDER] / "template.lock")
        name = f"test_{uuid4().hex}"
        database = await create_database(self._server, name, TEMPLATE)
        async with open_house(configuration_of(database, ENGAGE)) as house:
            self.address, self.key = house.address, await house.key(Scope.ADMIN)
            self._up.set()
            await self._stop.wait()
        await drop_database(self._server, name)


@pytest.fixture(scope="module")
def running(postgres: Server, pytestconfig: pytest.Config) -> Iterator[Running]:
    with Running(postgres, pytestconfig) as found:
        yield found


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_answers_as_it_is_described(case: Any, running: Running) -> None:
    response = case.call(
        base_url=running.address, headers={"Authorization": f"Bearer {running.key}"}
    )
    # Whoever names a contact by its member number hears that Engage can't be asked: it isn't there.
    is_for_engage = b'"code":"members_unavailable"' in response.content
    case.validate_response(
        response,
        checks=[
            *(() if is_for_engage else (not_a_server_error,)),
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )
