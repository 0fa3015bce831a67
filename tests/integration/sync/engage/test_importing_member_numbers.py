"""Importing rows that name contacts by member number: Engage is asked whose they are."""

import csv
from pathlib import Path
from uuid import UUID

import pytest

from api.importing.columns import HeaderError
from api.importing.engage_members import EngageMembers
from api.importing.members import MembersUnknownError
from api.importing.rejects import writing_rejects
from api.importing.run import Import
from api.importing.source import open_source
from api.importing.tally import Tally
from ledger.identity import ContactId
from ledger.reading import balances
from sync.engage import Follower
from tests.following.program import TENANT, Program, Sandbox, member

ROWS = """\
kind,memberNumber,contactId,definitionId,amount,description,to.contactId
earn,1001,,1,100,Purchase,
earn,,{other},1,5,Purchase,
move,1001,,1,30,Gift,{other}
earn,1003,,1,7,Purchase,
earn,twice,,1,7,Purchase,
earn,1001,{other},1,7,Purchase,
redeem,1001,,1,70,Gift card,
"""


def join(engage: Sandbox, contact: UUID, number: str) -> None:
    engage.post("/contacts", {"contacts": [{"id": str(contact), "customKey": number}]})


def work_of(program: Program, follower: Follower | None) -> Import:
    return Import(
        program.books,
        program.catalogue.tenants[TENANT].id,
        "of members",
        post=True,
        progress=lambda _tally, _share: None,
        members=None if follower is None else EngageMembers(follower, pause_seconds=0),
    )


async def imported(path: Path, work: Import) -> Tally:
    rejected = path.with_name("rejected.csv")
    with open_source(path, None) as source, writing_rejects(rejected, source) as rejects:
        return await work.run(source, rejects)


async def available(program: Program, contact: ContactId) -> int:
    async with program.pool.acquire() as connection:
        [found] = await balances(connection, program.catalogue.tenants[TENANT].id, contact)
    return found.balance.available


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(ROWS.format(other=member(1002)), encoding="utf-8")
    return path


async def test_member_numbers_lead_to_contacts_and_each_is_asked_for_once(
    program: Program, engage: Sandbox, path: Path
) -> None:
    join(engage, member(1001), "1001")
    join(engage, member(1004), "twice")
    join(engage, member(1005), "twice")
    follower = await program.follower()
    tally = await imported(path, work_of(program, follower))
    assert tally.booked == 4
    assert tally.rejected == {"member_unknown": 1, "member_ambiguous": 1, "not_together": 1}
    assert await available(program, member(1001)) == 0
    assert await available(program, member(1002)) == 35
    with path.with_name("rejected.csv").open(encoding="utf-8", newline="") as file:
        written = [row["memberNumber"] for row in csv.DictReader(file)]
    assert written == ["1003", "twice", "1001"], "as they were"

    asked = len(engage.requests("/contacts/id", "GET"))
    assert asked == 3
    join(engage, member(1003), "1001")
    again = await imported(path, work_of(program, follower))
    assert (again.booked, again.known) == (0, 4), "the same rows, whoever has the number now"
    assert len(engage.requests("/contacts/id", "GET")) == asked


async def test_while_engage_can_not_be_asked_nothing_is_rejected_for_it(
    program: Program, engage: Sandbox, path: Path
) -> None:
    engage.fault({"path": "*/contacts/id", "kind": "error-before"})
    with pytest.raises(MembersUnknownError, match="Engage can't be asked for member numbers"):
        await imported(path, work_of(program, await program.follower()))
    assert not path.with_name("rejected.csv").exists()
    assert await program.count("select count(*) from ledger.transaction") == 0


async def test_without_an_engage_the_column_is_refused(program: Program, path: Path) -> None:
    with pytest.raises(HeaderError, match="only Engage knows member numbers"):
        await imported(path, work_of(program, None))
