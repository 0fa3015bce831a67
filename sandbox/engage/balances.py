"""Balances requests: queued when they arrive, applied when the job runs.

Everything that makes this endpoint dangerous for a master lies between those two moments. A total
is absolute, so an old one applied late undoes a newer one; the queue can therefore be made late
and disorderly, and what a careful master avoids (two rows for one account, a second total while
the first still waits) is taken as Engage would take it, and noted.

Reading a request and applying it are plain functions of the state; the pauses between runs are
`job`'s.
"""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final
from uuid import uuid4

import msgspec

from sandbox.amounts import AmountRefusedError, read_amount
from sandbox.engage.accounts import Accounts
from sandbox.engage.contacts import Contacts, read_guid
from sandbox.engage.settings import BalanceSettings, Order
from sandbox.findings import Findings

MESSAGES_MAX: Final = 2000
"""Messages kept for one request; more rows than one request may have."""


class BodyRefusedError(ValueError):
    """The body of a request is not what the endpoint takes; the message says where."""


class _Row(msgspec.Struct, rename="camel", gc=False):
    contact_id: Annotated[str, msgspec.Meta(max_length=100)]
    amount: msgspec.Raw
    definition_id: int
    time_stamp: datetime | None = None


class BalanceRow(msgspec.Struct, frozen=True, gc=False):
    """One total for one account."""

    contact_id: str
    definition_id: int
    amount: Decimal
    at: datetime
    """Its `timeStamp`; the time of receipt where none was given."""


class Message(msgspec.Struct, frozen=True, rename="camel"):
    """Something Engage has to say about a request."""

    message: str
    time_stamp: datetime


class Behaviour(msgspec.Struct, frozen=True):
    """What was ordered to go wrong with one request."""

    late_milliseconds: int = 0
    word: str | None = None
    """Shown instead of the final status."""
    stuck: bool = False
    missing_until: float = 0
    """Real time (Unix, seconds) until which its status is not found."""


class BalanceRequest(msgspec.Struct):
    """One request on its way through the queue."""

    id: str
    received_at: datetime
    changed_at: datetime
    due_at: datetime
    state: str
    """One of queued, processing, completed, failed: our own words, not those shown."""
    rows: list[BalanceRow]
    """Emptied once applied."""
    row_count: int
    behaviour: Behaviour
    messages: list[Message] = []


_ROWS: Final = msgspec.json.Decoder(list[_Row])


def read_rows(body: bytes, rows_max: int, now: datetime, findings: Findings) -> list[BalanceRow]:
    """The rows of a request.

    Args:
        body: as it came.
        rows_max: the most rows Engage takes.
        now: the time for rows without a `timeStamp`, or with one without a time zone.
        findings: where rows without a usable time are noted.

    Raises:
        BodyRefusedError: not an array of rows, no rows or too many, or a value of the wrong kind.
    """
    try:
        read = _ROWS.decode(body)
    except msgspec.DecodeError as error:
        raise BodyRefusedError(str(error)) from error
    if len(read) > rows_max:
        message = "Too many items"
        raise BodyRefusedError(message)
    if not read:
        message = "No items"
        raise BodyRefusedError(message)
    rows = []
    for place, row in enumerate(read):
        try:
            amount = read_amount(row.amount)
        except AmountRefusedError as error:
            message = f"amount {error} - at `$[{place}].amount`"
            raise BodyRefusedError(message) from error
        at = row.time_stamp
        if at is None or at.tzinfo is None:
            findings.note(
                "no-time-zone" if at else "no-time",
                f"contact {row.contact_id}: a balance without a usable timeStamp",
            )
            at = now
        rows.append(BalanceRow(row.contact_id, row.definition_id, amount, at))
    return rows


