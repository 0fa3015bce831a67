"""Runs: asked for by hand or due, kept apart, written down with their outcome."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ledger.postgres import connect
from sync.engage import ScheduleOptions
from sync.jobs import JobKind
from sync.runs import Cause, RunRecord, RunState
from sync.service import Synchronisation, UnknownTenantError
from sync.timing import Timing
from sync.units import BusyError, unit
from tests.following.program import TENANT, Program, Sandbox, member

NEVER = Timing(every_seconds=600, paused=True)


@pytest.fixture
async def wires(program: Program) -> AsyncIterator[Synchronisation]:
    """The tenant's wires, whose schedule does nothing by itself."""
    follower = await program.follower(schedule=ScheduleOptions(push=NEVER, poll=NEVER))
    wires = Synchronisation(
        program.books,
        [follower],
        connect=lambda: connect(program.database.dsn_service),
        sweep=NEVER,
    )
    yield wires
    await wires.close()


async def again(wires: Synchronisation, run: RunRecord) -> RunRecord:
    """A run as it stands now."""
    found = await wires.run(TENANT, run.id)
    assert found is not None
    return found


async def test_asking_waits_until_engage_has_it_all(
    program: Program, engage: Sandbox, wires: Synchronisation
) -> None:
    engage.set(balances={"jobSeconds": 0.05})
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    run = await wires.run_now(TENANT, wait_seconds=10)
    assert (run.state, run.cause, run.kind) == (RunState.DONE, Cause.REQUEST, "push")
    assert run.summary is not None
    assert run.summary["is_complete"] is True
    assert run.summary["push"]["rows"] == 1
    assert run.error is None
    assert await wires.run(TENANT, run.id) == run
    assert await wires.runs(TENANT) == [run]


async def test_asking_without_waiting_answers_at_once_and_goes_on(
    program: Program, engage: Sandbox, wires: Synchronisation
) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    run = await wires.run_now(TENANT)
    assert run.state in {RunState.WAITING, RunState.RUNNING}
    async with asyncio.timeout(10):
        while (run := await again(wires, run)).finished_at is None:
            await asyncio.sleep(0.05)
    assert run.summary is not None
    assert run.summary["push"]["accepted"] == 1
    assert run.summary["is_complete"] is False, "Engage has not applied it yet"


async def test_trouble_is_said_instead_of_waited_out(
    program: Program, engage: Sandbox, wires: Synchronisation
) -> None:
    engage.set(apiKeys=["another"])
    await program.earn(member(1001), 100)
    async with asyncio.timeout(8):
        run = await wires.run_now(TENANT, wait_seconds=60)
    assert run.state is RunState.DONE
    assert run.error is not None
    assert run.error.startswith("401")


async def test_two_who_ask_are_served_one_after_the_other(
    program: Program, engage: Sandbox, wires: Synchronisation
) -> None:
    engage.set(balances={"jobSeconds": 0.05})
    contacts = [member(number) for number in range(50)]
    engage.know(*contacts)
    await program.earn_all([(contact, 1) for contact in contacts])
    first, second = await asyncio.gather(
        wires.run_now(TENANT, wait_seconds=10), wires.run_now(TENANT, wait_seconds=10)
    )
    assert {first.state, second.state} == {RunState.DONE}
    earlier, later = sorted([first, second], key=lambda run: str(run.started_at))
    assert earlier.finished_at is not None
    assert later.started_at is not None
    assert earlier.finished_at <= later.started_at
    assert len(engage.requests("/balances")) == 1


async def test_an_unknown_tenant_has_nothing_to_run(wires: Synchronisation) -> None:
    with pytest.raises(UnknownTenantError):
        await wires.run_now("nobody")


async def test_a_run_whose_process_died_is_called_abandoned(
    program: Program, engage: Sandbox, wires: Synchronisation
) -> None:
    tenant = program.catalogue.tenants[TENANT].id
    await program.pool.execute(
        "insert into engage.run (id, tenant_id, kind, cause, state, asked_at, started_at) "
        "values (gen_random_uuid(), $1, 'push', 'schedule', 'running', now(), now())",
        tenant,
    )
    engage.know(member(1001))
    await wires.run_now(TENANT, wait_seconds=5)
    states = [run.state for run in await wires.runs(TENANT)]
    assert sorted(states) == [RunState.ABANDONED, RunState.DONE]


