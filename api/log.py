"""The log of the service: one line an event, in UTC, on the standard error.

The one hard idea: what other people's libraries say is let through only where somebody has to act
on it. A database that goes away is noticed by every connection at once; it is said once.
"""

import logging
import sys
import time
from typing import Final

QUIET_SECONDS: Final = 30.0
"""How long a pool that says it can't connect is not listened to again."""


class OneSentence(logging.Filter):
    """Turns the tracebacks of a pool that has lost its database into a sentence now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the first one pass, as a sentence."""
        now = time.monotonic()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + QUIET_SECONDS
        problem = record.exc_info[0] if record.exc_info else None
        record.msg = "database connections lost=%s; they are made anew when it answers"
        record.args = (problem.__name__ if problem else "unknown",)
        record.exc_info = None
        return True


def begin_log(level: str) -> None:
    """Log from now on what is at least of this level."""
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in ("httpx", "httpcore", "apscheduler", "alembic", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Its warnings are of what callers send that is no HTTP, which is theirs to mend.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("asyncpg.pool").addFilter(OneSentence())
