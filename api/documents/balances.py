"""What a contact has, as it is answered."""

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.forms import Amount, Guid, Instant, exactly
from ledger.policies import Definition
from ledger.reading import AccountBalance


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
    """A contact's points of each definition: zeros for one who never had any."""

    contact_id: Guid
    balances: tuple[AccountDocument, ...]


def account_document(definition: Definition, found: AccountBalance | None) -> AccountDocument:
    """A contact's points of a definition; zeros where there is no account."""
    scale = definition.scale
    if found is None:
        zero = exactly(0, scale)
        return AccountDocument(
            definition_id=definition.engage_id,
            name=definition.name,
            available=zero,
            pending=zero,
            held=zero,
            debt=zero,
        )
    return AccountDocument(
        definition_id=definition.engage_id,
        name=definition.name,
        available=exactly(found.balance.available, scale),
        pending=exactly(found.balance.pending, scale),
        held=exactly(found.balance.held, scale),
        debt=exactly(found.balance.debt, scale),
        next_change_at=UNSET if found.next_due_at is None else found.next_due_at,
    )
