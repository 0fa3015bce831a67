"""Every contact's balances, page by page, as they are answered."""

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.forms import Amount, Guid, Instant, exactly
from ledger.balances_export import HolderBalance
from ledger.policies import Definition


class AccountBalanceDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one contact has of one definition.

    Attributes:
        contact_id: Left out where the person was erased.
        holder_id: Who it is in the books: random, and for good.
        net: The rest less the debt.
    """

    contact_id: Guid | UnsetType = UNSET
    holder_id: Guid
    definition_id: int
    available: Amount
    pending: Amount
    held: Amount
    debt: Amount
    net: Amount


class AccountBalancesDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A page of balances.

    Attributes:
        effective_at: The moment that was looked at: hand it back with the next page's cursor.
        recorded_at: As far as the books knew when, where that was asked for.
        balances: Those that are not empty; a page may have fewer than asked for, even none.
        next_cursor: Where the next page begins; left out on the last page.
    """

    effective_at: Instant
    balances: tuple[AccountBalanceDocument, ...]
    recorded_at: Instant | UnsetType = UNSET
    next_cursor: str | UnsetType = UNSET


def account_balance_document(
    found: HolderBalance, definition: Definition
) -> AccountBalanceDocument:
    """A balance as it is answered."""
    scale, balance = definition.scale, found.balance
    return AccountBalanceDocument(
        contact_id=UNSET if found.contact is None else found.contact,
        holder_id=found.holder,
        definition_id=definition.engage_id,
        available=exactly(balance.available, scale),
        pending=exactly(balance.pending, scale),
        held=exactly(balance.held, scale),
        debt=exactly(balance.debt, scale),
        net=exactly(balance.net, scale),
    )
