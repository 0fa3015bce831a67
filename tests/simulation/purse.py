"""A shop customer's points by the plainest reckoning there is, for the year that is replayed.

The one hard idea: nothing comes late at a till that is online, so points stand in a queue in the
order they were earned, and whatever is taken is taken from its front. It knows only what the replay
does (earning, returning, redeeming, correcting, lapsing) and shares nothing with `ledger` but the
words, nor with the larger model, by which it is tested itself.
"""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Batch:
    """Points earned by one line.

    Attributes:
        returned: Points asked back so far; of them, taken: those there were, or became debt.
        part: What was brought back so far, of the whole that was paid.
    """

    issued: int
    left: int
    ends: datetime
    lapsed: int = 0
    returned: int = 0
    taken: int = 0
    part: int = 0


@dataclass(slots=True)
class Purse:
    """What one customer has, in minor units.

    Attributes:
        front: Everything before this is used up.
    """

    queue: list[Batch] = field(default_factory=list)
    earned_by: dict[str, Batch] = field(default_factory=dict)
    front: int = 0
    debt: int = 0
    issued: int = 0
    redeemed: int = 0
    expired: int = 0
    corrected: int = 0

    @property
    def has_been_used(self) -> bool:
        """Whether anything ever happened with it."""
        return bool(self.queue or self.debt or self.corrected)

    @property
    def available(self) -> int:
        """What can be spent now."""
        return sum(one.left for one in self.queue[self.front :])

    def lapse(self, now: datetime) -> None:
        """Let go of what has come to its end."""
        while self.front < len(self.queue) and self.queue[self.front].ends <= now:
            one = self.queue[self.front]
            one.lapsed += one.left
            self.expired += one.left
            one.left = 0
            self.front += 1

    def earn(self, key: str, amount: int, ends: datetime) -> None:
        """Points for a line; what is owed is paid off with them first."""
        repaid = min(self.debt, amount)
        self.debt -= repaid
        self.issued += amount
        one = Batch(amount, amount - repaid, ends)
        self.queue.append(one)
        self.earned_by[key] = one

    def redeem(self, amount: int) -> bool:
        """Spend points, if there are so many."""
        if amount > self.available:
            return False
        self._take(amount)
        self.redeemed += amount
        return True

    def give_back(self, key: str, part: int, whole: int) -> None:
        """Some of a line brought back: its own points first, then others, the rest is owed.

        What lapsed unspent has gone already, and is asked of nobody a second time.
        """
        one = self.earned_by[key]
        one.part += part
        asked = one.issued * one.part // whole - one.returned
        one.returned += asked
        wanted = max(0, min(asked, one.issued - one.lapsed - one.taken))
        one.taken += wanted
        self.issued -= wanted
        own = min(one.left, wanted)
        one.left -= own
        self.debt += self._take(wanted - own)

    def correct(self, amount: int) -> None:
        """Points taken off by hand, or owed."""
        self.corrected += amount
        self.debt += self._take(amount)

    def _take(self, amount: int) -> int:
        """Take from the front as far as it goes; answers what is short."""
        for one in self.queue[self.front :]:
            if not amount:
                break
            part = min(one.left, amount)
            one.left -= part
            amount -= part
        self._move_on()
        return amount

    def _move_on(self) -> None:
        while self.front < len(self.queue) and not self.queue[self.front].left:
            self.front += 1

    def standing(self) -> list[tuple[int, int, datetime]]:
        """What is left of which batch, counted from 1, and until when."""
        return [
            (number, one.left, one.ends) for number, one in enumerate(self.queue, 1) if one.left
        ]
