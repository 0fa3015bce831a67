"""Posting measured beside its SQL control, round by round."""

from dataclasses import dataclass, field
from statistics import median

from benchmarks.driving import Drive, Maker, RequestsOf, drive
from benchmarks.filling import filled
from benchmarks.ground import Ground, open_books
from benchmarks.processor import Processor
from benchmarks.replaying import replay, require_same, stage
from benchmarks.result import Latency, Rounds
from ledger.group_commit import LANES


@dataclass(slots=True)
class Beside:
    """Rounds of posting and of its control, in transactions a second.

    Attributes:
        per_commit: How many transactions a commit held, round by round.
        processor: Microseconds of processor time a transaction: of our process, of the sessions it
            had, of the control's sessions.
    """

    rounds: Rounds = field(default_factory=Rounds)
    waits: list[float] = field(default_factory=list)
    per_commit: list[int] = field(default_factory=list)
    processor: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def latency(self) -> Latency | None:
        """How long a transaction took, from being handed over with its batch to its outcome."""
        return Latency.of(self.waits)

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the time went."""
        own, server, control = (median(one) for one in zip(*self.processor, strict=True))
        used = (
            f"processor time a transaction: {own:.0f} us Python and {server:.0f} us PostgreSQL, "
            f"control {control:.0f} us PostgreSQL"
        )
        return (f"{median(self.per_commit):.0f} transactions a commit", used)


def _microseconds(done: Drive, control: Processor) -> tuple[float, float, float]:
    one = done.transactions / 1_000_000
    return done.processor.own / one, done.processor.server / one, control.both / one


async def beside_sql(
    ground: Ground, requests_of: RequestsOf, *, contacts: int, each: int, count: int
) -> Beside:
    """Post `count` requests a round into books of so many contacts, and replay each round by SQL.

    Round 0 warms both up and is not counted.
    """
    found = Beside()
    template = await filled(ground, contacts, each)
    async with ground.database(template) as ours, ground.database(template) as control:
        async with open_books(ours) as books:
            for number in range(ground.rounds + 1):
                maker = Maker(books, contacts, seed=number)
                size = count if number else count // 4
                requests = requests_of(maker, size)
                await ground.checkpoint()
                done: Drive = await drive(books, requests, lanes=LANES)
                staged = await stage(ours, control, done.began_at)
                await ground.checkpoint()
                seconds, processor = await replay(control, staged)
                if number:
                    found.rounds.add(done.rate, done.transactions / seconds)
                    found.waits += done.waits
                    found.per_commit.append(staged.per_commit)
                    found.processor.append(_microseconds(done, processor))
                    ground.say(f"ours {done.rate:,.0f}, SQL {done.transactions / seconds:,.0f}")
        await require_same(ours, control)
    return found
