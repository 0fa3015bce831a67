"""The stand-in Engage's own part of the control address.

What a person could do in Engage's user interface, and what a test needs to see and set. Nothing
here counts as a request of the point master.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import Parameter

from sandbox.amounts import AmountRefusedError, read_amount
from sandbox.control import AnyRequest, ControlError, read_body, shown
from sandbox.door import CONTROL_PREFIX
from sandbox.engage.contacts import CONTACTS_PER_CALL_MAX, Contact
from sandbox.engage.deliveries import DeliveryState
from sandbox.engage.outside import NoAddressError, Outside
from sandbox.engage.state import Engage
from sandbox.engage.webhooks import Adjustment, Tamper

ADJUSTMENTS_MAX: Final = 20_000
WAIT_SECONDS_MAX: Final = 300

Count = Annotated[int, Parameter(ge=1, le=100_000)]


class _Body(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Base of the bodies: camelCase, no unknown fields."""


class RunJob(_Body, frozen=True):
    """How to run the job."""

    even_late: bool = False
    """Also apply what was made to be late."""


class PutContacts(_Body, frozen=True):
    """Contacts to add or replace."""

    contacts: Annotated[list[Contact], msgspec.Meta(max_length=CONTACTS_PER_CALL_MAX)]


class MergeContacts(_Body, frozen=True):
    """Let one contact disappear into another."""

    source: str
    target: str
    points: Literal["move", "drop"] = "move"


class Balance(_Body, frozen=True):
    """A balance as Engage should hold it."""

    contact_id: str
    amount: msgspec.Raw
    definition_id: int = 1


class SetBalances(_Body, frozen=True):
    """Balances to set behind the point master's back."""

    balances: Annotated[list[Balance], msgspec.Meta(max_length=CONTACTS_PER_CALL_MAX)]


class Adjust(_Body, frozen=True):
    """Adjustments to ask the point master for."""

    adjustments: Annotated[list[Adjustment], msgspec.Meta(min_length=1, max_length=ADJUSTMENTS_MAX)]
    tamper: Tamper = Tamper.NONE
    encrypted: bool | None = None
    """None: encrypted when a key is set."""
    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=WAIT_SECONDS_MAX)] = 0
    """Answer only when each message had its first attempt, or so long has passed."""


class Send(_Body, frozen=True):
    """A message of any type."""

    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    payload: Any
    tamper: Tamper = Tamper.NONE
    encrypted: bool | None = None
    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=WAIT_SECONDS_MAX)] = 0


class AskLog(_Body, frozen=True):
    """Whose log to ask for."""

    contact_id: str


class AskLogs(_Body, frozen=True):
    """Whose logs to ask for."""

    contact_ids: Annotated[list[str], msgspec.Meta(max_length=CONTACTS_PER_CALL_MAX)] | None = None
    """None: all contacts."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    sums: bool = False
    """Whether to answer the sum of each contact's log."""


@post(f"{CONTROL_PREFIX}/run-job", status_code=200)
async def run_job(request: AnyRequest, outside: Outside) -> Response[bytes]:
    """Run the job that applies balances, now."""
    wanted = await read_body(request, RunJob)
    return shown(await outside.job.run(even_late=wanted.even_late))


@get(f"{CONTROL_PREFIX}/queue")
async def show_queue(engage: Engage, count: Count = 100) -> Response[bytes]:
    """The balances requests, newest first, without their rows."""
    requests = list(engage.queue.requests.values())[-count:]
    return shown(
        [
            {
                "id": one.id,
                "state": one.state,
                "receivedAt": one.received_at,
                "dueAt": one.due_at,
                "changedAt": one.changed_at,
                "rows": one.row_count,
                "messages": one.messages,
            }
            for one in reversed(requests)
        ],
    )


@get(f"{CONTROL_PREFIX}/balances")
async def show_balances(engage: Engage, definition: int | None = None) -> Response[bytes]:
    """Every balance, however many there are."""
    engage.present()
    return shown(
        [
            {
                "contactId": account.contact_id,
                "definitionId": account.definition_id,
                "balance": account.balance,
                "pendingPoints": account.pending,
            }
            for account in engage.accounts.by_number.values()
            if definition is None or account.definition_id == definition
        ],
    )


