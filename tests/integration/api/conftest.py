"""A house for each module of tests, with a contact of each test's own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
import pytest_asyncio

from ledger.postgres import Server
from tests.conftest import FOLDER, TEMPLATE, create_database, drop_database, ensure_template
from tests.doors.house import House, configuration_of, open_house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_doors(postgres: Server, pytestconfig: pytest.Config) -> AsyncIterator[House]:
    """The service, with two tenants and no Engage, for all tests of a module."""
    await ensure_template(postgres, pytestconfig.stash[FOLDER] / "template.lock")
    name = f"test_{uuid4().hex}"
    database = await create_database(postgres, name, TEMPLATE)
    async with open_house(configuration_of(database)) as found:
        yield found
    await drop_database(postgres, name)


@pytest.fixture
def house(open_doors: House) -> House:
    """The module's service, and a contact nobody posted for yet."""
    return replace(open_doors, contact=uuid4())
