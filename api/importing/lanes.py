"""Which rows may be posted at the same time: those that have no contact in common.

The one hard idea: rows that share a contact, directly or through others (a gift joins two), form a
group, and a group stays together in one lane and in its order. So several batches can be under way
at once and every contact's rows are still booked as they stand in the file.
"""

from collections.abc import Sequence

from ledger.book import Contact
from ledger.loading import contacts_in
from ledger.requests import Request


def lay_out(requests: Sequence[Request], lanes: int) -> list[list[int]]:
    """The positions of requests by lane, in order within each; lanes about equally long."""
    groups: dict[Contact, list[int]] = {}
    leader = _leaders(requests)
    for position, request in enumerate(requests):
        own = (request.tenant, request.contact)
        groups.setdefault(_find(leader, own), []).append(position)
    found: list[list[int]] = [[] for _ in range(lanes)]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(found, key=len).extend(group)
    return [sorted(lane) for lane in found if lane]


def _leaders(requests: Sequence[Request]) -> dict[Contact, Contact]:
    """For each contact, one nearer to the leader of its group; leaders lead themselves."""
    leader: dict[Contact, Contact] = {}
    for request in requests:
        first, *others = contacts_in(request)
        leader.setdefault(first, first)
        for other in others:
            leader.setdefault(other, other)
            leader[_find(leader, other)] = _find(leader, first)
    return leader


def _find(leader: dict[Contact, Contact], contact: Contact) -> Contact:
    while (nearer := leader[contact]) != contact:
        leader[contact] = leader[nearer]
        contact = nearer
    return contact
