"""The shop as it stands before the service: its customers, and what it posts, worked out by itself.

The one hard idea: everything the demo later expects of the books comes from here, that is, from the
shop's invoices and never from the service's answers. Each posting carries the request as the shop's
till would write it, and the points it must move. This is the only module that reads the sandbox's
data.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from api.demonstration.folder import DEFINITION
from sandbox.shop.purchases import (
    InvoicePostings,
    Posting,
    Purchase,
    Return,
    contact_id,
    read_shop,
)

SOURCE: Final = "shop"

_encoder = msgspec.json.Encoder()


class Kind(StrEnum):
    """What a posting is, in the words of the service."""

    EARN = "earn"
    RETURN = "return"
    ADJUST = "adjust"


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer: the member number in the shop, and the contact's GUID in Engage."""

    number: str
    contact: str


@dataclass(frozen=True, slots=True)
class ShopPosting:
    """What the shop posts, once.

    Attributes:
        key: Its idempotency key.
        points: What it must do to the customer's points, with its sign.
        request: The JSON object that is posted.
    """

    key: str
    contact: str
    kind: Kind
    points: int
    request: bytes


@dataclass(frozen=True, slots=True)
class Shop:
    """The part of the shop that the demo is of.

    Attributes:
        customers: Those who bought first come first.
        postings: In the order they happened.
        invoices: How many there are; `worthless` of them are worth no whole point.
        first, last: The times of the first and the last invoice.
    """

    customers: tuple[Customer, ...]
    postings: tuple[ShopPosting, ...]
    invoices: int
    worthless: int
    first: datetime
    last: datetime

    def points_of(self, kind: Kind) -> int:
        """What all postings of a kind do together."""
        return sum(posting.points for posting in self.postings if posting.kind is kind)

    def number_of(self, kind: Kind) -> int:
        """How many postings of a kind there are."""
        return sum(posting.kind is kind for posting in self.postings)


def open_shop(customers_max: int) -> Shop:
    """The shop with its first customers, at most so many, and all of their invoices."""
    invoices = list(read_shop())
    first_seen = dict.fromkeys(each.invoice.customer_id for each in invoices)
    numbers = list(first_seen)[:customers_max]
    contacts = {number: contact_id(number) for number in numbers}
    chosen = [each for each in invoices if each.invoice.customer_id in contacts]
    return Shop(
        customers=tuple(Customer(number, contact) for number, contact in contacts.items()),
        postings=tuple(_postings(chosen, contacts)),
        invoices=len(chosen),
        worthless=sum(not each.postings for each in chosen),
        first=chosen[0].invoice.invoiced_at,
        last=chosen[-1].invoice.invoiced_at,
    )


def _postings(
    invoices: Iterable[InvoicePostings], contacts: dict[str, str]
) -> Iterable[ShopPosting]:
    for each in invoices:
        for posting in each.postings:
            contact = contacts[posting.customer_id]
            points = -posting.points if isinstance(posting, Return) else posting.points
            kind, request = _request(posting, contact)
            yield ShopPosting(posting.key, contact, kind, points, request)


def _request(posting: Posting, contact: str) -> tuple[Kind, bytes]:
    """A posting as the shop's till writes it."""
    what = "Invoice" if isinstance(posting, Purchase) else "Cancellation"
    fields: dict[str, object] = {
        "idempotencyKey": posting.key,
        "contactId": contact,
        "definitionId": DEFINITION,
        "effectiveAt": posting.invoiced_at,
        "source": SOURCE,
        "description": f"{what} {posting.invoice_no}",
        "reference": posting.invoice_no,
    }
    if isinstance(posting, Return):
        # How many points that is worth, all returns of the purchase together, the books say.
        kind = Kind.RETURN
        fields |= {
            "reverses": {"idempotencyKey": posting.reverses},
            "part": _pounds(posting.part),
            "whole": _pounds(posting.whole),
        }
    else:
        kind = Kind.EARN if isinstance(posting, Purchase) else Kind.ADJUST
        fields |= {"amount": posting.points}
    return kind, _encoder.encode({"kind": kind, **fields})


def _pounds(pence: int) -> msgspec.Raw:
    return msgspec.Raw(f"{pence // 100}.{pence % 100:02d}".encode())
