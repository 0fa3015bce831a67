"""Opening the channels of the sources that have one.

The one hard idea: a client library is imported only where a source asks for it, and a missing one
is said by name when the service starts, not when the first message comes.
"""

from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from ledger.connection import Pool
from sync.clock import Clock
from sync.relay.intake import Incoming
from sync.relay.register import Register, SourceRecord
from sync.relay.storing import Stored

if TYPE_CHECKING:
    from sync.relay.channels.sftp import PickUp

Accept = Callable[[SourceRecord, Sequence[Incoming]], Awaitable[Stored]]
"""Stores what a source brought; raises where it could not."""


class MissingExtraError(Exception):
    """A source needs a client library that is not installed; the message says which."""


class Channel(Protocol):
    """Something that brings messages by itself."""

    def start(self) -> None:
        """Bring messages from now on."""
        ...

    async def stop(self) -> None:
        """Bring no more; what was brought is stored and acknowledged."""
        ...


def open_channels(register: Register, accept: Accept, clock: Clock) -> tuple[Channel, ...]:
    """The channels of all sources that read topics.

    Raises:
        MissingExtraError: the client library is not installed.
    """
    sources = [one for one in register.sources.values() if one.settings.options.kafka is not None]
    if not sources:
        return ()
    _need("confluent_kafka", "kafka", sources[0])
    from sync.relay.channels.kafka import Consumption  # noqa: PLC0415 - an extra

    return tuple(Consumption(source, accept, clock) for source in sources)


def open_pick_ups(
    register: Register, pool: Pool, accept: Accept, clock: Clock
) -> dict[str, "PickUp"]:
    """What fetches the files of each source that has a folder, by the source's name.

    Raises:
        MissingExtraError: the client library is not installed.
    """
    sources = {
        name: one for name, one in register.sources.items() if one.settings.options.sftp is not None
    }
    if not sources:
        return {}
    _need("asyncssh", "sftp", next(iter(sources.values())))
    from sync.relay.channels.sftp import PickUp  # noqa: PLC0415 - an extra

    return {name: PickUp(source, pool, accept, clock) for name, source in sources.items()}


def _need(module: str, extra: str, source: SourceRecord) -> None:
    if find_spec(module) is None:
        raise MissingExtraError(
            f"relay.sources.{source.settings.name}.{extra} needs the extra {extra}: "
            f"pip install 'pointmaster[{extra}]'"
        )
