"""Posting a file: a window of rows at a time, several batches at once, the next one read meanwhile.

The one hard idea: an import keeps no record of how far it came. Every row has its key for good, so
an import that was killed is simply begun again: rows that are in the books are recognised by their
keys without being posted, which is quick, and the file of rejected rows is written anew. Nothing
can say that a row is booked but the row's being booked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from api.importing.balances import opening_of
from api.importing.columns import MEMBER_NUMBER, FileKind, HeaderError
from api.importing.lanes import lay_out
from api.importing.members import MemberNumbers, NoContact, of_contact
from api.importing.rejects import Rejects
from api.importing.rows import ROW_MALFORMED, Rejected, Row, derived, rejected
from api.importing.source import Source, SourceError
from api.importing.tally import Tally
from api.importing.transactions import transaction_of
from api.problems.problem import ProblemError, refused
from ledger.entries import Known
from ledger.identity import TenantId, key_hash
from ledger.known_keys import known_keys
from ledger.lanes import NOBODYS_FAULT
from ledger.outcomes import Booked, Outcome, Refused
from ledger.posting import BATCH_MAX, Books, TooManyRacesError
from ledger.requests import Request

LANES: Final = 4
"""Batches under way at once."""

WINDOW_ROWS: Final = LANES * BATCH_MAX
"""Rows in memory are at most twice as many: a window that is posted and one that is read."""

ROWS_BETWEEN_BREATHS: Final = 250
"""Rows read before others have a turn."""

ATTEMPTS_MAX: Final = 8
PAUSE_SECONDS: Final = 0.5
"""Before work is done again after the connection was lost; longer each time."""

NOBODY_TO_ASK: Final = (
    f"has the column {MEMBER_NUMBER}: only Engage knows member numbers, and the tenant has no "
    "connection to it that could be asked; give each contactId instead"
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Asked:
    """A row that makes a request.

    Attributes:
        number: The member number that it names its contact by, until that is looked up.
    """

    row: Row
    request: Request
    number: str | None = None


class Import:
    """One import of one file.

    Attributes:
        tenant: Whose books.
        name: What the derived keys of its rows begin with.
        tally: What it came to so far.
    """

    def __init__(
        self,
        books: Books,
        tenant: TenantId,
        name: str,
        *,
        post: bool,
        progress: Callable[[Tally, float], None],
        members: MemberNumbers | None = None,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self._books = books
        self.tenant = tenant
        self._posts = post
        self._progress = progress
        self._members = members
        self._may_be_known = True
        self._unreadable: SourceError | None = None

    def check(self, source: Source) -> None:
        """Raises `HeaderError` for a file that can't be booked, before anything is."""
        if self._members is None and MEMBER_NUMBER in source.header:
            raise HeaderError([NOBODY_TO_ASK])

    async def run(self, source: Source, rejects: Rejects) -> Tally:
        """Book the rows of a file, or only look at them.

        Raises:
            SourceError: the file can't be read on.
            HeaderError: it has member numbers, and there is nobody to ask for them.
            MembersUnknownError: whoever should know member numbers can't be asked now.
        """
        self.check(source)
        rows = source.rows()
        posting: asyncio.Task[list[Rejected]] | None = None
        try:
            while window := await self._read(rows, source.layout.kind):
                share = source.share
                if posting is not None:
                    self._write(await posting, rejects)
                posting = asyncio.create_task(self._post(window, share))
        finally:
            if posting is not None:
                self._write(await posting, rejects)
        if self._unreadable is not None:
            raise self._unreadable
        return self.tally

    async def _read(self, rows: Iterator[Row], kind: FileKind) -> list[Asked | Rejected]:
        """The next window; what was read before an unreadable place is one, too."""
        window: list[Asked | Rejected] = []
        try:
            for row in rows:
                window.append(self._understand(row, kind))
                if len(window) == WINDOW_ROWS:
                    break
                if len(window) % ROWS_BETWEEN_BREATHS == 0:
                    await asyncio.sleep(0)
        except SourceError as problem:
            self._unreadable = problem
        return window

    def _understand(self, row: Row, kind: FileKind) -> Asked | Rejected:
        if row.malformed is not None:
            return Rejected(row, ROW_MALFORMED, row.malformed)
        read = opening_of if kind is FileKind.BALANCES else transaction_of
        defaults = derived(self.name, row.number)
        try:
            return Asked(row, *read(row.cells, defaults, self.tenant, self._books.catalogue))
        except ProblemError as problem:
            return rejected(row, problem)

    async def _post(self, window: list[Asked | Rejected], share: float) -> list[Rejected]:
        """Book a window; answers the rows that were not, in their order."""
        asked = [one for one in window if isinstance(one, Asked)]
        found = [one for one in window if isinstance(one, Rejected)]
        unknown = await self._named(await self._without_known(asked), found)
        if self._posts:
            found += await self._post_lanes(unknown)
        else:
            self.tally.unposted += len(unknown)
        found.sort(key=lambda one: one.row.number)
        self.tally.read += len(window)
        for one in found:
            self.tally.reject(one.row.number, one.code, one.message)
        self._progress(self.tally, share)
        return found

    async def _without_known(self, asked: list[Asked]) -> list[Asked]:
        """Those of the rows whose keys are not in the books; the others are counted.

        Once a window had none that is, looking costs more than it spares: posting finds them too.
        """
        if not self._may_be_known or not asked:
            return asked
        keys = [key_hash(one.request.tenant, one.request.idempotency_key) for one in asked]
        known = await self._known(keys)
        unknown = []
        for key, one in zip(keys, asked, strict=True):
            found = known.get(key)
            if found is not None and found.stands_for(one.request.fingerprint):
                self.tally.known += 1
                self.tally.count(one.request)
            else:
                unknown.append(one)
        self._may_be_known = not self._posts or len(unknown) < len(asked)
        return unknown

    async def _named(self, asked: list[Asked], nobodys: list[Rejected]) -> list[Asked]:
        """The rows with the contacts whose member numbers they say; `nobodys` gets the others."""
        numbers = dict.fromkeys(one.number for one in asked if one.number is not None)
        if not numbers or self._members is None:
            return asked
        contacts = await self._members(list(numbers))
        found = []
        for one in asked:
            whose = None if one.number is None else contacts[one.number]
            if isinstance(whose, NoContact):
                nobodys.append(Rejected(one.row, whose.code, whose.message))
            elif whose is None:
                found.append(one)
            else:
                found.append(Asked(one.row, of_contact(one.request, whose)))
        return found

    async def _post_lanes(self, asked: list[Asked]) -> list[Rejected]:
        lanes = lay_out([one.request for one in asked], LANES)
        tasks = [asyncio.create_task(self._post_lane([asked[at] for at in lane])) for lane in lanes]
        try:
            return [one for found in await asyncio.gather(*tasks) for one in found]
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _post_lane(self, asked: list[Asked]) -> list[Rejected]:
        found: list[Rejected] = []
        for start in range(0, len(asked), BATCH_MAX):
            batch = asked[start : start + BATCH_MAX]
            outcomes = await self._decide([one.request for one in batch])
            for one, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Refused):
                    found.append(rejected(one.row, refused(outcome)))
                    continue
                self.tally.count(one.request)
                if isinstance(outcome, Booked):
                    self.tally.booked += 1
                else:
                    self.tally.known += 1
        return found

    async def _known(self, keys: list[UUID]) -> dict[UUID, Known]:
        async def work() -> dict[UUID, Known]:
            async with self._books.pool.acquire() as connection:
                return await known_keys(connection, keys)

        return await patiently(work)

    async def _decide(self, requests: list[Request]) -> list[Outcome]:
        return await patiently(lambda: self._books.post(requests))

    @staticmethod
    def _write(found: list[Rejected], rejects: Rejects) -> None:
        for one in found:
            rejects.write(one)
        rejects.flush()


async def patiently(work: Callable[[], Awaitable[Result]]) -> Result:
    """Do some work, again where the connection was lost: keys make a repeated posting harmless."""
    for attempt in range(1, ATTEMPTS_MAX):
        try:
            return await work()
        except (*NOBODYS_FAULT, TooManyRacesError):
            await asyncio.sleep(PAUSE_SECONDS * attempt)
    return await work()
