"""What a contact has, as it is answered."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.forms import Amount, Guid, Instant, exactly
from ledger.facts import Balance
from ledger.policies import Definition


class AccountDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One kind of a contact's points at the instant of reading.

    Attributes:
        available: What can be spent.
        pending: Earned, but not valid yet.
        held: Set aside for a checkout that is under way.
        debt: What the contact owes; above zero only while nothing is available.
        next_change_at: When the balance will next change by time alone, as far as is known.
    """

    definition_id: int
    name: str
    available: Amount
    pending: Amount
    held: Amount
    debt: Amount
    next_change_at: Instant | UnsetType = UNSET


class BalancesDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A contact's points of each definition: zeros for one who never had any.

    Attributes:
        effective_at: The moment that was looked at, where one was asked for.
        recorded_at: As far as the books knew when, where that was asked for.
    """

    contact_id: Guid
    balances: tuple[AccountDocument, ...]
    effective_at: Instant | UnsetType = UNSET
    recorded_at: Instant | UnsetType = UNSET


def account_document(
    definition: Definition, balance: Balance | None, next_change_at: datetime | None = None
) -> AccountDocument:
    """A contact's points of a definition; zeros where there is no account."""
    scale = definition.scale
    available, pending, held, debt = balance or (0, 0, 0, 0)
    return AccountDocument(
        definition_id=definition.engage_id,
        name=definition.name,
        available=exactly(available, scale),
        pending=exactly(pending, scale),
        held=exactly(held, scale),
        debt=exactly(debt, scale),
        next_change_at=UNSET if next_change_at is None else next_change_at,
    )
