"""Who posts for the doors: one request or a batch, to the books.

The one hard idea: the doors ask a `Poster` and not the books, so that requests of many callers can
be gathered into batches behind it without a door knowing.
"""

from collections.abc import Sequence
from typing import Protocol

from ledger.outcomes import Outcome
from ledger.posting import Books
from ledger.requests import Request


class Poster(Protocol):
    """Decides and books requests."""

    async def post(self, request: Request) -> Outcome:
        """One request, in a transaction of its own."""
        ...

    async def post_batch(self, requests: Sequence[Request], *, atomic: bool) -> list[Outcome]:
        """Several requests in one transaction, outcomes in order; all or nothing if `atomic`."""
        ...


class DirectPoster:
    """Posts each request, or each batch, by itself."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def post(self, request: Request) -> Outcome:
        """One request, in a transaction of its own."""
        (outcome,) = await self._books.post([request])
        return outcome

    async def post_batch(self, requests: Sequence[Request], *, atomic: bool) -> list[Outcome]:
        """Several requests in one transaction, outcomes in order; all or nothing if `atomic`."""
        return await self._books.post(requests, atomic=atomic)
