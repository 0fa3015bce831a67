"""How the service listens: the socket, and the server on it, told everything in this one place.

The one hard idea: the server is uvicorn's, but life and death are ours. It neither catches signals
nor ends the process, for the books must be closed after it and not before.
"""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

from api.application import create_app
from api.configuration.file import ServiceSection
from api.connections import KEEP_ALIVE_SECONDS, Connection
from api.service import Service

BACKLOG: Final = 2048
"""Connections that wait to be accepted."""


class CanNotListenError(Exception):
    """The address can't be listened on; the message says which and why."""


class Server(uvicorn.Server):
    """uvicorn's server, stopped by us: it would end the process before the books are closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever started the server."""
        yield


def open_socket(host: str, port: int) -> socket.socket:
    """The socket to listen on, so that a port in use is found before anything else is opened.

    Raises:
        CanNotListenError: the port is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        reason = _reason(problem)
        raise CanNotListenError(f"can't listen on {host}, port {port}: {reason}") from None


def address_of(listening: socket.socket) -> str:
    """Where a socket listens, as an address to call."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_of(service: Service) -> Server:
    """A server of the service's doors."""
    section = service.configuration.service
    return Server(
        uvicorn.Config(
            create_app(service),
            **_proxies_trusted(section),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=section.drain_seconds,
        )
    )


def _proxies_trusted(section: ServiceSection) -> dict[str, Any]:
    """Whose word about their callers' addresses the server takes; else nobody's, nor by default."""
    proxies = list(section.trusted_proxies)
    return {"proxy_headers": bool(proxies), "forwarded_allow_ips": proxies}


def _reason(problem: OSError) -> str:
    # Python's own server adds the address to what the system says.
    return (problem.strerror or str(problem)).partition(" (while attempting")[0].lower()
