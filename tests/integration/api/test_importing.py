"""Importing into real books: each row once, in its contact's order, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from api.importing import run
from api.importing.rejects import writing_rejects
from api.importing.run import WINDOW_ROWS, Import
from api.importing.source import SourceError, open_source
from api.importing.tally import Tally
from ledger.policies import Policy, Span, Validity
from ledger.postgres import Database
from tests.bookkeeping.desk import Desk, member, opened, shop

HISTORY = "kind,contactId,definitionId,amount,effectiveAt,description,idempotencyKey"


class EndedError(Exception):
    """The import is ended from outside."""


def csv_of(path: Path, header: str, rows: Iterator[str] | list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def in_turns(rounds: int, members: int) -> Iterator[str]:
    """Each member in turn earns 10 and spends 10: in any other order the spending is refused."""
    for number in range(rounds):
        for word in ("earn", "redeem"):
            for one in range(members):
                yield f"{word},{member(1001 + one)},1,10,,{word} {number},"


async def imported(
    desk: Desk,
    path: Path,
    name: str = "of a test",
    *,
    rejects: Path | None = None,
    post: bool = True,
    progress: Callable[[Tally, float], None] = lambda _tally, _share: None,
) -> Tally:
    work = Import(desk.books, desk.tenant, name, post=post, progress=progress)
    with open_source(path, None) as source, writing_rejects(rejects, source) as rejected:
        return await work.run(source, rejected)


def counts(tally: Tally) -> tuple[int, int, int, int]:
    """Read, booked, known, rejected."""
    return tally.read, tally.booked, tally.known, sum(tally.rejected.values())


async def sums(desk: Desk) -> dict[str, int]:
    """The books by ledger account, those that are not zero."""
    trial = await desk.trial()
    assert trial.is_balanced
    return {
        line.account.word: line.credit - line.debit
        for line in trial.definitions[0].lines
        if line.credit or line.debit
    }


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Desk]:
    async with opened(database, today=None, connections=6) as desk:
        yield desk


async def test_balances_become_lots_and_debt_booked_against_opening(
    books: Desk, tmp_path: Path
) -> None:
    path = csv_of(
        tmp_path / "balances.csv",
        "contactId;definitionId;amount;validTo;effectiveAt;description",
        [
            f"{member(1001)};1;100;2150-01-01T00:00:00+01:00;2026-01-01T00:00:00Z;Brought in",
            f"{member(1001)};1;20;never;;",
            f"{member(1002)};1;-30;;;",
            f"{member(1003)};1;5;2026-02-01T00:00:00Z;2026-01-01T00:00:00Z;Lapsed long ago",
        ],
    )
    assert counts(await imported(books, path)) == (4, 4, 0, 0)
    assert await books.balance(member(1001)) == "120 available"
    assert await books.balance(member(1002)) == "30 debt"
    assert await books.balance(member(1003)) == "nothing"
    assert await sums(books) == {"available": 120, "debt": -30, "opening": -95, "expired": 5}
    lots = await books.history(member(1001))
    assert [one.texts.description for one in lots] == ["Brought in", None]
    assert await books.findings() == []


async def test_a_file_under_one_name_is_booked_once_and_under_another_again(
    books: Desk, tmp_path: Path
) -> None:
    path = csv_of(
        tmp_path / "balances.csv",
        "contactId,definitionId,amount",
        [f"{member(number)},1,{number}" for number in range(1001, 1041)],
    )
    assert counts(await imported(books, path)) == (40, 40, 0, 0)
    before = await sums(books)
    again = await imported(books, path)
    assert counts(again) == (40, 0, 40, 0)
    assert await sums(books) == before
    [moved] = again.moved.values()
    assert (moved.rows, moved.up) == (40, sum(range(1001, 1041)))
    assert counts(await imported(books, path, "another")) == (40, 40, 0, 0)


async def test_a_row_that_was_changed_after_it_was_booked_is_refused(
    books: Desk, tmp_path: Path
) -> None:
    header = "contactId,definitionId,amount"
    path = csv_of(tmp_path / "b.csv", header, [f"{member(1001)},1,5", f"{member(1002)},1,0"])
    assert counts(await imported(books, path)) == (2, 1, 0, 1)
    path = csv_of(tmp_path / "b.csv", header, [f"{member(1001)},1,6", f"{member(1002)},1,7"])
    rejects = tmp_path / "rejected.csv"
    tally = await imported(books, path, rejects=rejects)
    assert counts(tally) == (2, 1, 0, 1)
    assert tally.rejected == {"idempotency_key_reused": 1}
    assert rejects.read_text().splitlines()[1].startswith("1,idempotency_key_reused,")
    assert await sums(books) == {"available": 12, "opening": -12}


async def test_a_history_keeps_each_contacts_order_over_many_batches(
    books: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WINDOW_ROWS", 700)
    path = csv_of(tmp_path / "history.csv", HISTORY, in_turns(rounds=25, members=40))
    tally = await imported(books, path)
    assert counts(tally) == (2000, 2000, 0, 0)
    assert await sums(books) == {"issued": -10_000, "redeemed": 10_000}
    numbers = [
        [one.texts.description for one in await books.history(member(1001 + number))]
        for number in range(3)
    ]
    wanted = [f"{word} {turn}" for turn in range(25) for word in ("earn", "redeem")]
    assert numbers == [wanted] * 3
    assert await books.findings() == []


async def test_a_history_is_booked_by_its_own_times_and_rules(
    database: Database, tmp_path: Path
) -> None:
    contact = member(1001)
    path = csv_of(
        tmp_path / "history.csv",
        f"{HISTORY},reverses.idempotencyKey,allowDebt",
        [
            f"earn,{contact},1,100,2026-01-01T00:00:00Z,Purchase,order 1,,",
            f"redeem,{contact},1,30,2026-01-05T00:00:00Z,Voucher,,,",
            f"return,{contact},1,,2026-01-06T00:00:00Z,Return,,order 1,",
            f"redeem,{contact},1,1,2026-01-07T00:00:00Z,Voucher,,,",
            f"redeem,{contact},1,1,2026-01-07T00:00:00Z,Voucher,,,TRUE",
            f"earn,{contact},1,50,2026-01-08T00:00:00Z,Purchase,,,",
        ],
    )
    policy = Policy(validity=Validity(span=Span.DAYS, length=10))
    async with opened(database, shop(policy=policy), today="15 January") as desk:
        tally = await imported(desk, path)
        assert counts(tally) == (6, 5, 0, 1)
        assert tally.rejected == {"insufficient_points": 1}
        assert tally.examples["insufficient_points"][0].startswith("row 4: ")
        # 50 less the debt of the return (30) and of the till that was offline (1).
        assert await desk.balance(contact) == "19 available"
        desk.today("18 January")
        assert await desk.balance(contact) == "nothing"
        assert await desk.findings() == []


async def test_a_trial_books_nothing_and_says_what_it_can(books: Desk, tmp_path: Path) -> None:
    path = csv_of(
        tmp_path / "balances.csv",
        "contactId,definitionId,amount",
        [f"{member(1001)},1,5", f"{member(1002)},1,x", f"{member(1003)},1,7"],
    )
    tally = await imported(books, path, post=False)
    assert counts(tally) == (3, 0, 0, 1)
    assert tally.unposted == 2
    assert await sums(books) == {}
    await imported(books, path)
    tally = await imported(books, path, post=False)
    assert (counts(tally), tally.unposted) == ((3, 0, 2, 1), 0)


async def test_an_import_that_was_ended_is_taken_up_where_it_was(
    books: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WINDOW_ROWS", 300)

    def end(tally: Tally, _share: float) -> None:
        if tally.read > 500:
            raise EndedError

    rows = [*in_turns(rounds=10, members=60), f"earn,{member(1001)},1,0,,Nothing,"]
    path = csv_of(tmp_path / "history.csv", HISTORY, rows)
    rejects = tmp_path / "rejected.csv"
    with pytest.raises(EndedError):
        await imported(books, path, rejects=rejects, progress=end)
    booked = await books.count("transaction")
    assert 500 < booked < 1200
    assert not rejects.exists()
    tally = await imported(books, path, rejects=rejects)
    assert counts(tally) == (1201, 1200 - booked, booked, 1)
    assert await sums(books) == {"issued": -6_000, "redeemed": 6_000}
    assert len(rejects.read_text().splitlines()) == 2


async def test_a_server_that_drops_every_connection_is_waited_for(
    books: Desk, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WINDOW_ROWS", 300)
    monkeypatch.setattr(run, "PAUSE_SECONDS", 0.05)
    path = csv_of(tmp_path / "history.csv", HISTORY, in_turns(rounds=10, members=60))
    importing = asyncio.create_task(imported(books, path))
    dropped = 0
    async with asyncpg.create_pool(database.dsn_service, min_size=1, max_size=1) as pool:
        while dropped < 5 and not importing.done():
            dropped += await pool.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid() "
                "and state <> 'idle'"
            )
            await asyncio.sleep(0.02)
    tally = await importing
    assert dropped > 0
    assert (tally.read, tally.booked + tally.known) == (1200, 1200)
    assert await sums(books) == {"issued": -6_000, "redeemed": 6_000}
    assert await books.findings() == []


async def test_rows_before_an_unreadable_place_are_booked(books: Desk, tmp_path: Path) -> None:
    path = csv_of(
        tmp_path / "balances.csv",
        "contactId,definitionId,amount",
        [f"{member(1001)},1,5", f'"{member(1002)},1,7'],
    )
    seen: list[Tally] = []
    with pytest.raises(SourceError):
        await imported(books, path, progress=lambda tally, _share: seen.append(tally))
    assert counts(seen[-1]) == (1, 1, 0, 0)
    assert await sums(books) == {"available": 5, "opening": -5}


def memory() -> int:
    """What this process has in memory now, in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.any_postgres
@pytest.mark.parametrize(("rows", "post"), [(24_000, False), (12_000, True)])
async def test_memory_does_not_grow_with_the_file(
    books: Desk, tmp_path: Path, rows: int, *, post: bool
) -> None:
    """What two windows take is what all take; every thousandth row is rejected."""
    path = csv_of(
        tmp_path / "many.csv",
        "contactId,definitionId,amount",
        (f"{member(number)},1,{number % 1000}" for number in range(rows)),
    )
    looks: list[int] = []
    await imported(
        books,
        path,
        rejects=tmp_path / "rejected.csv",
        post=post,
        progress=lambda _tally, _share: looks.append(memory()),
    )
    assert len(looks) == rows // WINDOW_ROWS
    assert max(looks[1:]) - looks[1] < rows // 4, "KiB; a row that were kept would take one"
