"""The stand-in MoEngage as one ASGI application: its routes behind its door."""

from typing import Final

from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp

from sandbox.control import application
from sandbox.door import Door
from sandbox.moengage import control_routes, data_routes, page
from sandbox.moengage.gate import MoEngageGate
from sandbox.moengage.state import MoEngage

ROUTES: Final[tuple[BaseRouteHandler, ...]] = (
    data_routes.post_event,
    data_routes.post_customer,
    data_routes.post_transition,
    data_routes.check_credentials,
    *control_routes.MOENGAGE_CONTROL_ROUTES,
    page.show_page,
)


def make_application(moengage: MoEngage) -> ASGIApp:
    """The application."""
    return Door(
        application(moengage, ROUTES, {"moengage": moengage}), MoEngageGate(moengage), moengage
    )
