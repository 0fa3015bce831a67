"""The stand-in Engage as one ASGI application: its routes behind its door."""

from typing import Any, Final

from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp

from sandbox.control import application
from sandbox.door import Door
from sandbox.engage import (
    account_routes,
    balance_routes,
    contact_routes,
    control_routes,
    page,
    transaction_routes,
)
from sandbox.engage.gate import EngageGate
from sandbox.engage.outside import Outside
from sandbox.engage.state import Engage

ROUTES: Final[tuple[BaseRouteHandler, ...]] = (
    balance_routes.post_balances,
    balance_routes.get_balances_status,
    transaction_routes.post_transactions,
    transaction_routes.list_transactions,
    transaction_routes.get_transaction,
    transaction_routes.list_transactions_v3,
    account_routes.list_accounts,
    account_routes.list_accounts_v3,
    account_routes.get_account,
    account_routes.list_definitions,
    account_routes.get_definition,
    contact_routes.find_contact_id,
    contact_routes.list_changes,
    contact_routes.get_contact,
    contact_routes.get_overview,
    *control_routes.ENGAGE_CONTROL_ROUTES,
    page.show_page,
)


def make_application(engage: Engage, outside: Outside) -> ASGIApp:
    """The application for one tenant."""
    given: dict[str, Any] = {"engage": engage, "outside": outside}
    return Door(application(engage, ROUTES, given), EngageGate(engage), engage)
