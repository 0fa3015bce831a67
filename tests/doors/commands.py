"""The command `pointmaster` as a user runs it, in a folder of the test's own."""

import os
import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from api.command_line import main
from api.command_line.context import ASIDE, OUT
from ledger.postgres import Database

CONFIGURATION = """
[tenants.acme]
time_zone = "Europe/Stockholm"

[[tenants.acme.definitions]]
engage_id = 1
name = "Points"

[[tenants.acme.definitions]]
engage_id = 2
name = "Credits"
scale = 2
"""

SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that came to its end.

    Attributes:
        memory: The most it had at once, in MiB.
    """

    status: int
    out: str
    aside: str
    memory: float

    @property
    def words(self) -> str:
        """All it said, without the breaks that a narrow terminal makes."""
        return " ".join(f"{self.out} {self.aside}".split())


class Commands:
    """Runs commands on a database."""

    program = (sys.executable, "-m", "api")

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        folder.joinpath("pointmaster.toml").write_text(CONFIGURATION, encoding="utf-8")
        self.variables = {
            **os.environ,
            "DATABASE_URL": database.dsn_service,
            "DATABASE_OWNER_URL": database.dsn_owner,
            "COLUMNS": "200",
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Begin a command."""
        return subprocess.Popen(
            [*self.program, *words],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, status: int = 0) -> Ended:
        """Run a command to its end, which must be with this exit status."""
        process = self.start(*words)
        try:
            out, aside, memory = self._follow(process)
        finally:
            process.kill()
        ended = Ended(process.returncode, out, aside, memory)
        assert ended.status == status, f"{words}: {ended.status}\n{out}\n{aside}"
        assert "Traceback" not in aside, aside
        return ended

    def say(self, *words: str, status: int = 0) -> Ended:
        """The same within the process of the test, which is quicker."""
        variables = {**self.variables, "POINTMASTER_CONFIG": str(self.folder / "pointmaster.toml")}
        # What prints has looked at the variable already, when it was imported.
        OUT.width = ASIDE.width = int(self.variables["COLUMNS"])
        with chdir(self.folder):
            result = CliRunner(env=variables).invoke(main, words)
        ended = Ended(result.exit_code, result.stdout, result.stderr, 0.0)
        assert ended.status == status, f"{words}: {ended.status}\n{result.output}"
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return ended

    @staticmethod
    def _follow(process: "subprocess.Popen[str]") -> tuple[str, str, float]:
        most = 0.0
        while True:
            try:
                out, aside = process.communicate(timeout=0.05)
            except subprocess.TimeoutExpired:
                most = max(most, _memory(process.pid))
                continue
            return out, aside, most


def _memory(pid: int) -> float:
    """The most a living process had so far, in MiB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
