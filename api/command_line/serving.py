"""`pointmaster serve`: the service, until it is told to stop.

The one hard idea: the order of dying. At SIGTERM or SIGINT the service says it is not ready, takes
no new connections, lets requests under way end, then closes what it opened in the reverse order;
a second signal cuts requests off but still closes the books and the database properly. Whoever
starts the service as a child may hold its standard input and ask it to stop when that is closed,
so that it never outlives a parent that was killed.

With `--workers` this process answers nobody itself: it keeps as many of the same alive as are asked
for, on one socket (`api.supervising`).
"""

import asyncio
import os
import signal
import socket
import sys
from importlib.metadata import version

import click

from api.command_line.context import ASIDE, OUT, Told, run
from api.configuration import Configuration
from api.garbage import look_seldom
from api.listening import CanNotListenError, Server, address_of, open_socket, server_of
from api.log import begin_log
from api.service import Role, Service, open_service
from api.siblings import answering_siblings
from api.supervising import Supervisor, WorkerEndedError, say_ready
from ledger.postgres import Database

WORKERS_MAX = 64
"""Of one parent; more of them than processors are of no use."""


@click.command()
@click.option("--host", help="Where to listen, instead of service.host.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Instead of service.port.")
@click.option("--migrate", "upgrade", is_flag=True, help="Migrate the database first.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.ALL.value,
    show_default=True,
    help="Answer at the doors, run the schedules, or both.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_MAX),
    default=1,
    show_default=True,
    help="Processes that answer at the doors, on one port; one that dies is started again.",
)
@click.option("--as-worker", type=int, nargs=2, hidden=True)
@click.option(
    "--with-parent", is_flag=True, help="Stop when the standard input is closed, as by a signal."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is logged to the standard error; `debug` has a line for every request.",
)
@click.pass_obj
def serve(
    told: Told,
    host: str | None,
    port: int | None,
    role: str,
    log_level: str,
    workers: int,
    as_worker: tuple[int, int] | None,
    *,
    upgrade: bool,
    with_parent: bool,
) -> None:
    """Run the service."""
    configuration = told.configuration()
    begin_log(log_level)
    if as_worker is not None:
        run(_work(configuration, Role(role), *as_worker))
        return
    section = configuration.service
    listening = None
    if Role(role) is not Role.WORKER:
        try:
            listening = open_socket(host or section.host, section.port if port is None else port)
        except CanNotListenError as problem:
            raise click.ClickException(str(problem)) from None
    if workers == 1:
        run(_serve(configuration, Role(role), listening, upgrade=upgrade, with_parent=with_parent))
        return
    if listening is None:
        raise click.UsageError("--workers are for the doors: of --role worker one is enough")
    command = ["-c", told.path, "serve", "--role", role, "--log-level", log_level]
    supervisor = Supervisor(configuration, workers, listening, command)
    try:
        run(
            _supervise(
                supervisor,
                configuration,
                listening,
                role,
                upgrade=upgrade,
                with_parent=with_parent,
            )
        )
    except WorkerEndedError as problem:
        raise click.ClickException(str(problem)) from None


async def _serve(
    configuration: Configuration,
    role: Role,
    listening: socket.socket | None,
    *,
    upgrade: bool,
    with_parent: bool,
) -> None:
    stop = asyncio.Event()
    _cancel_at_signals()
    if with_parent:
        _signal_at_end_of_input()
    async with open_service(configuration, upgrade=upgrade, role=role) as service:
        _announce(configuration, service.database, role)
        _say_where(listening)
        look_seldom()
        server = None if listening is None else server_of(service)
        _stop_at_signals(service, stop, server)
        if server is None or listening is None:
            await stop.wait()
        else:
            await server.serve(sockets=[listening])
        ASIDE.print("Stopping.")


async def _work(configuration: Configuration, role: Role, descriptor: int, number: int) -> None:
    """Be one of several processes on one socket, until told to stop or left alone."""
    stop = asyncio.Event()
    _cancel_at_signals()
    _signal_at_end_of_input()
    listening = socket.socket(fileno=descriptor)
    async with open_service(configuration, role=role) as service:
        look_seldom()
        server = server_of(service)
        _stop_at_signals(service, stop, server)
        async with answering_siblings(service.measures, number):
            say_ready()
            await server.serve(sockets=[listening])


async def _supervise(
    supervisor: Supervisor,
    configuration: Configuration,
    listening: socket.socket,
    role: str,
    *,
    upgrade: bool,
    with_parent: bool,
) -> None:
    _cancel_at_signals()
    if with_parent:
        _signal_at_end_of_input()
    async with supervisor.supervising(upgrade=upgrade) as database:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, supervisor.stop)
        _announce(configuration, database, Role(role))
        needed, room = await supervisor.connections(database)
        if needed > room:
            _note(
                f"the workers may use {needed} connections, the database has {room}: lower "
                "database.connections, or have fewer workers"
            )
        await supervisor.until_ready()
        _say_where(listening)
        await supervisor.until_stopped()
        ASIDE.print("Stopping.")


def _cancel_at_signals() -> None:
    """While the service is being opened, a signal ends that, closing what is open already."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if task is not None:
            loop.add_signal_handler(number, task.cancel)


def _stop_at_signals(service: Service, stop: asyncio.Event, server: Server | None) -> None:
    def ask() -> None:
        if server is not None:
            server.force_exit = server.should_exit
            server.should_exit = True
        service.draining = True
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)


def _signal_at_end_of_input() -> None:
    """Be told to stop, as by a signal, when the other end of the standard input is gone."""
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            signal.raise_signal(signal.SIGTERM)

    loop.add_reader(descriptor, read)


def _announce(configuration: Configuration, database: Database, role: Role) -> None:
    if database.embedded:
        place = f"its own PostgreSQL {database.major} in {configuration.database.folder}"
    else:
        place = f"PostgreSQL {database.major} at DATABASE_URL"
    lines = [("version", version("pointmaster")), ("role", role.value), ("database", place)]
    for tenant in configuration.tenants:
        engage = tenant.engage.options if tenant.engage else None
        wires = f"{engage.base_url} ({engage.api_version}, {engage.mode})" if engage else "none"
        lines.append((f"tenant {tenant.declaration.name}", f"Engage: {wires}"))
    for name, value in lines:
        OUT.print(f"  {name:<20} {value}", highlight=False, soft_wrap=True)
    warnings = list(configuration.warnings)
    if database.single_role:
        warnings.append("one database role migrates and serves: only triggers guard the facts")
    for warning in warnings:
        _note(warning)


def _note(warning: str) -> None:
    ASIDE.print(f"  [yellow]note[/] {warning}", highlight=False, soft_wrap=True)


def _say_where(listening: socket.socket | None) -> None:
    if listening is not None:
        OUT.print(f"Listening on {address_of(listening)}", highlight=False, soft_wrap=True)
