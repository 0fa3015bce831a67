"""New ids for what has just come."""

import os
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from ledger.identity import uuid7


def fresh_ids(now: datetime) -> Iterator[UUID]:
    """New ids of one moment, without end."""
    while True:
        yield uuid7(now, os.urandom(10))
