"""What the end of a batch means for the accounts in it.

The one hard idea: the end of a request is not the end for each of its rows. Where Engage names a
contact in what it says, that row is in doubt whatever the state, and is settled by itself; the
others go by the state. So a bad row never holds up its neighbours.

    done     named rows: read back; all others: confirmed
    failed   named rows: parked with what was said; all others: again, later, in smaller company
    refused  as failed
"""

from datetime import datetime
from uuid import UUID

from ledger import reading
from ledger.connection import Connection
from sync.engage import accounts, batches
from sync.engage.accounts import SentRow
from sync.engage.answers import Message
from sync.engage.progress import FAILURES_PARK, State, Step, named_rows, retry_pause


async def end(connection: Connection, batch: UUID, step: Step, now: datetime) -> None:
    """Let the accounts of a finished batch go, inside the transaction that finished it.

    Rows in doubt stay in flight: the batch is then `unclear` again, to be settled at once.
    """
    said = step.messages or ()
    if step.state is State.REFUSED and step.error is not None:
        said = (Message(step.error),)
    rows = await accounts.in_flight(connection, batch) if said or _has_failed(step) else []
    named = await _named(connection, rows, said)
    await accounts.say(connection, batch, named)
    if step.state is State.DONE:
        await accounts.confirm_all_but(connection, batch, now, list(named))
        if named:
            doubtful = Step(State.UNCLEAR, now, error="Engage named contacts: reading them back")
            await batches.record(connection, batch, State.DONE, doubtful, now)
        return
    await accounts.park(connection, batch, named)
    await _try_again(connection, batch, [row for row in rows if row.place not in named], step, now)


async def _try_again(
    connection: Connection, batch: UUID, rows: list[SentRow], step: Step, now: datetime
) -> None:
    """Mark rows for another push, later and in smaller batches; park those that failed alone."""
    failures = await accounts.failures_of(connection, batch)
    reason = step.error or f"Engage says {step.status}"
    hopeless = {row.place: reason for row in rows if failures[row.place] + 1 >= FAILURES_PARK}
    await accounts.park(connection, batch, hopeless)
    by_failures: dict[int, list[int]] = {}
    for row in rows:
        if row.place not in hopeless:
            by_failures.setdefault(failures[row.place], []).append(row.place)
    for before, places in by_failures.items():
        await accounts.push_again(connection, batch, places, now + retry_pause(before + 1))


async def _named(
    connection: Connection, rows: list[SentRow], said: tuple[Message, ...]
) -> dict[int, str]:
    """The rows whose contacts are named in what Engage said, by place."""
    if not said:
        return {}
    contacts = await reading.contacts_of(connection, list({row.key[0] for row in rows}))
    listed = [str(contacts.get(row.key[0], "")) for row in rows]
    return {rows[index].place: message for index, message in named_rows(listed, said).items()}


def _has_failed(step: Step) -> bool:
    return step.state is not State.DONE
