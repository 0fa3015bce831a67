"""What an API key may do.

The one hard idea: a scope is a promise to the person who hands a key out, so scopes are few, say
what they open, and `admin` is the only one that includes others. They are stored with the key by
their words, which therefore never change.
"""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """One thing a key may do, within its tenant."""

    TRANSACTIONS_WRITE = "transactions:write"
    """Post transactions."""
    TRANSACTIONS_READ = "transactions:read"
    """Read transactions, one by one and by contact."""
    BALANCES_READ = "balances:read"
    """Read a contact's balances and lots."""
    CONTACTS_WRITE = "contacts:write"
    """Merge contacts, and close all accounts of one."""
    CONTACTS_ERASE = "contacts:erase"
    """Forget a person for good."""
    FINANCE_READ = "finance:read"
    """Read what the whole program owes: every balance, trial balance, reports, periods."""
    FINANCE_CLOSE = "finance:close"
    """Close periods for good."""
    SYNC_RUN = "sync:run"
    """Start a run of the sync with Engage."""
    SYNC_READ = "sync:read"
    """See what the sync sent and received, adjustments included."""
    RELAY_RUN = "relay:run"
    """Replay the relay's events, resume its destinations, forget its customers."""
    RELAY_READ = "relay:read"
    """See what the relay received and sent."""
    METRICS_READ = "metrics:read"
    """Read the service's metrics, which speak of all tenants together."""
    ADMIN = "admin"
    """Everything above, what comes later included."""


class UnknownScopeError(ValueError):
    """A word that names no scope."""


def read_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """The scopes of these words.

    Raises:
        UnknownScopeError: a word is none; the message lists those there are.
    """
    found = set()
    for word in words:
        try:
            found.add(Scope(word))
        except ValueError:
            known = ", ".join(Scope)
            raise UnknownScopeError(f"{word!r} is no scope; there are: {known}") from None
    return frozenset(found)


def allows(granted: frozenset[Scope], needed: Scope) -> bool:
    """Whether a key with these scopes may do what needs `needed`."""
    return needed in granted or Scope.ADMIN in granted
