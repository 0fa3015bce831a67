"""Receiving what Engage sends: adjustments to book, and events to keep.

The one hard idea: a message and its booking are one transaction. A sender that hears 2xx may forget
the message, so 2xx is said only after that transaction; one that hears anything else sends it again
and is recognised. Points adjusted here go back to Engage by the next push, like any other change.

The body is kept as it came, encrypted if it was, so that it can be judged again under another key;
what an adjustment says is kept beside it, every field, for whoever asks what it was. Where what is
quarantined comes again with another body, that one is judged, and both are kept.
"""

import contextlib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ledger.connection import Connection
from ledger.identity import HolderId
from ledger.outcomes import Booked, Outcome, Refused
from sync.engage import deliveries, pauses
from sync.engage.below_zero import NotWithinBalanceError, within_balance
from sync.engage.context import Context, new_id
from sync.engage.deliveries import DeliveryRecord, DeliveryState
from sync.engage.drift.evidence import weigh
from sync.engage.judgement import Disposition, Judgement, judge
from sync.engage.pauses import Direction
from sync.engage.signature import SignatureError, verify

BODY_BYTES_MAX: Final = 256 * 1024

PAUSED: Final = "paused"
"""The reason of messages that came while booking was stopped."""

OK: Final = 200
BAD_MESSAGE: Final = 400
BAD_SIGNATURE: Final = 401
TOO_LARGE: Final = 413

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How to answer a message.

    Attributes:
        status_code: 200 for whatever was kept; 400, 401 or 413 for what was not.
        state: What became of it; `None` where it was not kept.
        delivery: Its id here; `None` where it was not kept.
    """

    status_code: int
    state: DeliveryState | None = None
    delivery: UUID | None = None


class NotReplayableError(Exception):
    """The delivery isn't quarantined, or its body was erased."""


async def receive(context: Context, body: bytes, headers: Mapping[str, str]) -> Receipt:
    """Receive one message.

    Args:
        context: Whose door it came through.
        body: The raw bytes.
        headers: By any case of their names.
    """
    if len(body) > BODY_BYTES_MAX:
        return Receipt(TOO_LARGE)
    secrets = context.settings.secrets.signing_secrets
    message_id = None
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
    if secrets:
        try:
            message_id = verify(
                body,
                {name.lower(): value for name, value in headers.items()},
                secrets,
                now=now,
                tolerance=timedelta(seconds=context.options.webhook.tolerance_seconds),
            )
        except SignatureError:
            logger.warning("engage webhook tenant=%s refused=signature", context.tenant.name)
            return Receipt(BAD_SIGNATURE)
    judgement = _judge(context, body, message_id, is_signed=bool(secrets))
    if judgement.disposition is Disposition.REFUSE:
        logger.warning("engage webhook tenant=%s refused=message", context.tenant.name)
        return Receipt(BAD_MESSAGE)
    async with context.pool.acquire() as connection, connection.transaction():
        return await _keep(context, connection, body, message_id, judgement, now)


async def catch_up(context: Context) -> int:
    """Book what came while booking was stopped, in its order; answers how many were judged."""
    judged = 0
    async with context.pool.acquire() as connection:
        if await pauses.why(connection, context.tenant.id, Direction.ADJUSTMENTS) is not None:
            return 0
        held = await deliveries.held_up(connection, context.tenant.id, PAUSED)
    for delivery in held:
        with contextlib.suppress(NotReplayableError):
            await replay(context, delivery)
            judged += 1
    return judged


async def replay_all(context: Context, reason: str | None = None) -> Counter[DeliveryState]:
    """Judge again what is quarantined, for one reason or any, in the order in which it came.

    Each message by itself, so one that can't be booked never keeps the others back.
    """
    states: Counter[DeliveryState] = Counter()
    after: UUID | None = None
    while True:
        async with context.pool.acquire() as connection:
            held = await deliveries.held_up(connection, context.tenant.id, reason, after=after)
        for delivery in held:
            # Somebody else may have replayed it meanwhile.
            with contextlib.suppress(NotReplayableError):
                record = await replay(context, delivery)
                if record is not None:
                    states[record.state] += 1
        if len(held) < deliveries.LIST_MAX:
            return states
        after = held[-1]


async def replay(context: Context, delivery: UUID) -> DeliveryRecord | None:
    """Judge a quarantined message again, by the settings in force now.

    Returns:
        The message as it stands afterwards; `None` if the tenant has none of that id.

    Raises:
        NotReplayableError: it isn't quarantined, or its body was erased.
    """
    async with context.pool.acquire() as connection, connection.transaction():
        found = await deliveries.lock(connection, context.tenant.id, delivery)
        if found is None:
            return None
        if found.state is not DeliveryState.QUARANTINED or found.body is None:
            raise NotReplayableError(f"the delivery is {found.state}, not quarantined")
        now = await context.clock.read(connection)
        # It was authentic when it was stored; only then is anything quarantined.
        judgement = _judge(context, found.body, found.message_id, is_signed=True)
        await _decide(context, connection, delivery, judgement, now)
        return await deliveries.one(connection, context.tenant.id, delivery)


