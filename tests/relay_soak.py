"""The long storm: `python -m tests.relay_soak --events 1000000 --seed 7`.

A million events through two services that are killed again and again, into a stand-in MoEngage with
every fault it knows. The last line says what became of it; the exit status is 0 only if all of it
arrived as it should; the seed plays it again.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from ledger.postgres import Profile, open_database
from migrations.upgrade import migrate
from sandbox.launch import launched
from tests.relaying.storm import Outcome, Size, Storm

UNLIMITED = [
    option
    for name in ("transitionEventsMax", "transitionUsersMax", "eventEventsMax", "customerUsersMax")
    for option in ("--set", f"limits.{name}=null")
]


async def weather(events: int, seed: int, kill_every: int) -> Outcome:
    """Let it storm."""
    started = time.monotonic()

    def tell(said: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:7.0f} s  {said}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="pointmaster-soak-") as folder:
        path = Path(folder)
        options = ["--set", "keepBodies=false", "--set", "journal.requestsMax=100", *UNLIMITED]
        async with open_database(folder=path / "postgres", profile=Profile.TESTS) as database:
            await migrate(database.dsn_owner)
            with launched("moengage", *options) as moengage:
                size = Size(
                    events,
                    customers=max(200, events // 40),
                    together=100,
                    senders=12,
                    kill_every=kill_every,
                )
                return await Storm(size, seed, database, moengage, path, tell).run()


def main() -> None:
    """Read the command line, let it storm, and say what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kill-every", type=int, default=Size.kill_every, metavar="EVENTS")
    arguments = parser.parse_args()
    sys.stdout.write(f"{arguments.events} events, seed {arguments.seed}\n")
    outcome = asyncio.run(weather(arguments.events, arguments.seed, arguments.kill_every))
    for one in outcome.wrong[:20]:
        sys.stdout.write(f"WRONG: {one}\n")
    sys.stdout.write(f"seed {arguments.seed}: {summary(outcome)}\n")
    if outcome.wrong:
        sys.exit(1)


def summary(outcome: Outcome) -> str:
    """What became of it, on one line."""
    verdict = f"{len(outcome.wrong)} WRONG" if outcome.wrong else "all as it should be"
    return (
        f"{verdict}; {outcome.sent:,} events sent and {outcome.repeats_sent:,} of them again, "
        f"{outcome.kills} kills, {outcome.arrived:,} arrived, {outcome.arrived_twice:,} of them "
        f"twice of {outcome.listed:,} listed as possible, {outcome.seconds_whole:,.0f} s "
        f"({outcome.sent / outcome.seconds_sending:,.0f} a second coming in)"
    )


if __name__ == "__main__":
    main()
