"""Whether memory stays as it is while more and more goes through."""

from dataclasses import dataclass, field
from pathlib import Path

_KIB_A_MIB = 1024


def resident_mib() -> int:
    """What this process has in memory now, in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // _KIB_A_MIB
    return 0


@dataclass(slots=True)
class Memory:
    """Looks at memory now and then; what was had after the first tenth of the work is the base."""

    looks: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Once more."""
        self.looks.append(resident_mib())

    @property
    def note(self) -> str:
        """What came of it."""
        if not self.looks:
            return "memory was not looked at"
        base = self.looks[len(self.looks) // 10]
        return f"memory {base} MiB, at most {max(self.looks) - base} MiB more to the end"
