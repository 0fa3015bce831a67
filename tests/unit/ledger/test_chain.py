"""The chain: every field of every fact is under the hash, and no two transactions look alike."""

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.amounts import Points
from ledger.chain import GENESIS, chain_hash, fingerprint_hash, text_hash
from ledger.facts import (
    Allocation,
    Balance,
    LotIssue,
    Origin,
    Term,
    Texts,
    Transaction,
    Transfer,
)
from ledger.identity import DefinitionId, HolderId
from ledger.kinds import Kind, LedgerAccount
from tests.bookkeeping.paper import Paper
from tests.bookkeeping.words import MOMENT, when

ONE, OTHER = HolderId(UUID(int=1)), HolderId(UUID(int=2))
TEXTS_HASH = bytes(range(32))

TRANSFER = Transfer(
    1,
    LedgerAccount.AVAILABLE,
    LedgerAccount.REDEEMED,
    Points(30),
    when("1 March"),
    (Allocation(1, Points(10)), Allocation(2, Points(20))),
)
LOT = LotIssue(
    3,
    1,
    Points(50),
    when("1 March"),
    when("2 March"),
    when("3 March"),
    Origin(OTHER, 4),
)
TERM = Term(1, 2, when("1 March"), when("1 April"))
WHOLE = Transaction(
    holder=ONE,
    number=7,
    id=UUID(int=3),
    definition=DefinitionId(1),
    kind=Kind.RETURN,
    amount=Points(30),
    effective_at=when("1 March"),
    recorded_at=when("2 March"),
    occurred_at=when("28 February"),
    source="pos",
    reverses=UUID(int=4),
    linked=UUID(int=5),
    hold_expires_at=when("5 March"),
    part=100,
    whole=200,
    texts=Texts(),
    transfers=(TRANSFER,),
    lots=(LOT,),
    terms=(TERM,),
    after=Balance(Points(0), Points(0), Points(0), Points(0)),
)

OUTSIDE_THE_FORM = {
    "after",  # follows from the transfers, and the audit compares it with them
    "texts",  # enter by their salted hash
}


def put(transaction: Transaction, **new: Any) -> Transaction:
    """The transaction with other values in some of its fields."""
    return msgspec.structs.replace(transaction, **new)


def hash_of(transaction: Transaction) -> bytes:
    return chain_hash(transaction, TEXTS_HASH, GENESIS)


def others(value: Any) -> list[Any]:
    """Values of the same field that are another fact."""
    if isinstance(value, LedgerAccount):
        return [one for one in LedgerAccount if one is not value]
    if isinstance(value, Kind):
        return [one for one in Kind if one is not value]
    if isinstance(value, datetime):
        return [value + MOMENT, value - MOMENT, value + timedelta(days=1)]
    if isinstance(value, UUID):
        return [UUID(int=value.int ^ 1), UUID(int=value.int ^ 1 << 127)]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, str):
        return [value + "s", "", value.upper()]
    raise TypeError(type(value))


OPTIONAL = {
    "occurred_at", "reverses", "linked", "hold_expires_at", "part", "whole", "valid_to", "origin",
}  # fmt: skip


