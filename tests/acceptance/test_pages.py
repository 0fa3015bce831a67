"""The pages as a person sees them: in a real browser, with no network but this machine's."""

import shutil
from collections.abc import AsyncIterator
from typing import Literal
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from ledger.postgres import Server
from sandbox.launch import launched
from tests.conftest import FOLDER, TEMPLATE, create_database, drop_database, ensure_template
from tests.doors.house import configuration_of, open_house

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.any_postgres,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


class Visit:
    """A page, with what it complained of and what it asked of others."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.abroad: list[str] = []
        self._address = address
        page.on("console", self._note)
        page.on("pageerror", lambda problem: self.complaints.append(str(problem)))
        page.on("request", self._follow)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _follow(self, request: Request) -> None:
        if not request.url.startswith((self._address, "data:")):
            self.abroad.append(request.url)

    async def open(self, path: str = "/") -> None:
        answer = await self.page.goto(self._address + path)
        assert answer is not None
        assert answer.status == 200

    async def is_wider_than_its_window(self) -> bool:
        wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"
        )
        return wide


async def test_the_description_of_the_doors_reads_without_the_internet(
    browser: Browser, postgres: Server, pytestconfig: pytest.Config
) -> None:
    await ensure_template(postgres, pytestconfig.stash[FOLDER] / "template.lock")
    name = f"test_{uuid4().hex}"
    database = await create_database(postgres, name, TEMPLATE)
    async with open_house(configuration_of(database)) as house:
        visit = Visit(await browser.new_page(), house.address)
        await visit.open("/docs")
        assert await visit.page.get_by_text("Post a transaction", exact=True).count()
        assert await visit.page.get_by_text("/v1/transactions/batch").count()
        await visit.page.set_viewport_size({"width": 420, "height": 800})
        assert not await visit.is_wider_than_its_window()
        await visit.open("/problems/insufficient_points")
        assert "insufficient_points" in await visit.page.content()
        assert visit.complaints == []
        assert visit.abroad == []
    await drop_database(postgres, name)


@pytest.mark.parametrize("platform", ["engage", "moengage"])
async def test_a_stand_in_shows_what_it_holds(
    browser: Browser, platform: Literal["engage", "moengage"]
) -> None:
    with launched(platform) as stand_in:
        visit = Visit(await browser.new_page(), stand_in.address)
        await visit.open()
        assert await visit.page.get_by_role("heading").count() > 1
        assert visit.complaints == []
        assert visit.abroad == []