class BalanceQueue:
    """The requests that wait, and those whose status can still be asked for."""

    def __init__(self, findings: Findings, seed: int = 0) -> None:
        self.waiting: list[BalanceRequest] = []
        self.requests: dict[str, BalanceRequest] = {}
        self.requests_added = 0
        self.unapplied = 0
        """Requests that wait or are being applied."""
        self.rows_applied = 0
        self.requests_applied = 0
        self._findings = findings
        self._random = random.Random(seed)  # noqa: S311 - a repeatable shuffle is wanted, not a secret
        self._on_the_way: Counter[tuple[str, int]] = Counter()

    def add(
        self, rows: list[BalanceRow], now: datetime, behaviour: Behaviour, kept_max: int
    ) -> BalanceRequest:
        """Queue a request and note what a careful master would not have sent."""
        self._inspect(rows)
        request = BalanceRequest(
            id=str(uuid4()),
            received_at=now,
            changed_at=now,
            due_at=now + timedelta(milliseconds=behaviour.late_milliseconds),
            state="queued",
            rows=rows,
            row_count=len(rows),
            behaviour=behaviour,
        )
        self.waiting.append(request)
        self.requests[request.id] = request
        self.requests_added += 1
        self.unapplied += 1
        self._forget(kept_max)
        return request

    def take_due(self, now: datetime | None, order: Order) -> list[BalanceRequest]:
        """Remove from the queue what is due (everything, without a time), in order of applying."""
        due = [request for request in self.waiting if now is None or request.due_at <= now]
        taken = {request.id for request in due}
        self.waiting = [request for request in self.waiting if request.id not in taken]
        due.sort(key=lambda request: request.due_at)
        if order is Order.REVERSE:
            due.reverse()
        elif order is Order.SHUFFLE:
            self._random.shuffle(due)
        return due

    def apply(
        self,
        request: BalanceRequest,
        contacts: Contacts,
        accounts: Accounts,
        definitions: frozenset[int],
        now: datetime,
        settings: BalanceSettings,
    ) -> None:
        """Set the balances of a request and give it its final state."""
        set_count = 0
        for row in request.rows:
            problem = self._apply_row(row, contacts, accounts, definitions, settings)
            if problem is None:
                set_count += 1
            elif len(request.messages) < MESSAGES_MAX:
                request.messages.append(Message(problem, now))
        self.release(request)
        self.requests_applied += 1
        self.rows_applied += set_count
        request.state = "completed" if set_count or not request.messages else "failed"
        request.changed_at = now

    def release(self, request: BalanceRequest) -> None:
        """Let go of the rows of a request that will not be applied (again)."""
        self.unapplied -= 1
        for row in request.rows:
            key = (row.contact_id, row.definition_id)
            self._on_the_way[key] -= 1
            if self._on_the_way[key] <= 0:
                del self._on_the_way[key]
        request.rows = []

    def forget_waiting(self) -> int:
        """Lose the queue, as a restart without memory would; the number of requests lost."""
        lost = len(self.waiting)
        for request in self.waiting:
            self.release(request)
            del self.requests[request.id]
        self.waiting = []
        return lost

    def restore(self, requests: list[BalanceRequest]) -> None:
        """Take over what was saved; what was being processed starts anew."""
        for request in requests:
            self.requests[request.id] = request
            if request.rows:
                request.state = "queued"
                self.waiting.append(request)
                self.unapplied += 1
                self._inspect(request.rows)

    @staticmethod
    def _apply_row(
        row: BalanceRow,
        contacts: Contacts,
        accounts: Accounts,
        definitions: frozenset[int],
        settings: BalanceSettings,
    ) -> str | None:
        contact_id = contacts.known(row.contact_id)
        if contact_id is None:
            if read_guid(row.contact_id) is None:
                return f"Contact id {row.contact_id} is not a GUID"
            return f"Contact {row.contact_id} was not found"
        if row.definition_id not in definitions:
            return f"Point definition {row.definition_id} was not found (contact {contact_id})"
        if settings.drop_older:
            account = accounts.account(contact_id, row.definition_id)
            if account is not None and account.set_at is not None and row.at < account.set_at:
                return f"Contact {contact_id}: an older balance was ignored"
        accounts.set_balance(contact_id, row.definition_id, row.amount, row.at)
        return None

    def _inspect(self, rows: Sequence[BalanceRow]) -> None:
        seen: set[tuple[str, int]] = set()
        for row in rows:
            key = (row.contact_id, row.definition_id)
            if key in seen:
                self._findings.note(
                    "two-rows-for-one-account",
                    f"contact {row.contact_id}, definition {row.definition_id}: "
                    "two rows in one balances request; the later one wins",
                )
            elif self._on_the_way[key]:
                self._findings.note(
                    "balance-sent-while-one-waits",
                    f"contact {row.contact_id}, definition {row.definition_id}: "
                    "an earlier balances request for it has not been applied yet",
                )
            seen.add(key)
        self._on_the_way.update((row.contact_id, row.definition_id) for row in rows)

    def _forget(self, kept_max: int) -> None:
        while len(self.requests) > kept_max:
            oldest = next(iter(self.requests.values()))
            if oldest.rows:
                return
            del self.requests[oldest.id]