@post(f"{CONTROL_PREFIX}/balances", status_code=200)
async def set_balances(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """Set balances at once, as a slip inside Engage would."""
    wanted = await read_body(request, SetBalances)
    now = engage.present()
    engage.welcome({balance.contact_id for balance in wanted.balances})
    rows = []
    for place, balance in enumerate(wanted.balances):
        contact_id = engage.contacts.known(balance.contact_id)
        try:
            amount = read_amount(balance.amount)
        except AmountRefusedError as error:
            message = f"balances[{place}].amount {error}"
            raise ControlError(message) from error
        if contact_id is None or balance.definition_id not in engage.definitions:
            message = f"balances[{place}]: contact or definition is not known"
            raise ControlError(message)
        rows.append((contact_id, balance.definition_id, amount))
    for contact_id, definition_id, amount in rows:
        engage.accounts.set_balance(contact_id, definition_id, amount, now)
    return shown({"set": len(rows)})


@get(f"{CONTROL_PREFIX}/accounts/{{contact_id:str}}")
async def show_accounts(contact_id: str, engage: Engage) -> Response[bytes]:
    """All about one contact's points."""
    engage.present()
    known = engage.contacts.known(contact_id)
    if known is None:
        message = f"no contact {contact_id[:100]}"
        raise ControlError(message, 404)
    return shown(
        {
            "contact": engage.contacts.by_id[known],
            "accounts": [
                {
                    "id": account.id,
                    "definitionId": account.definition_id,
                    "balance": account.balance,
                    "pendingPoints": account.pending,
                    "setAt": account.set_at,
                    "transactions": [
                        {
                            "id": one.id,
                            "amount": one.amount,
                            "type": one.type,
                            "source": one.source,
                            "description": one.description,
                            "transactionDate": one.transaction_date,
                            "validFrom": one.valid_from,
                            "validTo": one.valid_to,
                            "pending": one.pending,
                        }
                        for one in engage.accounts.transactions_of(account.id)
                    ],
                }
                for account in engage.accounts.by_contact.get(known, ())
            ],
        },
    )


@get(f"{CONTROL_PREFIX}/contacts")
async def show_contacts(
    engage: Engage,
    offset: Annotated[int, Parameter(ge=0)] = 0,
    count: Count = 100,
) -> Response[bytes]:
    """Contacts in the order they were added."""
    return shown(
        {"total": len(engage.contacts.by_id), "contacts": list(engage.contacts.page(offset, count))}
    )


@post(f"{CONTROL_PREFIX}/contacts", status_code=200)
async def put_contacts(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """Add or replace contacts, up to 100,000 in one call."""
    wanted = await read_body(request, PutContacts)
    now = engage.present()
    added = 0
    for place, contact in enumerate(wanted.contacts):
        try:
            added += engage.contacts.put(contact, now)
        except ValueError as error:
            message = f"contacts[{place}]: {error}; {place} before it were taken"
            raise ControlError(message) from error
    return shown({"added": added, "replaced": len(wanted.contacts) - added})


@delete(f"{CONTROL_PREFIX}/contacts/{{contact_id:str}}", status_code=200)
async def delete_contact(contact_id: str, engage: Engage) -> Response[bytes]:
    """Delete a contact and its points."""
    if not engage.delete_contact(contact_id):
        message = f"no contact {contact_id[:100]}"
        raise ControlError(message, 404)
    return shown({"deleted": contact_id})


@post(f"{CONTROL_PREFIX}/contacts/merge", status_code=200)
async def merge_contacts(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """Let one contact disappear into another."""
    wanted = await read_body(request, MergeContacts)
    try:
        engage.merge_contacts(wanted.source, wanted.target, move_points=wanted.points == "move")
    except KeyError as error:
        message = f"no contact {error}"
        raise ControlError(message, 404) from error
    return shown({"deleted": wanted.source, "survivor": wanted.target})


@post(f"{CONTROL_PREFIX}/adjustments", status_code=202)
async def adjust(request: AnyRequest, outside: Outside) -> Response[bytes]:
    """Send adjustments to the point master, one message each."""
    wanted = await read_body(request, Adjust)
    made = []
    for place, adjustment in enumerate(wanted.adjustments):
        try:
            made += outside.adjust(adjustment, wanted.tamper, encrypt=wanted.encrypted)
        except NoAddressError as error:
            raise ControlError(str(error), 409) from error
        except ValueError as error:
            message = f"adjustments[{place}]: {error}"
            raise ControlError(message) from error
    await outside.deliveries.settled(made, wanted.wait_seconds)
    return shown({"deliveries": [one.shown(bodies=False) for one in made]}, 202)


@post(f"{CONTROL_PREFIX}/messages", status_code=202)
async def send_message(request: AnyRequest, outside: Outside) -> Response[bytes]:
    """Send a message of any type to the point master."""
    wanted = await read_body(request, Send)
    try:
        made = outside.send(
            wanted.event_type, wanted.payload, wanted.tamper, encrypt=wanted.encrypted
        )
    except (NoAddressError, ValueError) as error:
        raise ControlError(str(error), 409) from error
    await outside.deliveries.settled(made, wanted.wait_seconds)
    return shown({"deliveries": [one.shown(bodies=False) for one in made]}, 202)


@get(f"{CONTROL_PREFIX}/deliveries")
async def show_deliveries(
    outside: Outside,
    count: Count = 100,
    only: Annotated[DeliveryState | None, Parameter(query="state")] = None,
    bodies: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response[bytes]:
    """The messages and their attempts, newest first."""
    deliveries = outside.deliveries.latest(count, only)
    return shown(
        {
            "counts": {state.value: number for state, number in outside.deliveries.counts.items()},
            "deliveries": [one.shown(bodies=bodies) for one in deliveries],
        },
    )


@post(f"{CONTROL_PREFIX}/deliveries/{{number:int}}/resend", status_code=202)
async def resend(number: int, outside: Outside) -> Response[bytes]:
    """Send one message again, with the id it had."""
    delivery = outside.deliveries.by_number.get(number)
    if delivery is None:
        message = f"no delivery {number}"
        raise ControlError(message, 404)
    outside.deliveries.resend(delivery)
    return shown(delivery.shown(bodies=False), 202)


@post(f"{CONTROL_PREFIX}/deliveries/resend-failed", status_code=202)
async def resend_failed(outside: Outside) -> Response[bytes]:
    """Send again every message that was given up."""
    failed = [
        one
        for one in outside.deliveries.by_number.values()
        if one.state in (DeliveryState.FAILED, DeliveryState.ABORTED)
    ]
    for delivery in failed:
        outside.deliveries.resend(delivery)
    return shown({"resent": len(failed)}, 202)


@post(f"{CONTROL_PREFIX}/points-log", status_code=200)
async def ask_log(request: AnyRequest, engage: Engage, outside: Outside) -> Response[bytes]:
    """Ask the point master for the log of one contact and judge the answer."""
    wanted = await read_body(request, AskLog)
    try:
        log = await outside.points_log.read(engage.settings.points_log, wanted.contact_id)
    except ValueError as error:
        raise ControlError(str(error), 409) from error
    return shown(log)


@post(f"{CONTROL_PREFIX}/points-log/all", status_code=200)
async def ask_logs(request: AnyRequest, engage: Engage, outside: Outside) -> Response[bytes]:
    """Ask the point master for the logs of many contacts and judge the answers."""
    wanted = await read_body(request, AskLogs)
    if not engage.settings.points_log.url:
        message = "pointsLog.url is not set"
        raise ControlError(message, 409)
    contact_ids = wanted.contact_ids
    if contact_ids is None:
        contact_ids = list(engage.contacts.by_id)
    return shown(
        await outside.points_log.read_all(
            engage.settings.points_log, contact_ids, wanted.concurrency, sums=wanted.sums
        ),
    )


ENGAGE_CONTROL_ROUTES: Final[tuple[BaseRouteHandler, ...]] = (
    run_job,
    show_queue,
    show_balances,
    set_balances,
    show_accounts,
    show_contacts,
    put_contacts,
    delete_contact,
    merge_contacts,
    adjust,
    send_message,
    show_deliveries,
    resend,
    resend_failed,
    ask_log,
    ask_logs,
)
