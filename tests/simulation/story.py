"""Turning small numbers into a history of the books that makes sense, most of the time.

The one hard idea: a step is a handful of small integers, whoever draws them (Hypothesis, which can
then shrink a failing history, or a seeded generator). What they mean is decided here, in view of
what was asked before: a return finds an earn to take back, a capture a hold, a retry the request it
repeats. Instants lie on whole days wherever they can, so that boundaries meet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from ledger.amounts import Points
from ledger.identity import ContactId, DefinitionId, TenantId
from ledger.requests import (
    Activate,
    Adjust,
    Cancel,
    Capture,
    Close,
    Earn,
    Extend,
    Hold,
    Move,
    Open,
    Redeem,
    Release,
    Request,
    Return,
    Reverses,
)

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)
SECOND: Final = timedelta(seconds=1)

WEIGHTS: Final = {
    "earn": 8,
    "redeem": 7,
    "hold": 4,
    "capture": 3,
    "release": 2,
    "return": 6,
    "cancel": 4,
    "adjust": 3,
    "move": 3,
    "activate": 2,
    "extend": 3,
    "open": 1,
    "close": 1,
    "closing": 1,
    "repeat": 2,
    "reuse": 1,
}
ACTIONS: Final = tuple(action for action, weight in WEIGHTS.items() for _ in range(weight))

HOURS: Final = (0, 0, 0, 0, 0, 5, 24, 24, 48, 168)

RANGES: Final = {
    "hours": len(HOURS) - 1,
    "contact": 2,
    "definition": 7,
    "amount": 60,
    "back": 30,
    "first": 12,
    "last": 30,
    "pick": 5,
    "twist": 11,
    "sweep": 3,
    "together": 9,
}
"""What the integers of a step go up to, from 0."""


class Step(NamedTuple):
    """One request in the making, and how it is posted.

    Attributes:
        hours: How many hours later; 0 for a second.
        sweep: 0 to book first what is due.
        together: Below 2 to post it in one batch with the step before; 0 for all or nothing.
    """

    action: str
    hours: int = 0
    contact: int = 0
    definition: int = 0
    amount: int = 0
    back: int = 0
    first: int = 0
    last: int = 0
    pick: int = 0
    twist: int = 0
    sweep: int = 9
    together: int = 9


class Scene(NamedTuple):
    """What is posted together after some time has passed.

    Attributes:
        closing: Instead, close the books up to so many days before.
        merging: Instead, make the one contact the other.
    """

    hours: int
    sweep: bool
    atomic: bool
    steps: tuple[Step, ...]
    closing: int | None = None
    merging: tuple[int, int] | None = None


def scenes(steps: Iterable[Step]) -> list[Scene]:
    """Steps as batches."""
    found: list[Scene] = []
    for step in steps:
        hours, sweep = HOURS[step.hours], step.sweep == 0
        if step.action == "closing":
            found.append(Scene(hours, sweep, False, (), step.last + 3))
        elif step.action == "merging":
            both = (step.contact, step.contact + step.pick + 1)
            found.append(Scene(hours, sweep, False, (), None, both))
        elif step.together < 2 and found and found[-1].steps:
            last = found[-1]
            atomic = last.atomic or step.together == 0
            found[-1] = last._replace(atomic=atomic, steps=(*last.steps, step))
        else:
            found.append(Scene(hours, sweep, False, (step,)))
    return found


@dataclass
class Asked:
    """A request that was posted, and the id of what became of it."""

    action: str
    request: Request
    id: UUID | None = None


@dataclass
class Storyteller:
    """Makes requests of steps.

    Attributes:
        knows_outcomes: Whether it is told what became of a request (`Asked.id`), and so can refer
            to what was booked only. Where it isn't, the same steps always make the same requests.
    """

    tenant: TenantId
    contacts: Sequence[ContactId]
    definitions: Sequence[DefinitionId]
    name: str = "step"
    knows_outcomes: bool = True
    now: datetime = START
    asked: list[Asked] = field(default_factory=list)

    def pass_time(self, hours: int) -> None:
        """Let time pass: to the next whole hour, and on."""
        if hours == 0:
            self.now += SECOND
            return
        whole = self.now.replace(minute=0, second=0, microsecond=0)
        if hours % 24 == 0:
            whole = whole.replace(hour=0)
        self.now = max(self.now + SECOND, whole + timedelta(hours=hours))

    def tell(self, step: Step) -> Asked:
        """The request that a step stands for; it counts as asked from now on."""
        told = self._tell(step)
        self.asked.append(told)
        return told

    def _tell(self, step: Step) -> Asked:
        if step.action in {"repeat", "reuse"} and self.asked:
            earlier = self.asked[-1 - step.pick % len(self.asked)]
            if step.action == "repeat":
                return Asked(earlier.action, earlier.request, earlier.id)
            changed = msgspec.structs.replace(earlier.request, fingerprint=b"something else")
            return Asked("reuse", changed)
        action = step.action if step.action in WEIGHTS else "earn"
        contact = self.contacts[step.contact % len(self.contacts)]
        # Most of it happens to the first definition.
        definition = self.definitions[max(0, step.definition - 8 + len(self.definitions))]
        key = f"{self.name} {len(self.asked)}"
        common: dict[str, Any] = {
            "tenant": self.tenant,
            "contact": contact,
            "definition": definition,
            "idempotency_key": key,
            "fingerprint": key.encode(),
            "source": "pos",
            "effective_at": self._effective(step),
            "strict": step.twist == 11,
        }
        return Asked(action, self._request(action, step, common))

    def _effective(self, step: Step) -> datetime | None:
        """Mostly now, else some days back; seldom a little ahead of the clock, or far."""
        if step.back < 16:
            return None
        if step.back == 30:
            return self.now + timedelta(minutes=4 if step.twist else 6)
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - (step.back - 16) * DAY

    def _request(self, action: str, step: Step, common: dict[str, Any]) -> Request:
        amount = Points(step.amount + 1)
        signed = amount if step.twist < 6 else Points(-amount)
        request: Request
        match action:
            case "redeem":
                request = Redeem(**common, amount=amount, allow_debt=step.twist < 3)
            case "adjust":
                request = Adjust(**common, amount=signed)
            case "open":
                request = Open(**common, **self._term(step, common), amount=signed)
            case "hold":
                expires = self.now + step.last * DAY if step.last > 6 else None
                request = Hold(**common, amount=Points(amount // 3 + 1), hold_expires_at=expires)
            case "move":
                request = self._move(step, common)
            case "close" if step.twist == 0:
                request = Close(**common)
            case "capture" | "release" | "return" | "cancel" | "activate" | "extend":
                request = self._about(action, step, common)
            case _:
                amount = Points(3 * amount)
                request = Earn(**common, **self._term(step, common), amount=amount)
        return request

    def _term(self, step: Step, common: dict[str, Any]) -> dict[str, Any]:
        """When points are valid: often at once, or by policy, or for ever."""
        at = common["effective_at"] or self.now
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        counted = midnight if step.amount % 2 else self.now
        valid_from = counted + (step.first - 6) * DAY if step.first > 6 else None
        if step.last < 10:
            return {"valid_from": valid_from, "valid_to": None if step.last < 5 else msgspec.UNSET}
        return {"valid_from": valid_from, "valid_to": midnight + step.last * DAY}

    def _about(self, action: str, step: Step, common: dict[str, Any]) -> Request:
        about = self._pick(action, step, common)
        at = common["effective_at"] or self.now
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        amount = None if step.twist < 4 else Points(step.amount // 3 + 1)
        match action:
            case "capture":
                return Capture(**common, hold=about, amount=amount)
            case "release":
                return Release(**common, hold=about)
            case "return" | "cancel":
                part = step.amount + 1 if step.twist in {0, 1} else None
                kind = Return if action == "return" else Cancel
                whole = None if part is None else 100 + step.twist
                return kind(
                    **common,
                    reverses=about,
                    amount=None if part else amount,
                    part=part,
                    whole=whole,
                )
            case "activate":
                return Activate(**common, lots_of=about)
            case _:
                start: Any = midnight + step.first * DAY if step.first > 5 else msgspec.UNSET
                end: Any = None if step.last == 30 else midnight + (step.last + 15) * DAY
                return Extend(
                    **common,
                    lots_of=about,
                    valid_from=start,
                    valid_to=end if step.twist < 8 else msgspec.UNSET,
                )

    def _move(self, step: Step, common: dict[str, Any]) -> Move:
        everything = step.twist == 0
        place = len(self.contacts) * self.definitions.index(common["definition"]) + step.contact
        places = [(contact, kind) for kind in self.definitions for contact in self.contacts]
        to = places[(place + step.pick) % len(places)]
        return Move(
            **common,
            amount=None if everything else Points(step.amount // 2 + 1),
            to_contact=to[0],
            to_definition=to[1],
        )

    def _is_pending(self, request: Request) -> bool:
        return isinstance(request, Earn | Open) and (request.valid_from or self.now) > self.now

    def _pick(self, action: str, step: Step, common: dict[str, Any]) -> Reverses:
        """An earlier request of the same account to be about, mostly one of a fitting kind."""
        fitting = {
            "capture": {"hold"},
            "release": {"hold"},
            "return": {"earn"},
            "cancel": {"redeem", "capture"},
            "activate": {"earn", "open", "adjust", "move"},
            "extend": {"earn", "open", "adjust", "move"},
        }[action]
        candidates = [
            one
            for one in self.asked
            if one.action in fitting
            and (one.id is not None or step.twist == 9 or not self.knows_outcomes)
        ]
        if action == "activate" or (action == "extend" and step.first > 5):
            pending = [one for one in candidates if self._is_pending(one.request)]
            candidates = pending or candidates
        if not candidates or step.twist == 11:
            candidates = self.asked
        if not candidates:
            return Reverses(idempotency_key="never asked")
        found = candidates[-1 - step.pick % len(candidates)]
        if step.twist not in {9, 10}:
            common["contact"] = found.request.contact
            common["definition"] = found.request.definition
        if found.id is not None and step.amount % 2:
            return Reverses(transaction_id=found.id)
        return Reverses(idempotency_key=found.request.idempotency_key)
