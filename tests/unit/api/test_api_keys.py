"""API keys as text, and what scopes allow."""

import hashlib

import pytest

from api.access.keys import bearer, make_key, read_key
from api.access.scopes import Scope, UnknownScopeError, allows, read_scopes

KEY = make_key(bytes(range(40)))


def test_a_key_is_its_public_part_and_a_secret() -> None:
    assert KEY.text == (
        "pm_0001020304050607_08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"
    )
    assert read_key(KEY.text) == KEY
    assert KEY.secret_hash == hashlib.sha256(KEY.secret.encode()).digest()
    assert KEY.secret not in repr(KEY)


def test_a_key_matches_its_own_hash_only() -> None:
    other = make_key(bytes(40))
    assert KEY.matches(KEY.secret_hash)
    assert not KEY.matches(other.secret_hash)
    assert not KEY.matches(b"")


@pytest.mark.parametrize("randomness", [b"", bytes(39), bytes(41)])
def test_a_key_needs_its_forty_random_bytes(randomness: bytes) -> None:
    with pytest.raises(ValueError, match="needs 40 random bytes"):
        make_key(randomness)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pm_",
        KEY.text[:-1],
        KEY.text + "0",
        KEY.text.upper(),
        KEY.text.replace("_", "-"),
        "x" * 84,
    ],
)
def test_what_is_no_key(text: str) -> None:
    assert read_key(text) is None
    assert bearer(f"Bearer {text}") is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_is_borne_in_a_header(scheme: str) -> None:
    assert bearer(f"{scheme} {KEY.text}") == KEY


@pytest.mark.parametrize("header", [None, "", "Bearer", KEY.text, f"Basic {KEY.text}"])
def test_headers_that_bear_no_key(header: str | None) -> None:
    assert bearer(header) is None


def test_admin_allows_everything_and_nothing_else_does() -> None:
    everything = frozenset(Scope)
    for scope in Scope:
        assert allows(frozenset({Scope.ADMIN}), scope)
        assert allows(frozenset({scope}), scope)
        assert not allows(everything - {scope, Scope.ADMIN}, scope)


def test_scopes_are_read_from_their_words() -> None:
    assert read_scopes(["admin", "sync:run"]) == {Scope.ADMIN, Scope.SYNC_RUN}
    with pytest.raises(UnknownScopeError, match="'sync' is no scope; there are: transactions:wri"):
        read_scopes(["sync"])
