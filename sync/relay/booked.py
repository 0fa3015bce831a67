"""What the books did, as documents of the source that tells of it.

The one hard idea: a document is complete in itself. It carries what changed, the balance after it
and both times, read from the transaction as it was booked; so nothing is looked up later, when the
books may have moved on.

It is pure. Amounts are exact decimals in JSON; nothing personal is in a document but whose it is.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ledger.amounts import Points
from ledger.facts import Transaction
from ledger.identity import ContactId
from ledger.kinds import Kind
from ledger.policies import Definition
from sync.relay.instants import write_instant
from sync.relay.vendors.books import EXPIRING

BALANCE_CHANGED: Final = "balance_changed"

TOLD: Final = {
    Kind.EARN: "earned",
    Kind.REDEEM: "redeemed",
    Kind.CAPTURE: "redeemed",
    Kind.RETURN: "returned",
    Kind.EXPIRY: "expired",
}
"""Which kinds of transactions are told of by a word of their own."""


class Person(NamedTuple):
    """Whose points are told of.

    Attributes:
        member_number: Only where MoEngage knows people by it, and where it is known.
    """

    contact: ContactId
    member_number: str | None = None


def documents_of(
    transaction: Transaction,
    definition: Definition,
    person: Person,
    wanted: Collection[str],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a transaction is told as: the key that makes each event the one it is, and its document.

    Args:
        transaction: As it was booked.
        definition: Of its points.
        person: Whose points they are.
        wanted: Which events are told.
    """
    words = [TOLD.get(transaction.kind), BALANCE_CHANGED]
    for word in words:
        if word is not None and word in wanted:
            yield (
                f"transaction/{transaction.id}/{word}",
                _document(word, transaction, definition, person),
            )


def _document(
    word: str, transaction: Transaction, definition: Definition, person: Person
) -> dict[str, Any]:
    after, scale, net = transaction.after, definition.scale, transaction.net
    lot = transaction.lots[0] if transaction.lots else None
    return {
        "type": word,
        **_named(person),
        "points": exact(abs(net), scale),
        "change": exact(net, scale),
        "definition": {"id": definition.engage_id, "name": definition.name},
        "kind": transaction.kind.word,
        "source": transaction.source,
        "transactionId": str(transaction.id),
        "effectiveAt": write_instant(transaction.effective_at),
        "recordedAt": write_instant(transaction.recorded_at),
        "validFrom": None if lot is None else write_instant(lot.valid_from),
        "validTo": None if lot is None or lot.valid_to is None else write_instant(lot.valid_to),
        "balance": {
            "available": exact(after.available, scale),
            "pending": exact(after.pending, scale),
            "held": exact(after.held, scale),
            "debt": exact(after.debt, scale),
        },
    }


def expiring_document(
    definition: Definition,
    person: Person,
    points: Points,
    valid_to: datetime,
    now: datetime,
) -> dict[str, Any]:
    """That points of a contact will expire at an instant unless they are spent."""
    return {
        "type": EXPIRING,
        **_named(person),
        "points": exact(points, definition.scale),
        "definition": {"id": definition.engage_id, "name": definition.name},
        "effectiveAt": write_instant(now),
        "recordedAt": write_instant(now),
        "validTo": write_instant(valid_to),
    }


def _named(person: Person) -> dict[str, str]:
    named = {"contactId": str(person.contact)}
    if person.member_number is not None:
        named["memberNumber"] = person.member_number
    return named


def exact(points: Points | int, scale: int) -> Decimal:
    """An amount in points, exactly."""
    return Decimal(points).scaleb(-scale) if scale else Decimal(points)
