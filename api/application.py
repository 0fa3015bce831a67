"""The application: every door, put together over one service.

The one hard idea: it is made of a service that is open already, so it has no life of its own; the
order of starting and stopping is `api.service`'s business. A handler without an operation can't be
added: what is not described does not exist.
"""

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Final

import msgspec
from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from api.answers import on_exception
from api.busy_doors import BusyDoors
from api.edge import Edge
from api.intake.bodies import BODY_BYTES_MAX
from api.openapi.document import build_document
from api.openapi.operation import OPERATION, Operation
from api.openapi.page import render_page
from api.routes import (
    adjustments,
    contact_changes,
    contact_lots,
    contacts,
    documentation,
    engage,
    explanations,
    finance,
    finance_balances,
    health,
    members,
    periods,
    relay,
    relay_events,
    relay_people,
    sync,
    sync_control,
    sync_record,
    transaction_batches,
    transactions,
)
from api.service import Service

HANDLERS: Final[tuple[HTTPRouteHandler, ...]] = (
    transactions.post_transaction,
    transaction_batches.post_transaction_batch,
    transactions.get_transaction,
    transactions.get_transaction_by_key,
    explanations.explain_transaction,
    members.find_contact,
    contacts.get_contact_balances,
    contacts.list_contact_transactions,
    contact_lots.list_contact_lots,
    contact_lots.list_contact_holds,
    explanations.explain_contact_points,
    contact_changes.merge_contact,
    contact_changes.close_contact_accounts,
    contact_changes.delete_contact,
    finance.get_trial_balance,
    finance.get_roll_forward,
    finance.get_ageing,
    finance_balances.list_account_balances,
    periods.list_periods,
    periods.close_period,
    engage.receive_engage_webhook,
    engage.get_points_log,
    engage.get_points_log_by_path,
    engage.get_points_log_by_token,
    engage.get_points_log_by_token_and_path,
    sync.post_sync_run,
    sync.list_sync_runs,
    sync.get_sync_run,
    sync.get_sync_status,
    sync.list_sync_batches,
    sync_control.list_sync_pauses,
    sync_control.pause_sync,
    sync_control.resume_sync,
    sync_control.rehearse_sync,
    sync_record.list_parked,
    sync_control.retry_parked,
    sync_record.read_sync_record,
    sync_record.list_sync_differences,
    sync_record.list_gone_contacts,
    adjustments.list_adjustments,
    adjustments.get_adjustment,
    adjustments.replay_adjustment,
    adjustments.replay_adjustments,
    adjustments.dismiss_adjustment,
    relay.receive_relay_message,
    relay.receive_relay_message_by_token,
    relay.greet_relay_source,
    relay.greet_relay_source_by_token,
    relay_events.get_relay_status,
    relay_events.list_relay_events,
    relay_events.get_relay_event,
    relay_events.replay_relay_event,
    relay_events.replay_relay_events,
    relay_events.resume_relay_destination,
    relay_people.erase_relay_customers,
    relay_people.tell_relay_customers,
    health.get_liveness,
    health.get_readiness,
    health.get_metrics,
)
"""Every door, in the order in which the description tells of them."""

METHODS: Final = ("get", "post", "delete")
"""What doors are called with; a handler for GET knows HEAD and OPTIONS besides."""

PAGES: Final[tuple[HTTPRouteHandler, ...]] = (
    documentation.get_document,
    documentation.get_page,
    documentation.get_problem,
)
"""What describes the doors and is no door itself."""


def create_app(service: Service) -> Edge:
    """The ASGI application of a service."""
    document = build_document(operations(), version=version("pointmaster"))
    described = documentation.Described(
        msgspec.json.encode(document),
        render_page(document),
        service.configuration.service.open_documentation,
    )
    application = Litestar(
        route_handlers=[*HANDLERS, *PAGES],
        exception_handlers={HTTPException: on_exception, Exception: on_exception},
        state=State({"service": service, "described": described}),
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )
    return Edge(BusyDoors(application, service), service.measures)


def operations() -> Iterator[tuple[str, str, Operation]]:
    """Each door's method, path as OpenAPI writes it, and operation."""
    for handler in HANDLERS:
        operation = handler.opt.get(OPERATION)
        if not isinstance(operation, Operation):
            raise TypeError(f"{handler.name or handler} has no operation")
        method = next(one for one in METHODS if one.upper() in handler.http_methods)
        for path in handler.paths:
            yield method, re.sub(r":[a-z]+\}", "}", path), operation
