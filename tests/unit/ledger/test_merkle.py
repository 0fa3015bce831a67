"""The tree under a seal: the same heads give the same root, any other heads another one."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle import BRANCHES, Head, Seal, Tree, differences, leaf, merkle_root

SEALED_AT = datetime(2026, 11, 21, tzinfo=UTC)


def head(holder: int, number: int = 1, digest: int = 7) -> Head:
    """A chain of a holder whose id begins with this byte."""
    identifier = UUID(int=holder << 120 | number)
    return Head(identifier, number, digest.to_bytes(32).hex())


def sealed(heads: Sequence[Head], *, with_heads: bool = False) -> Seal:
    tree = Tree(with_heads=with_heads)
    for one in sorted(heads, key=lambda one: one.holder):
        tree.add(one)
    return tree.sealed(SEALED_AT)


def by_definition(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962: split at the largest power of two below the length."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    left, right = by_definition(hashes[:split]), by_definition(hashes[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 100])
def test_the_root_is_that_of_the_published_definition(count: int) -> None:
    hashes = [leaf(head(number % BRANCHES, number)) for number in range(count)]
    assert merkle_root(hashes) == by_definition(hashes)


@given(st.lists(st.integers(0, BRANCHES - 1), max_size=40))
def test_a_tree_grown_head_by_head_has_a_branch_a_first_byte(bytes_: list[int]) -> None:
    heads = [head(byte, place) for place, byte in enumerate(bytes_)]
    heads.sort(key=lambda one: one.holder)
    seal = sealed(heads)
    branches = [
        by_definition([leaf(one) for one in heads if one.holder.bytes[0] == byte])
        for byte in range(BRANCHES)
    ]
    assert seal.branches == [branch.hex() for branch in branches]
    assert seal.root == by_definition(branches).hex()
    assert (seal.holders, seal.transactions) == (len(heads), sum(one.number for one in heads))


HEADS = [head(0, 3), head(5, 1), head(5, 2), head(255, 9)]


@pytest.mark.parametrize(
    ("now", "place", "message"),
    [
        ([HEADS[0], *HEADS[2:]], HEADS[1], "had 1 transactions under the seal, now none"),
        ([*HEADS[:3], head(255, 9, 8)], HEADS[3], "ended at transaction 9 when it was sealed"),
        ([*HEADS, head(7, 1)], head(7, 1), "has transactions from before the seal, unsealed"),
    ],
)
def test_whose_chain_was_touched_is_named_where_the_seal_has_heads(
    now: list[Head], place: Head, message: str
) -> None:
    [finding] = differences(sealed(HEADS, with_heads=True), sealed(now, with_heads=True))
    assert (finding.rule, finding.place) == (9, f"holder {place.holder}")
    assert message in finding.message
    [finding] = differences(sealed(HEADS), sealed(now))
    assert (finding.rule, finding.place) == (9, f"holders {place.holder.bytes[0]:02x}…")


def test_untouched_books_give_the_seal_again_whatever_came_later() -> None:
    assert differences(sealed(HEADS), sealed(HEADS)) == []
    assert differences(sealed(HEADS, with_heads=True), sealed(HEADS, with_heads=True)) == []


def test_a_seal_that_was_changed_itself_is_found() -> None:
    seal = sealed(HEADS)
    forged = msgspec.structs.replace(seal, root="00" * 32)
    [finding] = differences(forged, seal)
    assert (finding.rule, finding.place) == (9, "seal")


def test_the_first_version_of_a_leaf_stays_as_it_is() -> None:
    # A published seal must be comparable for ever: holder, number in eight bytes, hash.
    one = Head(UUID(int=0x0102), 0x0304, "ab" * 32)
    form = b"\x00" + bytes(14) + b"\x01\x02" + bytes(6) + b"\x03\x04" + b"\xab" * 32
    assert leaf(one) == hashlib.sha256(form).digest()
    assert (sealed([one]).version, BRANCHES) == (1, 256)


def test_each_touched_branch_is_named() -> None:
    now = [head(0, 3, 8), *HEADS[1:3], head(255, 9, 8)]
    found = [one.place for one in differences(sealed(HEADS), sealed(now))]
    assert found == ["holders 00…", "holders ff…"]
    found = [one.place for one in differences(sealed(HEADS, with_heads=True), sealed(now))]
    assert found == [f"holder {one.holder}" for one in HEADS]


def test_a_seal_is_read_as_it_was_written() -> None:
    seal = sealed(HEADS, with_heads=True)
    assert msgspec.json.decode(msgspec.json.encode(seal), type=Seal) == seal
