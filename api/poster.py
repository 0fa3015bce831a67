"""Who posts for the doors: one request or a batch, to the books.

The one hard idea: the doors ask a `Poster` and not the books, so that requests of many callers can
be gathered into batches behind it (`ledger.group_commit`) without a door knowing. That can be
switched off where every request shall have a database transaction of its own.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from api.configuration.file import PostingSection
from ledger.group_commit import LANES, GroupCommit
from ledger.outcomes import Outcome
from ledger.posting import Books
from ledger.requests import Request

CONNECTIONS_A_LANE: Final = 2
"""For each connection that a lane keeps, another is left to whoever reads."""


class Poster(Protocol):
    """Decides and books requests."""

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        ...

    async def post(self, request: Request) -> Outcome:
        """One request."""
        ...

    async def post_batch(self, requests: Sequence[Request], *, atomic: bool) -> list[Outcome]:
        """Several requests, outcomes in order; in one transaction, all or nothing, if `atomic`."""
        ...


class DirectPoster:
    """Posts each request, or each batch, by itself."""

    waiting = 0

    def __init__(self, books: Books) -> None:
        self._books = books

    async def post(self, request: Request) -> Outcome:
        """One request, in a transaction of its own."""
        (outcome,) = await self._books.post([request])
        return outcome

    async def post_batch(self, requests: Sequence[Request], *, atomic: bool) -> list[Outcome]:
        """Several requests in one transaction, outcomes in order; all or nothing if `atomic`."""
        return await self._books.post(requests, atomic=atomic)


@contextlib.asynccontextmanager
async def open_poster(
    books: Books, section: PostingSection, connections_max: int
) -> AsyncIterator[Poster]:
    """The poster that the settings ask for; at the block's end it posts what is queued.

    Args:
        books: With a pool of at most `connections_max` connections, of which each lane keeps one.
        section: The settings.
        connections_max: At least `CONNECTIONS_A_LANE` for each lane.
    """
    if not section.coalescing:
        yield DirectPoster(books)
        return
    poster = GroupCommit(
        books,
        lanes=lanes_of(section, connections_max),
        queue_max=section.queue_max,
        wait_milliseconds_max=section.wait_seconds * 1000,
    )
    async with poster:
        yield poster


def lanes_of(section: PostingSection, connections_max: int) -> int:
    """As many lanes as the settings say or, where they don't, as is usual and there is room for."""
    return section.lanes or max(1, min(LANES, connections_max // CONNECTIONS_A_LANE))
