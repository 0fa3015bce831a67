"""What the work for one tenant's Engage needs at hand.

It is a bundle, not an actor: who pushes, polls, settles and receives are modules of their own.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.connection import Pool
from ledger.identity import DefinitionId, uuid7
from ledger.policies import Definition
from ledger.posting import Books
from ledger.tenants import TenantRecord
from sync.clock import Clock
from sync.engage.client import EngageClient
from sync.engage.settings import EngageOptions, EngageSettings


@dataclass(frozen=True, slots=True)
class Context:
    """One tenant's Engage and the books.

    Attributes:
        books: With their pool of connections and their catalogue.
    """

    tenant: TenantRecord
    settings: EngageSettings
    books: Books
    client: EngageClient
    clock: Clock

    @property
    def pool(self) -> Pool:
        """The books' connections, shared."""
        return self.books.pool

    @property
    def options(self) -> EngageOptions:
        """The public settings."""
        return self.settings.options

    @property
    def definitions(self) -> dict[DefinitionId, Definition]:
        """The tenant's point definitions, by the books' number."""
        return {one.id: one for one in self.books.catalogue.definitions_of(self.tenant.id)}


def new_id(moment: datetime) -> UUID:
    """An identifier for something made at that moment."""
    return uuid7(moment, os.urandom(10))