async def dismiss(context: Context, delivery: UUID, by: str, why: str) -> DeliveryRecord | None:
    """Leave a quarantined message unbooked for good, also if it comes again.

    Args:
        context: Whose.
        delivery: The message's id here.
        by: Who decided that.
        why: Their reason, for whoever wonders.

    Returns:
        The message as it stands afterwards; `None` if the tenant has none of that id.

    Raises:
        NotReplayableError: it isn't quarantined.
    """
    async with context.pool.acquire() as connection, connection.transaction():
        found = await deliveries.lock(connection, context.tenant.id, delivery)
        if found is None:
            return None
        if found.state is not DeliveryState.QUARANTINED:
            raise NotReplayableError(f"the delivery is {found.state}, not quarantined")
        now = await context.clock.read(connection)
        await deliveries.dismiss(connection, delivery, now, f"{why} ({by})")
        return await deliveries.one(connection, context.tenant.id, delivery)


def _judge(context: Context, body: bytes, message_id: str | None, *, is_signed: bool) -> Judgement:
    return judge(
        body,
        message_id=message_id,
        is_signed=is_signed,
        settings=context.settings,
        tenant=context.tenant,
        catalogue=context.books.catalogue,
    )


async def _keep(
    context: Context,
    connection: Connection,
    body: bytes,
    message_id: str | None,
    judgement: Judgement,
    now: datetime,
) -> Receipt:
    """Store a message and what becomes of it; one that was here before only counts."""
    delivery = new_id(now)
    tenant = context.tenant.id
    if await deliveries.add(connection, delivery, tenant, now, message_id, judgement, body):
        state = await _decide(context, connection, delivery, judgement, now)
        return Receipt(OK, state, delivery)
    earlier = await deliveries.find_and_lock(connection, tenant, message_id, judgement)
    if earlier is None:
        raise RuntimeError("a message that was here before is not there")
    state = earlier.state
    if state is DeliveryState.QUARANTINED:
        # Sent again, perhaps because its cause was mended; perhaps encrypted anew.
        if body != earlier.body:
            await deliveries.replace_body(connection, earlier.id, body)
        state = await _decide(context, connection, earlier.id, judgement, now)
    else:
        state = DeliveryState.DUPLICATE
    return Receipt(OK, state, earlier.id)


async def _decide(
    context: Context,
    connection: Connection,
    delivery: UUID,
    judgement: Judgement,
    now: datetime,
) -> DeliveryState:
    """Book a message, or write down why not."""
    state, reason, message, place = _unbooked(judgement)
    request, remark = judgement.request, None
    paused = await pauses.why(connection, context.tenant.id, Direction.ADJUSTMENTS)
    if await deliveries.is_taken(connection, context.tenant.id, delivery, judgement):
        state, reason = DeliveryState.DUPLICATE, "event_known"
        message = "another message stands for the same event"
    elif request is not None and paused is not None:
        state, reason, message = DeliveryState.QUARANTINED, PAUSED, paused
    elif request is not None:
        try:
            request, remark = await within_balance(context, connection, request)
        except NotWithinBalanceError as error:
            state, reason, message = error.state, error.reason, str(error)
        else:
            (outcome,) = await context.books.post_within(connection, [request])
            state, reason, message, place = _booked(outcome)
            message = message or remark
    elif judgement.shown is not None:
        message = await weigh(context, connection, judgement.shown, now) or message
    kept = judgement
    if state is DeliveryState.DUPLICATE:
        # What it stands for is known by the other message; whom it is about, to forget them.
        kept = Judgement(judgement.disposition, contact=judgement.contact)
    await deliveries.decide(
        connection, delivery, state, now, kept, reason=reason, message=message, place=place
    )
    logger.info(
        "engage webhook tenant=%s delivery=%s state=%s reason=%s",
        context.tenant.name,
        delivery,
        state,
        reason,
    )
    return state


_Decision = tuple[DeliveryState, str | None, str | None, tuple[HolderId, int] | None]


def _unbooked(judgement: Judgement) -> _Decision:
    if judgement.disposition is Disposition.IGNORE:
        return DeliveryState.IGNORED, judgement.reason, judgement.message, None
    return DeliveryState.QUARANTINED, judgement.reason, judgement.message, None


def _booked(outcome: Outcome) -> _Decision:
    if isinstance(outcome, Booked):
        booked = outcome.transaction
        return DeliveryState.BOOKED, None, None, (booked.holder, booked.number)
    if isinstance(outcome, Refused):
        said = f"{outcome.field or 'the adjustment'} {outcome.message}"
        return DeliveryState.QUARANTINED, outcome.code.value, said, None
    return (
        DeliveryState.DUPLICATE,
        "key_known",
        "the books have it",
        (outcome.holder, outcome.number),
    )
