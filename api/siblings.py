"""One answer to Prometheus of several processes on one port.

The one hard idea: whoever asks for the metrics reaches one worker by chance, so that one asks the
others what they counted and answers the sum. What is looked up in the database is the same for all
and is not summed. A worker that does not answer at once is left out this time.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from api.measures import Measures

FOLDER: Final = "POINTMASTER_WORKERS_FOLDER"
"""The variable by which a worker knows where the others answer."""

ANSWER_SECONDS_MAX: Final = 1.0

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def answering_siblings(measures: Measures, number: int) -> AsyncIterator[None]:
    """Tell the other workers what this one counted, and sum what they did, while the block lasts.

    Args:
        measures: This worker's.
        number: This worker's, different from the others'.
    """
    own = Path(os.environ[FOLDER]) / str(number)
    own.unlink(missing_ok=True)

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(measures.exposition())
            await writer.drain()
        writer.close()

    async def ask_all() -> list[str]:
        answers = await asyncio.gather(*(_ask(path) for path in _others(own)))
        return [answer for answer in answers if answer is not None]

    server = await asyncio.start_unix_server(tell, path=own)
    measures.ask_siblings = ask_all
    async with server:
        yield


def _others(own: Path) -> list[Path]:
    return [path for path in sorted(own.parent.iterdir()) if path != own]


async def _ask(path: Path) -> str | None:
    """What another worker counted."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return (await reader.read()).decode()
            finally:
                writer.close()
    except (OSError, TimeoutError) as problem:
        logger.warning("metrics worker=%s missing=%s", path.name, type(problem).__name__)
        return None
