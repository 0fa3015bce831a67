"""Who is let in, by each of the five ways, judged on the raw bytes."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from sync.relay.authentication import (
    Authentication,
    Message,
    authentication_problems,
    completed,
    is_authentic,
)
from sync.relay.vendors.protocol import Vendor
from sync.secret import Secret

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SECRETS = (Secret("test-secret"),)
URI = "/hooks/punchh/acme"
BODY = (
    b'{"content_id":"5b1d3c1e-0000-4000-8000-000000000001",'
    b'"timestamp":1735689600,"event_name":"rewards"}'
)
SHA256 = "9f155df3415a7748e56bb66190e622414452fc93d9880dc92842302fd4f7aebe"
SHA1 = "3245da4f065ca3c3f5780c19286a81c709bde4a3"


def admits(
    authentication: dict[str, Any],
    headers: dict[str, str],
    vendor: Vendor = Vendor.PUNCHH,
    secrets: tuple[Secret, ...] = SECRETS,
    **message: Any,
) -> bool:
    whole = completed(msgspec.convert(authentication, Authentication), vendor)
    asked = Message(**{"body": BODY, "path": URI, "headers": headers, **message})
    return is_authentic(asked, whole, secrets, NOW)


def basic(pair: str, word: str = "Basic") -> dict[str, str]:
    return {"authorization": f"{word} {base64.b64encode(pair.encode()).decode()}"}


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        (basic("punchh:test-secret"), True),
        (basic("punchh:test-secret", "basic"), True),
        (basic("punchh:wrong"), False),
        (basic("other:test-secret"), False),
        (basic("test-secret"), False),
        ({"authorization": "Basic !!!"}, False),
        ({"authorization": "Bearer test-secret"}, False),
        ({}, False),
    ],
)
def test_basic(headers: dict[str, str], admitted: bool) -> None:  # noqa: FBT001 - a column of the table
    kind = {"kind": "basic", "username": "punchh"}
    assert admits(kind, headers) is admitted


def test_bearer_header_and_path() -> None:
    bearer = {"kind": "bearer"}
    assert admits(bearer, {"authorization": "bearer test-secret"})
    assert not admits(bearer, {"authorization": "bearer test-secre"})
    assert not admits(bearer, {"authorization": "bearer"})
    header = {"kind": "header", "header": "X-Batch"}
    assert admits(header, {"x-batch": "test-secret"}, Vendor.OPEN_LOYALTY)
    assert not admits(header, {"x-other": "test-secret"}, Vendor.OPEN_LOYALTY)
    path = {"kind": "path"}
    assert admits(path, {}, token="test-secret")
    assert not admits(path, {}, token="test-secret2")
    assert not admits(path, {})


@pytest.mark.parametrize(("algorithm", "digest"), [("sha256", SHA256), ("sha1", SHA1)])
def test_punchh_signs_address_and_body(algorithm: str, digest: str) -> None:
    kind = {"kind": "hmac", "algorithm": algorithm, "client": "acme"}
    sent = {"authorization": f"hmac {digest}", "x-pch-key": "acme"}
    assert admits(kind, sent)
    assert admits(kind, {**sent, "authorization": f"HMAC {digest.upper()}"})
    assert not admits(kind, {**sent, "x-pch-key": "other"}), "another client"
    assert not admits(kind, {"authorization": f"hmac {digest}"}), "no client"
    assert not admits(kind, sent, path="/hooks/punchh/other"), "another address"
    assert not admits(kind, sent, body=BODY + b" "), "one byte more"
    assert not admits(kind, {**sent, "authorization": digest}), "no scheme"
    assert not admits(kind, {**sent, "authorization": f"hmac {digest[:-1]}"}), "cut short"
    assert not admits(kind, {**sent, "authorization": "hmac é"})


def test_the_query_may_be_signed_or_not() -> None:
    kind = {"kind": "hmac"}
    with_query = hmac.new(b"test-secret", f"{URI}?a=1".encode() + BODY, hashlib.sha256).hexdigest()
    for digest in (SHA256, with_query):
        assert admits(kind, {"authorization": f"hmac {digest}"}, query="a=1")
    assert not admits(kind, {"authorization": f"hmac {with_query}"}, query="a=2")


def test_a_changed_address_is_told_to_us() -> None:
    kind = {"kind": "hmac", "public_path": URI}
    assert admits(kind, {"authorization": f"hmac {SHA256}"}, path="/relay/punchh")


def test_passkit_signs_the_body_alone() -> None:
    digest = hmac.new(b"test-secret", BODY, hashlib.sha256)
    kind = {"kind": "hmac"}
    assert admits(kind, {"x-passkit-signature": digest.hexdigest()}, Vendor.PASSKIT)
    encoded = base64.b64encode(digest.digest()).decode()
    assert not admits(kind, {"x-passkit-signature": encoded}, Vendor.PASSKIT)
    in_base64 = {**kind, "encoding": "base64", "header": "X-Sign"}
    assert admits(in_base64, {"x-sign": encoded}, Vendor.PASSKIT)
    assert admits(in_base64, {"x-sign": encoded.rstrip("=")}, Vendor.PASSKIT)
    prefixed = {"x-passkit-signature": f"sha256={digest.hexdigest()}"}
    assert admits({**kind, "scheme": "sha256="}, prefixed, Vendor.PASSKIT)
    assert not admits(kind, prefixed, Vendor.PASSKIT)


def test_a_secret_may_be_base64_itself() -> None:
    secret = (Secret(base64.b64encode(b"\x00binary\xff").decode()),)
    digest = hmac.new(b"\x00binary\xff", BODY, hashlib.sha256).hexdigest()
    kind = {"kind": "hmac", "key_form": "base64"}
    assert admits(kind, {"x-passkit-signature": digest}, Vendor.PASSKIT, secret)


@pytest.mark.parametrize(
    "template", ["{timestamp}.{body}", "{timestamp}.{request_id}.{body}", "{body}"]
)
def test_open_loyalty_signs_as_configured(template: str) -> None:
    at, request_id = str(int(NOW.timestamp())), "0b4f"
    text = template.format(timestamp=at, request_id=request_id, body=BODY.decode()).encode()
    headers = {
        "x-webhook-signature": hmac.new(b"test-secret", text, hashlib.sha256).hexdigest(),
        "x-webhook-timestamp": at,
        "x-webhook-request-id": request_id,
    }
    kind = {"kind": "hmac", "signed": template}
    assert admits(kind, headers, Vendor.OPEN_LOYALTY)
    later = {**headers, "x-webhook-timestamp": str(int(at) + 1)}
    assert admits(kind, later, Vendor.OPEN_LOYALTY) is (template == "{body}")


def test_an_old_signed_time_is_refused() -> None:
    at = str(int((NOW - timedelta(seconds=301)).timestamp()))
    digest = hmac.new(b"test-secret", f"{at}.".encode() + BODY, hashlib.sha256).hexdigest()
    headers = {"x-webhook-signature": digest, "x-webhook-timestamp": at}
    kind = {"kind": "hmac", "signed": "{timestamp}.{body}"}
    assert not admits(kind, headers, Vendor.OPEN_LOYALTY)
    assert admits({**kind, "tolerance_seconds": 302}, headers, Vendor.OPEN_LOYALTY)


def test_the_old_secret_works_beside_the_new_one() -> None:
    both = (Secret("new-secret"), Secret("test-secret"))
    for key in (b"new-secret", b"test-secret"):
        digest = hmac.new(key, URI.encode() + BODY, hashlib.sha256).hexdigest()
        assert admits({"kind": "hmac"}, {"authorization": f"hmac {digest}"}, secrets=both)


@pytest.mark.parametrize(
    ("given", "secrets", "key"),
    [
        ({"kind": "bearer"}, (), "secret"),
        ({"kind": "bearer"}, (Secret(""),), "secret"),
        ({"kind": "basic"}, SECRETS, "username"),
        ({"kind": "header", "header": "a b"}, SECRETS, "header"),
        ({"kind": "path"}, SECRETS, "secret"),
        ({"kind": "hmac", "signed": "{url}{body}"}, SECRETS, "signed"),
        ({"kind": "hmac", "signed": "{timestamp}"}, SECRETS, "signed"),
        ({"kind": "hmac", "key_form": "base64"}, (Secret("!"),), "secret"),
    ],
)
def test_a_proof_that_can_not_work_is_found_before(
    given: dict[str, Any], secrets: tuple[Secret, ...], key: str
) -> None:
    found = list(authentication_problems(msgspec.convert(given, Authentication), secrets))
    assert [one for one, _ in found] == [key]
