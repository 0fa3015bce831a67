"""Everything that takes long, one after the other: `python -m tests.soak --seed 7 --minutes 10`.

First every test that is marked `soak` (long histories on paper and stored, the hammer, the shop's
year line by line …), each with a limit of time; then the simulation with crashes over several
seeds; then storms over Engage and over the relay. What fails doesn't keep the rest from being
tried. The last lines say what held and how long it took; the exit status is 0 only if all did.
"""

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

import click

ROOT: Final = Path(__file__).parents[1]
SEEDS: Final = 10
TEST_SECONDS_MAX: Final = 3600
STORM_TEST: Final = (
    "tests/integration/sync/relay/test_relay_storm.py"
    "::test_nothing_is_lost_or_doubled_in_a_million_events"
)
"""The storm as a test; here it is let loose by its own command, which tells how it goes."""


ENGAGE: Final = ("--rounds", "300")
"""How long the storms over Engage last, one in each mode."""


class Proof(NamedTuple):
    """Something to be held, by a command whose last line says what came of it."""

    name: str
    command: tuple[str, ...]


class Held(NamedTuple):
    """What came of it."""

    name: str
    is_right: bool
    seconds: float
    last_line: str

    def __str__(self) -> str:
        verdict = "held" if self.is_right else "FAILED"
        minutes, seconds = divmod(round(self.seconds), 60)
        return f"{self.name:<16} {verdict:<7} {minutes:>3}:{seconds:02}  {self.last_line}"


def proofs(seed: int, steps: int, events: int) -> list[Proof]:
    """What is to be held, in order."""
    python = (sys.executable, "-m")
    tests = ("pytest", "-q", "-m", "soak", "-n", "2", "--dist", "worksteal", "--deselect")
    limit = f"--timeout={TEST_SECONDS_MAX}"
    found = [Proof("tests", (*python, *tests, STORM_TEST, limit))]
    for number in range(SEEDS):
        life = ("--seed", str(seed + number), "--steps", str(steps // SEEDS))
        found.append(Proof(f"simulation {number + 1}", (*python, "tests.simulation.run", *life)))
    found.append(Proof("engage", (*python, "tests.following.storm", *ENGAGE, "--seed", str(seed))))
    if events:
        storm = ("tests.relay_soak", "--events", str(events), "--seed", str(seed))
        found.append(Proof("relay", (*python, *storm)))
    return found


def hold(proof: Proof, minutes: int) -> Held:
    """Run a command, showing what it says as it says it."""
    click.echo(f"\n{proof.name}: {' '.join(proof.command[1:])}")
    began = time.monotonic()
    last_line = ""
    with subprocess.Popen(
        proof.command,
        cwd=ROOT,
        env={**os.environ, "SOAK_MINUTES": str(minutes)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            click.echo(line, nl=False)
            last_line = line.strip() or last_line
    return Held(proof.name, process.returncode == 0, time.monotonic() - began, last_line)


@click.command()
@click.option("--seed", type=int, help="What is drawn is drawn from this; a new one by default.")
@click.option("--minutes", type=click.IntRange(1), default=10, show_default=True, help="Hammering.")
@click.option("--steps", type=int, default=20_000, show_default=True, help="Simulated, in all.")
@click.option("--events", type=int, default=1_000_000, show_default=True, help="Relayed; 0: none.")
def main(seed: int | None, minutes: int, steps: int, events: int) -> None:
    """Hold everything that takes long."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    click.echo(f"seed {seed}")
    came = [hold(proof, minutes) for proof in proofs(seed, steps, events)]
    failed = sum(not one.is_right for one in came)
    click.echo("\n" + "\n".join(map(str, came)))
    click.echo(
        f"seed {seed}: {failed} of {len(came)} failed; again: make soak SEED={seed}"
        if failed
        else f"seed {seed}: everything held, in {sum(one.seconds for one in came) / 60:.0f} minutes"
    )
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
