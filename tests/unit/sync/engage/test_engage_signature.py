"""Webhook signatures: the published vector, both header families, rotation, all that is false."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from svix.webhooks import Webhook as SvixWebhook

from sync.engage.signature import SignatureError, verify
from sync.secret import Secret

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of 24 bytes").decode()
BODY = b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, UTC)
PUBLISHED = {
    "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "svix-timestamp": "1614265330",
    "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
FIVE_MINUTES = timedelta(minutes=5)


def check(
    body: bytes = BODY,
    headers: dict[str, str] | None = None,
    *secrets: str,
    now: datetime = AT,
) -> str:
    known = [Secret(secret) for secret in secrets or (SECRET,)]
    return verify(
        body, PUBLISHED if headers is None else headers, known, now=now, tolerance=FIVE_MINUTES
    )


def test_the_published_example_is_accepted() -> None:
    assert check() == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_the_neutral_header_names_are_accepted() -> None:
    headers = {name.replace("svix", "webhook"): value for name, value in PUBLISHED.items()}
    assert check(BODY, headers) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_a_message_signed_by_the_senders_own_library_is_accepted() -> None:
    body = '{"eventType":"loyalty.addPoints","text":"Åsa ✓"}'
    signature = SvixWebhook(OTHER).sign("msg_1", AT, body)
    headers = {
        "svix-id": "msg_1",
        "svix-timestamp": str(int(AT.timestamp())),
        "svix-signature": signature,
    }
    assert check(body.encode(), headers, OTHER) == "msg_1"


def test_either_secret_of_a_rotation_will_do() -> None:
    assert check(BODY, None, OTHER, SECRET)
    assert check(BODY, None, SECRET, OTHER)


def test_one_good_signature_among_others_will_do() -> None:
    signatures = f"v2,abc v1,AAAA v1a,xyz {PUBLISHED['svix-signature']} nonsense"
    assert check(BODY, PUBLISHED | {"svix-signature": signatures})


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_either_way_are_tolerated(seconds: int) -> None:
    assert check(now=AT + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_a_message_too_old_or_too_new_is_refused(seconds: int) -> None:
    with pytest.raises(SignatureError):
        check(now=AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "change",
    [
        {"svix-id": ""},
        {"svix-id": "msg_other"},
        {"svix-id": "m" * 201},
        {"svix-timestamp": ""},
        {"svix-timestamp": "1614265331"},
        {"svix-timestamp": "1614265330.0"},
        {"svix-timestamp": "+1614265330"},
        {"svix-timestamp": "nan"},
        {"svix-timestamp": "9" * 40},
        {"svix-timestamp": "9" * 12},
        {"svix-timestamp": "9" * 11},
        {"svix-signature": ""},
        {"svix-signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"svix-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF="},
        {"svix-signature": "v1,é"},
        {"svix-signature": "v1,"},
        {"svix-signature": "v1"},
        {"svix-signature": "v1,AAAA " * 1000},
    ],
)
def test_headers_that_were_touched_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        check(BODY, PUBLISHED | change)


@pytest.mark.parametrize("body", [b"", b"{}", BODY + b" ", BODY[:-1], b"\xff\xfe"])
def test_a_body_that_was_touched_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureError):
        check(body)


def test_another_secret_is_refused() -> None:
    with pytest.raises(SignatureError):
        check(BODY, None, OTHER)


def test_no_headers_are_refused() -> None:
    with pytest.raises(SignatureError):
        check(BODY, {})


def test_a_signature_over_the_body_alone_is_refused() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, BODY, hashlib.sha256).digest()).decode()
    with pytest.raises(SignatureError):
        check(BODY, PUBLISHED | {"svix-signature": f"v1,{signature}"})
