"""In which order concurrent transactions can be told to the model: any that no holder contradicts.

The one hard idea: each holder's transactions are numbered without gaps, and a move has a number
with two holders. An order of all requests that agrees with every holder's numbers is one in which
they could have come one after the other; that there is one is itself a finding about the books.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from uuid import UUID

from ledger.facts import Transaction
from ledger.identity import HolderId
from ledger.kinds import Kind
from tests.simulation.comparing import DifferenceError


def one_after_the_other(told: Iterable[Transaction]) -> list[Transaction]:
    """What clients asked for, in an order that agrees with every holder's numbers."""
    in_order = sorted(told, key=lambda one: one.number)
    asked = {one.id: one for one in in_order if one.kind < Kind.RECEIVE}
    queues: dict[HolderId, list[UUID]] = defaultdict(list)
    for one in in_order:
        if one.id in asked:
            queues[one.holder].append(one.id)
        other = asked.get(one.linked) if one.kind is Kind.RECEIVE and one.linked else None
        if other is not None and other.holder != one.holder:
            queues[one.holder].append(other.id)
    places = Counter(number for queue in queues.values() for number in queue)
    found: list[Transaction] = []
    while queues:
        heads = Counter(queue[0] for queue in queues.values())
        ready = [asked[number] for number, count in heads.items() if count == places[number]]
        if not ready:
            raise DifferenceError(f"moves each of which comes before another: {list(heads)}")
        earliest = min(ready, key=lambda one: (one.recorded_at, one.id))
        found.append(earliest)
        queues = {
            holder: rest
            for holder, queue in queues.items()
            if (rest := queue[1:] if queue[0] == earliest.id else queue)
        }
    return found
