"""Whether memory stays as it is while more and more goes through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_KIB_A_MIB: Final = 1024

LOOK_SECONDS: Final = 0.05


def resident_mib() -> int:
    """What this process has in memory now, in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // _KIB_A_MIB
    return 0


@dataclass(slots=True)
class Memory:
    """Looks at memory while work is done; what was had after its first tenth is the base.

    What lies between two pieces of work (a control, say) counts only from the first to the last.
    """

    looks: list[list[int]] = field(default_factory=list)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look all the time that a piece of work takes."""
        looks = [resident_mib()]
        self.looks.append(looks)

        async def look() -> None:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                looks.append(resident_mib())

        watching = asyncio.create_task(look())
        try:
            yield
        finally:
            looks.append(resident_mib())
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    @property
    def note(self) -> str:
        """What came of it, of the piece of work that took most."""
        if not self.looks:
            return "memory was not looked at"
        base, most = max(
            # Before its first tenth is over, what a control had goes back to the system.
            ((one[len(one) // 10], max(one[len(one) // 10 :])) for one in self.looks),
            key=lambda two: two[1] - two[0],
        )
        grown = self.looks[-1][-1] - self.looks[0][-1]
        return (
            f"memory {base} MiB, at most {most - base} MiB more to the end of a round; "
            f"{grown:+} MiB from the first round to the last, the controls' included"
        )