def variants(fact: Any, fields: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for name in fields:
        value = getattr(fact, name)
        if name == "origin":
            replaced: list[Any] = [Origin(ONE, 4), Origin(OTHER, 5), None]
        elif name == "allocations":
            first, second = value
            replaced = [
                (),
                (first,),
                (second, first),
                (first, second, second),
                (Allocation(1, Points(11)), Allocation(2, Points(19))),
                (Allocation(1, Points(10)), Allocation(3, Points(20))),
            ]
        else:
            replaced = others(value) + ([None] if name in OPTIONAL else [])
        found += [(name, {name: other}) for other in replaced]
    return found


def changed() -> list[tuple[str, Transaction]]:
    """The transaction with one field changed, each in several ways."""
    own = tuple(
        name
        for name in Transaction.__struct_fields__
        if name not in OUTSIDE_THE_FORM | {"transfers", "lots", "terms"}
    )
    found = [(name, put(WHOLE, **new)) for name, new in variants(WHOLE, own)]
    for name, new in variants(TRANSFER, Transfer._fields):
        transfer = TRANSFER._replace(**new)
        found.append((f"transfer {name}", put(WHOLE, transfers=(transfer,))))
    for name, new in variants(LOT, LotIssue._fields):
        found.append((f"lot {name}", put(WHOLE, lots=(LOT._replace(**new),))))
    for name, new in variants(TERM, Term._fields):
        found.append((f"term {name}", put(WHOLE, terms=(TERM._replace(**new),))))
    for name in ("transfers", "lots", "terms"):
        (fact,) = getattr(WHOLE, name)
        found.append((f"no {name}", put(WHOLE, **{name: ()})))
        found.append((f"{name} twice", put(WHOLE, **{name: (fact, fact)})))
    return found


def test_any_change_of_any_field_changes_the_hash() -> None:
    hashes = {hash_of(WHOLE): "nothing"}
    for name, transaction in changed():
        digest = hash_of(transaction)
        assert digest not in hashes, f"{name} looks like {hashes.get(digest)}"
        hashes[digest] = name
    assert len(hashes) > 100


def test_the_hash_binds_the_predecessor_and_the_texts() -> None:
    assert chain_hash(WHOLE, TEXTS_HASH, bytes([1]) + bytes(31)) != hash_of(WHOLE)
    assert chain_hash(WHOLE, bytes([1]) + TEXTS_HASH[1:], GENESIS) != hash_of(WHOLE)
    assert chain_hash(WHOLE, GENESIS, TEXTS_HASH) != chain_hash(WHOLE, TEXTS_HASH, GENESIS)


def test_the_order_of_transfers_is_part_of_the_form() -> None:
    other = TRANSFER._replace(line=2, allocations=())
    one = put(WHOLE, transfers=(TRANSFER, other))
    turned = put(WHOLE, transfers=(other, TRANSFER))
    assert hash_of(one) != hash_of(turned)


instants = st.sampled_from([when("1 March"), when("2 March")])
maybe_instants = st.none() | instants
points = st.integers(1, 3).map(Points)
small = st.integers(0, 2)
identifiers = st.integers(1, 2).map(lambda number: UUID(int=number))
buckets = st.sampled_from([LedgerAccount.AVAILABLE, LedgerAccount.PENDING, LedgerAccount.ISSUED])
allocations = st.lists(st.builds(Allocation, small, points), max_size=2).map(tuple)
transfers = st.builds(Transfer, small, buckets, buckets, points, instants, allocations)
origins = st.none() | st.builds(Origin, identifiers.map(HolderId), small)
lots = st.builds(LotIssue, small, small, points, instants, instants, maybe_instants, origins)
terms = st.builds(Term, small, small, instants, maybe_instants)


@st.composite
def transactions(draw: st.DrawFn) -> Transaction:
    """Transactions from so few values that two often differ in one place only."""
    return put(
        WHOLE,
        number=draw(small),
        amount=draw(points),
        effective_at=draw(instants),
        occurred_at=draw(maybe_instants),
        source=draw(st.sampled_from(["", "p", "po", "\x00", "\x00\x00"])),
        reverses=draw(st.none() | identifiers),
        linked=draw(st.none() | identifiers),
        hold_expires_at=draw(maybe_instants),
        part=draw(st.none() | small),
        whole=draw(st.none() | small),
        transfers=tuple(draw(st.lists(transfers, max_size=2))),
        lots=tuple(draw(st.lists(lots, max_size=2))),
        terms=tuple(draw(st.lists(terms, max_size=2))),
    )


@given(transactions(), transactions())
def test_two_different_transactions_never_share_a_form(
    one: Transaction, other: Transaction
) -> None:
    assert (hash_of(one) == hash_of(other)) == (one == other)


@given(transactions(), st.data())
def test_a_fact_moved_to_its_neighbour_is_another_transaction(
    one: Transaction, data: st.DataObject
) -> None:
    if not one.transfers:
        return
    place = data.draw(st.integers(0, len(one.transfers) - 1))
    moved = list(one.transfers)
    moved[place] = data.draw(transfers)
    other = put(one, transfers=tuple(moved))
    assert (hash_of(one) == hash_of(other)) == (one == other)


texts = st.builds(Texts, *[st.none() | st.sampled_from(["", "a", "ab", "b", "\x00", "ÿ"])] * 4)


@given(texts, texts)
def test_two_different_sets_of_texts_never_share_a_hash(one: Texts, other: Texts) -> None:
    assert (text_hash(one, b"salt") == text_hash(other, b"salt")) == (one == other)


def test_without_its_salt_a_text_cannot_be_guessed() -> None:
    told = Texts(description="a birthday present")
    assert text_hash(told, b"salt of one") != text_hash(told, b"salt of another")
    assert text_hash(told, b"") != text_hash(told, b"salt of one")


def test_an_empty_text_is_not_an_absent_one() -> None:
    assert text_hash(Texts(description=""), b"") != text_hash(Texts(), b"")
    assert text_hash(Texts(description="a"), b"") != text_hash(Texts(reference="a"), b"")


def test_the_form_of_texts_stays_as_it_is() -> None:
    # The salt, then each text with its length before it; four bytes of ones where there is none.
    form = b"salt" + b"\x00\x00\x00\x07order 7" + b"\xff\xff\xff\xff" * 2 + b"\x00\x00\x00\x00"
    told = Texts(idempotency_key="order 7", actor="")
    assert text_hash(told, b"salt") == hashlib.sha256(form).digest()


def test_what_is_kept_of_a_request_is_half_a_hash_under_the_holder_s_salt() -> None:
    kept = hashlib.sha256(b"salt" + b"fingerprint").digest()[:16]
    assert fingerprint_hash(b"fingerprint", b"salt") == kept


def test_a_chain_begins_at_genesis_and_each_transaction_binds_the_one_before() -> None:
    member = Paper()
    member.earn(100)
    member.redeem(30)
    member.redeem(20)
    head = GENESIS
    for number, entry in enumerate(member.entries, start=1):
        assert entry.transaction.number == number
        head = chain_hash(entry.transaction, entry.texts_hash, head)
        assert head == entry.hash
    assert member.holder.head == head
    assert bytes(32) == GENESIS


@pytest.mark.parametrize(
    ("transaction", "digest"),
    [
        (WHOLE, "d3165ea926870ef530ddcdaaa69d52fbaa3fcdb8a647af44c7bb8a8d39529622"),
        (
            put(
                WHOLE, occurred_at=None, reverses=None, linked=None, hold_expires_at=None,
                part=None, whole=None, transfers=(), lots=(), terms=(),
            ),
            "982511b956ff0f705a275e1e233876e514c0bba2536200e6b2dd39338058082d",
        ),
    ],
)  # fmt: skip
def test_the_first_version_of_the_form_stays_as_it_is(
    transaction: Transaction, digest: str
) -> None:
    # Written down once: another form is another version, and chains of this one still verify.
    assert hash_of(transaction).hex() == digest
