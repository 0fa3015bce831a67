"""The demo's beginning and end: everything is started, the story is told, everything is stopped.

The one hard idea: the order of ending. Ctrl-C or a failure, whenever it comes, ends the service
first, then its Engage, which writes down what it holds; nothing but the folder is left.
"""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.markup import escape

from api.command_line.context import ASIDE, OUT
from api.configuration import load
from api.demonstration.doors import DoorError
from api.demonstration.engage import EngageError
from api.demonstration.folder import DemoFolder, FolderInUseError
from api.demonstration.programs import Program, ProgramEndedError, started, while_running
from api.demonstration.shop import Shop, open_shop
from api.demonstration.steps import Steps
from api.demonstration.story import Stage, shop_key, tell, tell_everything_again
from api.demonstration.summary import Addresses, show_addresses, show_summary

PORT: Final = 8080
ENGAGE_SAVES_SECONDS: Final = "2"
STAND_IN_READY: Final = " ready at "
SERVICE_READY: Final = "Listening on "

TROUBLE: Final = (DoorError, EngageError, ProgramEndedError)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the demo is wanted.

    Attributes:
        port: Where the service listens; None for the usual one, or a free one if that is taken.
        once: End after the summary.
        customers: How many of the shop's.
        batch: How many postings in one request.
        postgres: The major version of the service's own PostgreSQL.
    """

    folder: Path
    port: int | None
    once: bool
    customers: int
    batch: int
    postgres: int


@dataclass(frozen=True, slots=True)
class Cast:
    """The programs of the demo, all of them running."""

    service: Program
    engage: Program
    moengage: Program

    @property
    def all(self) -> tuple[Program, ...]:
        """Each of them."""
        return (self.service, self.engage, self.moengage)


async def demonstrate(wishes: Wishes, inherited: Mapping[str, str]) -> bool:
    """Run the demo; answers whether every proof holds.

    Args:
        wishes: How it is wanted.
        inherited: The environment; what it says of databases and secrets is not passed on.
    """
    end_at_signals()
    folder = DemoFolder(wishes.folder.resolve())
    try:
        with folder.opened():
            return await _demonstrate(wishes, folder, folder.environment(inherited))
    except FolderInUseError as problem:
        ASIDE.print(f"[red]Error:[/] {escape(str(problem))}", highlight=False)
    except OSError as problem:
        if problem.errno != errno.EACCES:
            raise
        ASIDE.print(f"[red]Error:[/] {escape(str(problem))}", highlight=False)
    except TROUBLE as problem:
        ASIDE.print(f"[red]The demo ended early:[/] {escape(str(problem))}", highlight=False)
        ASIDE.print(
            "Start it again: what was booked is kept and is not booked twice. What the programs "
            f"said is in {folder.path}.",
            highlight=False,
        )
    return False


async def _demonstrate(wishes: Wishes, folder: DemoFolder, environment: dict[str, str]) -> bool:
    steps = Steps(OUT)
    customers = folder.customers(wishes.customers)
    if customers > wishes.customers:
        OUT.print(f"These are the books of {customers:,} customers already, so the demo is too.")
    reading = asyncio.create_task(asyncio.to_thread(open_shop, customers))
    is_engage_whole = folder.engage_is_whole()
    async with contextlib.AsyncExitStack() as stack:
        with steps.step("Starting") as step:
            cast = await stack.enter_async_context(_cast(wishes, folder, environment))
            configuration = load(folder.configuration, environment)
            stage = Stage(
                folder, configuration, cast.service.address, cast.engage.address, wishes.batch
            )
            key = await while_running(cast.all, shop_key(stage))
            if not is_engage_whole:
                await while_running(cast.all, tell_everything_again(stage))
            shop = await reading
            step.say("Engage, MoEngage and the service")
        results = await while_running(cast.all, tell(stage, shop, key, steps))
        show_summary(OUT, results)
        where = Addresses(*(program.address for program in cast.all))
        if not wishes.once:
            await _stay(cast, where, key, shop)
        return results.hold


async def _stay(cast: Cast, where: Addresses, key: str, shop: Shop) -> None:
    """Keep everything running until somebody ends it."""
    show_addresses(OUT, where, key, shop.customers[0])
    OUT.print("All of it keeps running: Ctrl-C ends it, and `make demo` brings it back.")
    with contextlib.suppress(asyncio.CancelledError):
        await while_running(cast.all, asyncio.Event().wait())
    OUT.print("Stopping …")


@contextlib.asynccontextmanager
async def _cast(
    wishes: Wishes, folder: DemoFolder, environment: dict[str, str]
) -> AsyncIterator[Cast]:
    """All programs, started in the order in which they need each other."""
    async with (
        _engage(folder, environment) as engage,
        started(
            *("MoEngage", "sandbox.moengage", "--with-parent"),
            log=folder.log("moengage"),
            environment=environment,
        ) as moengage,
    ):
        await engage.ready(STAND_IN_READY)
        folder.write_configuration(engage.address, wishes.postgres)
        async with started(
            *("The service", "api", "--config", str(folder.configuration)),
            *("serve", "--migrate", "--with-parent", "--port", str(_port(wishes.port))),
            log=folder.log("service"),
            environment=environment,
        ) as service:
            await service.ready(SERVICE_READY)
            await moengage.ready(STAND_IN_READY)
            yield Cast(service, engage, moengage)


@contextlib.asynccontextmanager
async def _engage(folder: DemoFolder, environment: dict[str, str]) -> AsyncIterator[Program]:
    """The stand-in Engage, with what it held before; noted in the end is if it kept it all."""
    folder.write_engage_settings()
    folder.note_engage(is_whole=False)
    program = None
    try:
        async with started(
            *("Engage", "sandbox.engage", "--with-parent"),
            *("--config", str(folder.engage_settings), "--state", str(folder.engage_state)),
            *("--save-seconds", ENGAGE_SAVES_SECONDS),
            log=folder.log("engage"),
            environment=environment,
        ) as program:
            yield program
    finally:
        if program is not None and program.process.returncode == 0:
            folder.note_engage(is_whole=True)


def _port(wanted: int | None) -> int:
    """The port to ask for; 0 is any that is free."""
    if wanted is not None:
        return wanted
    with socket.socket() as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(("127.0.0.1", PORT))
        except OSError:
            return 0
    return PORT


def end_at_signals() -> None:
    """Let Ctrl-C, SIGTERM or a closed terminal end the demo from within, what it started first."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if task is not None:
            loop.add_signal_handler(number, task.cancel)
