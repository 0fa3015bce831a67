"""How much of the machine's memory the own server may use.

The one hard idea: a page that is in the server's own memory costs a twentieth of one that has to be
copied from the system's, and books grow beyond a few hundred megabytes in a month. But the server
shares the machine with the service and with whoever else, and a container may have less than the
machine: so it may have a quarter of what there is, within bounds, and takes of it what the books
fill.
"""

import os
from pathlib import Path
from typing import Final

MEBIBYTE: Final = 2**20

BUFFERS_MIN: Final = 256 * MEBIBYTE
BUFFERS_MAX: Final = 8192 * MEBIBYTE

CONTAINER_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_of_machine(limits: tuple[Path, ...] = CONTAINER_LIMITS) -> int:
    """Bytes of memory there are, or that the container may use if that is less."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in limits:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            found = min(found, int(text))
    return found


def memory_settings(memory: int) -> dict[str, str]:
    """The settings of a server on a machine with so many bytes of memory."""
    buffers = min(max(memory // 4, BUFFERS_MIN), BUFFERS_MAX)
    cached = max(memory // 2, 2 * buffers)
    return {
        "shared_buffers": f"{buffers // MEBIBYTE}MB",
        "effective_cache_size": f"{cached // MEBIBYTE}MB",
    }
