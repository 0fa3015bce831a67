"""The wires as they are answered: runs, batches, how things stand, and what came in."""

import json
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.documents.forms import Instant
from sync.engage import BatchRecord, DeliveryRecord
from sync.jobs import JobKind
from sync.runs import RunRecord, RunState

WAIT_SECONDS_MAX = 600


class RunRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """How a run is wanted.

    Attributes:
        kind: What is to be done.
        wait_seconds: How long to wait for its outcome before answering; the run goes on either way.
        everything: Before a push, mark all there is to tell, not only what changed: for a first
            load, and where Engage may have lost or changed some.
    """

    kind: JobKind = JobKind.PUSH
    wait_seconds: Annotated[float, Meta(ge=0, le=WAIT_SECONDS_MAX)] = 0
    everything: bool = False


class RunDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A run of the wires.

    Attributes:
        kind: `sweep`, `push`, `poll`, `drift_sample`, `drift_share` or `contacts`.
        cause: `request` or `schedule`.
        state: `waiting`, `running`, `done`, `failed` or `abandoned` (its process died).
        is_final: Whether nothing more will happen to it.
        summary: What it did, in numbers, by name.
        error: Why it failed, or what trouble it met.
    """

    run_id: UUID
    kind: str
    cause: str
    state: str
    is_final: bool
    asked_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    summary: dict[str, Any] | None
    error: str | None


class RunPage(msgspec.Struct, frozen=True, rename="camel"):
    """Some runs, the latest first."""

    runs: tuple[RunDocument, ...]
    next_cursor: str | UnsetType = UNSET


class MessageDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What Engage said of a batch."""

    message: str
    at: Instant | None


class BatchSentDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was sent to Engage in one request.

    Attributes:
        state: `stored`, `sending`, `accepted` and `unclear` are under way; `done`, `failed`,
            `refused` and `settled` are final.
        row_count: The accounts in it.
        next_action_at: When it is looked at again; null when nothing more will happen.
        engage_id: Engage's own id of the request.
        status: Engage's own word, as it came.
        error: What was wrong, if anything was.
    """

    batch_id: UUID
    kind: str
    state: str
    row_count: int
    attempts: int
    created_at: Instant
    sent_at: Instant | None
    answered_at: Instant | None
    finished_at: Instant | None
    next_action_at: Instant | None
    http_status: int | None
    engage_id: str | None
    status: str | None
    messages: tuple[MessageDocument, ...]
    error: str | None


class BatchPage(msgspec.Struct, frozen=True, rename="camel"):
    """Some batches, the latest first."""

    batches: tuple[BatchSentDocument, ...]
    next_cursor: str | UnsetType = UNSET


class OpenDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The batches of one state that aren't finished."""

    batches: int
    rows: int
    oldest: Instant
    next_action_at: Instant


class AdjustmentDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message that Engage sent.

    Attributes:
        state: `booked`, `duplicate`, `quarantined` (can be replayed) or `ignored` (kept as
            evidence).
        reason: A stable word for why it was not booked.
        message: The same for the person who reads it.
        message_id: The sender's id of it, the same when it is sent again.
        envelope_id: Engage's id of the event.
        repeats: How often it came again.
        earlier_bodies: With how many other bodies it had come before the one that was judged; they
            are kept beside it.
        transaction_id: What it became in the books.
        payload: Everything an adjustment says, as Engage wrote it; null for other messages and
            for what can't be read.
    """

    adjustment_id: UUID
    state: str
    reason: str | None
    message: str | None
    event_type: str | None
    message_id: str | None
    envelope_id: str | None
    received_at: Instant
    decided_at: Instant
    repeats: int
    earlier_bodies: int
    transaction_id: UUID | None
    contact_id: UUID | None
    payload: dict[str, Any] | None


class AdjustmentPage(msgspec.Struct, frozen=True, rename="camel"):
    """Some messages, the latest first."""

    adjustments: tuple[AdjustmentDocument, ...]
    next_cursor: str | UnsetType = UNSET


class AdjustmentReplayRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Which quarantined messages are to be judged again.

    Attributes:
        reason: Only those set aside for this reason; all without it.
    """

    reason: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET


class AdjustmentDismissalRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """That a quarantined message is not to be booked.

    Attributes:
        reason: Why, for whoever wonders.
    """

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class AdjustmentsReplayedDocument(msgspec.Struct, frozen=True, rename="camel"):
    """How many messages were judged again, and what became of them, by state."""

    replayed: int
    states: dict[str, int]


FINAL_RUNS = frozenset({RunState.DONE, RunState.FAILED, RunState.ABANDONED})


def run_document(run: RunRecord) -> RunDocument:
    """A run as it is answered."""
    return RunDocument(
        run_id=run.id,
        kind=run.kind,
        cause=run.cause,
        state=run.state,
        is_final=run.state in FINAL_RUNS,
        asked_at=run.asked_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        summary=run.summary,
        error=run.error,
    )


def batch_document(batch: BatchRecord) -> BatchSentDocument:
    """A batch as it is answered."""
    return BatchSentDocument(
        batch_id=batch.id,
        kind=batch.kind,
        state=batch.state,
        row_count=batch.row_count,
        attempts=batch.attempts,
        created_at=batch.created_at,
        sent_at=batch.sent_at,
        answered_at=batch.answered_at,
        finished_at=batch.finished_at,
        next_action_at=batch.next_action_at,
        http_status=batch.http_status,
        engage_id=batch.engage_id,
        status=batch.status,
        messages=tuple(MessageDocument(one.message, one.at) for one in batch.messages),
        error=batch.error,
    )


def adjustment_document(delivery: DeliveryRecord) -> AdjustmentDocument:
    """A message as it is answered."""
    return AdjustmentDocument(
        adjustment_id=delivery.id,
        state=delivery.state,
        reason=delivery.reason,
        message=delivery.message,
        event_type=delivery.event_type,
        message_id=delivery.message_id,
        envelope_id=delivery.envelope_id,
        received_at=delivery.received_at,
        decided_at=delivery.decided_at,
        repeats=delivery.repeats,
        earlier_bodies=delivery.earlier_bodies,
        transaction_id=delivery.transaction_id,
        contact_id=delivery.contact_id,
        payload=_payload(delivery.payload),
    )


def _payload(text: str | None) -> dict[str, Any] | None:
    """What an adjustment says; numbers as they were written."""
    if text is None:
        return None
    try:
        # Raw values are passed on unread, so all of it is read once to know that it is JSON.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant)
        return dict(msgspec.json.decode(text, type=dict[str, msgspec.Raw]))
    except (ValueError, RecursionError):
        return None


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
