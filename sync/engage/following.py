"""How a tenant's Engage wants to hear of changes from the books."""

from ledger.outbox import Consumer
from sync.engage import marks
from sync.engage.settings import EngageOptions, Mode
from sync.engage.transactions import deriving


def consumer_of(options: EngageOptions) -> Consumer:
    """As whom the tenant's Engage is told by the books: of accounts, or of transactions."""
    if options.mode is Mode.BALANCE_ONLY:
        return Consumer(marks.CONSUMER, per_account=True)
    return Consumer(deriving.CONSUMER, per_account=False, hears_terms=True)
