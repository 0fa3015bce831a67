"""How a tenant's Engage follows, as it is answered: jobs, pauses, drift, and what would be sent.

The one hard idea: it is all about now. What was said and found in the past is in
`api.documents.engage_record`.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.documents.engage_record import exact_number
from api.documents.forms import Amount, Instant
from api.documents.sync import OpenDocument, RunDocument, run_document
from sync.engage import FollowerStatus
from sync.engage.pauses import REASON_LENGTH_MAX, Direction, Pause
from sync.engage.rehearsal import Rehearsal
from sync.service import JobStatus


class JobDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a job of the schedule stands.

    Attributes:
        timing: When it runs, in a few words.
        is_paused: The settings say that it doesn't run by itself.
        latest: Its latest run.
        well_at: When the latest run without trouble was started.
        next_due_at: When it is due, but for jitter; null if it won't be.
        is_late: It should have run by now: nobody keeps the schedule, it seems.
    """

    kind: str
    timing: str
    is_paused: bool
    latest: RunDocument | None
    well_at: Instant | None
    next_due_at: Instant | None
    is_late: bool


class PauseRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What is to stop, on all replicas and over restarts, until it is resumed.

    Attributes:
        direction: What is to stop.
        reason: Why, for whoever wonders.
    """

    direction: Direction
    reason: Annotated[str, Meta(min_length=1, max_length=REASON_LENGTH_MAX)] | UnsetType = UNSET


class PauseDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that was stopped."""

    direction: Direction
    paused_at: Instant
    paused_by: str
    reason: str | None


class PausesDocument(msgspec.Struct, frozen=True, rename="camel"):
    """Everything that is stopped."""

    pauses: tuple[PauseDocument, ...]


class DriftDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far Engage is known to be from the books.

    Attributes:
        differing: Accounts that differed when last compared.
        size: By how many points together.
        oldest_comparison_at: When the account compared longest ago was; 1970 for never.
    """

    differing: int
    size: Amount
    oldest_comparison_at: Instant | None


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the sync of a tenant stands.

    Attributes:
        marked: Changes not yet on their way to Engage.
        unfinished: Batches on their way, by state.
        stuck: Batches on their way for longer than the settings allow: somebody should look.
        parked: Totals and movements that Engage does not take.
        adjustments: Messages from Engage, by what became of them.
        paused: What people stopped.
        put_off_until: Until when nothing is sent, if sending was put off.
        trouble: Why it was.
        jobs: What ran last, what is due, what failed and why.
    """

    tenant: str
    mode: str
    marked: int
    unfinished: dict[str, OpenDocument]
    stuck: int
    parked: int
    adjustments: dict[str, int]
    drift: DriftDocument
    paused: tuple[PauseDocument, ...]
    put_off_until: Instant | None
    trouble: str | None
    jobs: tuple[JobDocument, ...]


class RehearsedDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A request that would be made.

    Attributes:
        was_stored: It is stored already and waits to be sent.
        body: What it would carry.
    """

    kind: str
    path: str
    row_count: int
    was_stored: bool
    body: msgspec.Raw


class RehearsalDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What would be sent now; nothing was sent.

    Attributes:
        requests: At most a thousand rows of what is new.
        unchanged: Marked accounts of which there is nothing new to tell.
        paused: Why nothing would be sent all the same.
    """

    requests: tuple[RehearsedDocument, ...]
    unchanged: int
    paused: str | None


def status_document(status: FollowerStatus, jobs: list[JobStatus]) -> StatusDocument:
    """How the sync stands as it is answered."""
    return StatusDocument(
        tenant=status.tenant,
        mode=status.mode,
        marked=status.marked,
        unfinished={
            state: OpenDocument(found.batches, found.rows, found.oldest, found.next_action_at)
            for state, found in status.unfinished.items()
        },
        stuck=status.stuck,
        parked=status.parked,
        adjustments=status.deliveries,
        drift=DriftDocument(
            differing=status.drift.differing,
            size=exact_number(status.drift.size),
            oldest_comparison_at=status.drift.oldest,
        ),
        paused=tuple(pause_document(one) for one in status.paused),
        put_off_until=status.put_off_until,
        trouble=status.trouble,
        jobs=tuple(_job_document(one) for one in jobs),
    )


def pause_document(pause: Pause) -> PauseDocument:
    """Something that was stopped, as it is answered."""
    return PauseDocument(
        direction=pause.direction,
        paused_at=pause.paused_at,
        paused_by=pause.paused_by,
        reason=pause.reason,
    )


def rehearsal_document(rehearsal: Rehearsal) -> RehearsalDocument:
    """A dry run, as it is answered."""
    return RehearsalDocument(
        requests=tuple(
            RehearsedDocument(
                kind=one.kind,
                path=one.path,
                row_count=one.row_count,
                was_stored=one.was_stored,
                body=msgspec.Raw(one.body or b"null"),
            )
            for one in rehearsal.requests
        ),
        unchanged=rehearsal.unchanged,
        paused=rehearsal.paused,
    )


def _job_document(job: JobStatus) -> JobDocument:
    return JobDocument(
        kind=job.kind,
        timing=job.timing,
        is_paused=job.is_paused,
        latest=None if job.latest is None else run_document(job.latest),
        well_at=job.well_at,
        next_due_at=job.next_due_at,
        is_late=job.is_late,
    )