async def test_a_failure_is_written_down(
    program: Program, wires: Synchronisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(**_: object) -> None:
        raise ValueError("no such luck")

    monkeypatch.setattr(wires.follower(TENANT), "sync", fail)
    run = await wires.run_now(TENANT, wait_seconds=5)
    assert (run.state, run.error) == (RunState.FAILED, "ValueError: no such luck")
    assert program is not None


async def test_a_unit_is_anothers_until_it_is_given_back(program: Program) -> None:
    async with unit(program.pool, "one"):
        with pytest.raises(BusyError):
            async with unit(program.pool, "one"):
                pass
        async with unit(program.pool, "another"):
            pass
    async with unit(program.pool, "one", wait_seconds=1):
        pass


async def test_whoever_waits_for_a_unit_gets_it(program: Program) -> None:
    order = []

    async def work(name: str, seconds: float) -> None:
        async with unit(program.pool, "one", wait_seconds=10):
            order.append(f"{name} begins")
            await asyncio.sleep(seconds)
            order.append(f"{name} ends")

    await asyncio.gather(work("a", 0.2), work("b", 0.2), work("c", 0.2))
    assert [word.split()[1] for word in order] == ["begins", "ends"] * 3


async def test_those_who_wait_leave_connections_to_those_who_work(program: Program) -> None:
    done = 0

    async def work() -> None:
        nonlocal done
        async with unit(program.pool, "one", wait_seconds=20):
            async with asyncio.timeout(2):
                await program.pool.fetchval("select pg_sleep(0.01)")
            done += 1

    await asyncio.gather(*(work() for _ in range(3 * program.pool.get_max_size())))
    assert done == 3 * program.pool.get_max_size()


async def test_every_job_can_be_asked_for(
    program: Program, engage: Sandbox, wires: Synchronisation
) -> None:
    engage.set(balances={"jobSeconds": 0.05})
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    for kind in JobKind:
        run = await wires.run_now(TENANT, kind, wait_seconds=10)
        assert (run.kind, run.state, run.error) == (kind, RunState.DONE, None)
    drift = await wires.run_now(TENANT, JobKind.DRIFT_SHARE, wait_seconds=10)
    assert drift.summary is not None
    assert (drift.summary["compared"], drift.summary["agreed"]) == (1, 1)


async def test_of_each_job_it_is_said_what_ran_what_is_due_and_what_failed(
    engage: Sandbox, wires: Synchronisation
) -> None:
    jobs = {job.kind: job for job in await wires.jobs(TENANT)}
    assert set(jobs) == set(JobKind)
    assert (jobs[JobKind.PUSH].is_paused, jobs[JobKind.PUSH].next_due_at) == (True, None)
    assert jobs[JobKind.CONTACTS].latest is None
    well = await wires.run_now(TENANT, JobKind.CONTACTS, wait_seconds=10)
    engage.fault({"kind": "error-before", "path": "*/changes"})
    failed = await wires.run_now(TENANT, JobKind.CONTACTS, wait_seconds=10)
    job = next(job for job in await wires.jobs(TENANT) if job.kind is JobKind.CONTACTS)
    assert job.latest == failed
    assert failed.error is not None
    assert job.well_at == well.started_at
    assert job.next_due_at == failed.asked_at + timedelta(seconds=900)
    assert not job.is_late


async def test_a_job_that_nobody_starts_is_late(program: Program, wires: Synchronisation) -> None:
    await wires.run_now(TENANT, JobKind.CONTACTS, wait_seconds=10)
    await program.pool.execute("update engage.run set asked_at = asked_at - interval '1 hour'")
    late = [job.kind for job in await wires.jobs(TENANT) if job.is_late]
    assert late == [JobKind.CONTACTS]


async def test_the_service_sweeps_what_has_fallen_due(
    program: Program, wires: Synchronisation
) -> None:
    assert await wires.sweep() == 0
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    await program.earn(member(1001), 100, valid_to=soon)
    await asyncio.sleep(0.4)
    assert await wires.sweep() == 1
    assert await wires.sweep() == 0


async def test_sweeping_rolls_up_what_was_booked(program: Program, wires: Synchronisation) -> None:
    await program.earn(member(1001), 100)
    await program.earn(member(1002), 50)
    run = await wires.run_now(TENANT, JobKind.SWEEP, wait_seconds=10)
    assert run.state is RunState.DONE
    counted = "select stored::bigint from ledger.recount where account = 1 and rolled_up = stored"
    assert await program.pool.fetchval(counted) == 150
    # It is done once an hour, however often is swept.
    await program.earn(member(1001), 100)
    await wires.run_now(TENANT, JobKind.SWEEP, wait_seconds=10)
    assert await program.pool.fetchval(counted) == 150
