"""Who must forget a person beside the books, in the order in which they lock.

The one hard idea: whatever part of the wires comes to hold something of a person adds its eraser
here, and a test that looks for an erased person in every column of the database finds the one that
was forgotten.
"""

from typing import Final

from ledger.contacts import Eraser
from sync.engage import erasure as engage
from sync.relay import erasure as relay

ERASERS: Final[tuple[Eraser, ...]] = (engage.erase, relay.erase)
