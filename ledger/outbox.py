"""Work for the wires, left in the posting's own transaction.

The one hard idea: the books know who wants to hear of changes only as numbers. A consumer takes
rows by deleting them in the transaction that stores what it made of them, so nothing is lost and
nothing is taken twice; a posting only ever inserts, so it never waits for a consumer.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ledger.facts import Transaction
from ledger.identity import DefinitionId, HolderId


class Consumer(NamedTuple):
    """Someone who is told of changes.

    Attributes:
        number: Its name in the table; stable for ever.
        per_account: One row for all that a batch did to an account, instead of one a transaction.
        hears_terms: Told of transactions too that only give points another validity.
    """

    number: int
    per_account: bool
    hears_terms: bool = False


class OutboxRow(NamedTuple):
    """A change somebody is to be told of."""

    consumer: int
    holder: HolderId
    definition: DefinitionId
    number: int


class Outbox:
    """Which consumers follow which definitions."""

    def __init__(
        self, consumers: Mapping[DefinitionId, tuple[Consumer, ...]] | None = None
    ) -> None:
        self._consumers = dict(consumers or {})

    def rows(self, transactions: Iterable[Transaction]) -> list[OutboxRow]:
        """The rows a batch leaves; a transaction that moved nothing leaves none for most."""
        if not self._consumers:
            return []
        rows: list[OutboxRow] = []
        accounts: dict[tuple[int, HolderId, DefinitionId], int] = {}
        for transaction in transactions:
            for consumer in self._consumers.get(transaction.definition, ()):
                if not transaction.transfers and not (consumer.hears_terms and transaction.terms):
                    continue
                if consumer.per_account:
                    account = (consumer.number, transaction.holder, transaction.definition)
                    accounts[account] = transaction.number
                else:
                    rows.append(
                        OutboxRow(
                            consumer.number,
                            transaction.holder,
                            transaction.definition,
                            transaction.number,
                        )
                    )
        rows += [OutboxRow(*account, number) for account, number in accounts.items()]
        return rows
