"""What a rule is given beside the request: when it happens, and what it refers to."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from ledger.amounts import Points
from ledger.facts import Allocation
from ledger.identity import DefinitionId, HolderId
from ledger.kinds import Kind
from ledger.policies import Definition
from ledger.state import LotState


class Moment(msgspec.Struct, frozen=True, gc=False):
    """When a request happens in the books, and under which definition.

    Attributes:
        effective_at: As resolved: never after `recorded_at`.
    """

    effective_at: datetime
    recorded_at: datetime
    definition: Definition


class Original(msgspec.Struct, gc=False):
    """A transaction that a later one takes back, with what was already taken back of it.

    Attributes:
        lots: The numbers of the lots it issued.
        taken: Of a redemption, which lots it took, soonest to expire first.
        owner: The holder it belongs to now: another one where its own was merged since.
        elsewhere: Where it was merged, the lots of its own holder, by number.
        lapsed_elsewhere: What of its points lapsed before they came to its owner by merging.
        returned: Points asked back so far, whether or not all could be reversed.
        reversed: Points actually reversed so far.
        part: The spend returned so far, in 1/10,000 of the currency.
        whole: The original spend as the first return gave it.
    """

    id: UUID
    holder: HolderId
    number: int
    definition: DefinitionId
    kind: Kind
    amount: Points
    effective_at: datetime
    lots: tuple[int, ...] = ()
    taken: tuple[Allocation, ...] = ()
    owner: HolderId | None = None
    elsewhere: Mapping[int, LotState] = msgspec.field(default_factory=dict)
    lapsed_elsewhere: int = 0
    returned: int = 0
    reversed: int = 0
    part: int = 0
    whole: int | None = None
