"""Waiting for work that may never end, and saying where it stands if it does not."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any


class HangsError(AssertionError):
    """Work did not end in its time; the text says where every task stands."""


async def ends(work: Coroutine[Any, Any, None], seconds: float) -> None:
    """Do some work, which must end in its time.

    Raises:
        HangsError: it did not. It is left as it stands.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if not done:
        standing = (" < ".join(_awaiting(one.get_coro())) for one in asyncio.all_tasks())
        raise HangsError("; ".join(standing))
    task.result()


def _awaiting(waiting: Any) -> Iterator[str]:
    """What a task waits for, from the outermost inwards."""
    while waiting is not None:
        frame = next(
            (
                getattr(waiting, name, None)
                for name in ("cr_frame", "ag_frame", "gi_frame")
                if hasattr(waiting, name)
            ),
            None,
        )
        if frame is not None:
            yield f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        waiting = next(
            (
                getattr(waiting, name, None)
                for name in ("cr_await", "ag_await", "gi_yieldfrom")
                if hasattr(waiting, name)
            ),
            None,
        )
