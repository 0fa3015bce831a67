"""Identifiers: ordered by time, fixed in form; keys that are a tenant's own for ever."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ledger.identity import TenantId, contact_id, key_hash, uuid7, uuid7_stream

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(3000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 — hypothesis adds the zone itself
    st.binary(min_size=10, max_size=10),
)
def test_a_uuid7_says_its_moment_to_the_millisecond_and_its_version(
    moment: datetime, randomness: bytes
) -> None:
    identifier = uuid7(moment, randomness)
    assert identifier.int >> 80 == (moment - EPOCH) // timedelta(milliseconds=1)
    assert identifier.version == 7
    assert identifier.variant == "specified in RFC 4122"


def test_a_uuid7_keeps_seventy_four_of_its_random_bits() -> None:
    ones, zeros = uuid7(EPOCH, b"\xff" * 10), uuid7(EPOCH, bytes(10))
    assert (ones.int ^ zeros.int).bit_count() == 74


def test_a_uuid7_is_laid_out_as_its_standard_says() -> None:
    # 48 bits of milliseconds, version 7, 12 random bits, variant 0b10, 62 random bits.
    moment = EPOCH + timedelta(milliseconds=0x0123456789AB)
    made = uuid7(moment, bytes.fromhex("fa bc fd ef 12 34 56 78 9a 00"))
    assert made == UUID("01234567-89ab-7abc-bdef-123456789a00")


def test_every_run_of_ten_bytes_makes_the_identifier_it_would_make_alone() -> None:
    randomness = bytes(range(35))
    alone = [uuid7(EPOCH, randomness[start : start + 10]) for start in (0, 10, 20)]
    assert list(uuid7_stream(EPOCH, randomness)) == alone


def test_later_identifiers_sort_later() -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=n) for n in range(1500)]
    identifiers = [uuid7(moment, b"\xff" * 10) for moment in moments]
    assert identifiers == sorted(identifiers)


def test_a_stream_has_one_identifier_for_each_ten_bytes() -> None:
    stream = list(uuid7_stream(EPOCH, bytes(range(30))))
    assert len(set(stream)) == 3
    assert list(uuid7_stream(EPOCH, b"")) == []


def test_the_same_key_of_two_tenants_is_two_keys() -> None:
    assert key_hash(TenantId(1), "order 7") != key_hash(TenantId(2), "order 7")
    assert key_hash(TenantId(1), "1 order") != key_hash(TenantId(11), " order")


def test_a_key_that_was_booked_is_found_by_every_later_version() -> None:
    # Written down once: whoever changes the form loses every key that was ever booked.
    assert key_hash(TenantId(1), "order 7") == UUID("6a40c649-d407-1e2b-12cf-b2b8cc826a6d")


@given(st.text(max_size=50), st.text(max_size=50))
def test_different_keys_have_different_hashes(one: str, other: str) -> None:
    assert (key_hash(TenantId(1), one) == key_hash(TenantId(1), other)) == (one == other)


def test_a_contact_is_the_same_in_the_driver_s_kind() -> None:
    written = UUID("1dfe06cd-a1be-4423-8ed4-afd900d998aa")
    assert contact_id(written) == written
