import base64
import json
import time
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from svix.webhooks import Webhook, WebhookVerificationError

from sandbox.amounts import AmountRefusedError
from sandbox.engage.settings import Alphabet, Casing, HeaderFamily, WebhookSettings
from sandbox.engage.webhooks import (
    Adjustment,
    Kind,
    Tamper,
    adjustment_payload,
    make_envelope,
    message_id,
    secret_bytes,
    sent_body,
    signed_headers,
)

KEY = "AbcdefghijklmnopqrstuvwxyZ012345"
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"abcdef012345678901234567").decode()
CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"


def settings(**changes: Any) -> WebhookSettings:
    return WebhookSettings(encryption_key=KEY, signing_secrets=(SECRET,), **changes)


def adjustment(amount: str = "40", **fields: Any) -> Adjustment:
    return Adjustment(CONTACT, msgspec.Raw(amount.encode()), **fields)


def decrypt(text: str) -> Any:
    """Undo the encryption by the published recipe, without the code that made it."""
    sealed = base64.b64decode(
        text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True
    )
    decryptor = Cipher(algorithms.AES(KEY.encode()), modes.CBC(sealed[:16])).decryptor()
    padded = decryptor.update(sealed[16:]) + decryptor.finalize()
    length = padded[-1]
    assert padded[-length:] == bytes([length]) * length
    return json.loads(padded[:-length])


def test_a_manual_adjustment_has_the_documented_fields() -> None:
    payload = adjustment_payload(
        adjustment("-12.50", description="Goodwill", user_id="u-1", user_name="Support"),
        Casing.PASCAL,
    )

    assert json.loads(msgspec.json.encode(payload, enc_hook=str)) | {"Amount": 0} == {
        "ContactId": CONTACT,
        "Amount": 0,
        "Description": "Goodwill",
        "Source": "Manual",
        "PointDefinitionId": 1,
        "UserId": "u-1",
        "UserName": "Support",
    }
    assert str(payload["Amount"]) == "-12.50"


def test_an_automation_has_its_own_fields_in_either_casing() -> None:
    asked = adjustment(kind=Kind.AUTOMATION, reason="Birthday", more={"Extra": 1})

    payload = adjustment_payload(asked, Casing.CAMEL)

    assert set(payload) == {
        "contactId",
        "amount",
        "description",
        "source",
        "pointDefinitionId",
        "reason",
        "processId",
        "workflowId",
        "workflowName",
        "Extra",
    }
    assert payload["source"] == "Automation"


def test_an_amount_that_is_none_is_refused() -> None:
    with pytest.raises(AmountRefusedError):
        adjustment_payload(adjustment('"40"'), Casing.PASCAL)


@pytest.mark.parametrize("alphabet", list(Alphabet))
def test_an_encrypted_payload_is_opened_by_the_published_recipe(alphabet: Alphabet) -> None:
    for length in range(40):  # every length of padding, twice
        payload = {"Description": "ö" * length}
        envelope = json.loads(
            make_envelope("loyalty.addPoints", payload, "shop", settings(alphabet=alphabet)).body
        )
        assert decrypt(envelope["payload"]) == payload
        assert envelope["isEncrypted"] is True
        if alphabet is Alphabet.URLSAFE:
            assert not set("+/=") & set(envelope["payload"])


def test_each_encryption_has_an_iv_of_its_own() -> None:
    payloads = {
        json.loads(make_envelope("loyalty.addPoints", {}, "shop", settings()).body)["payload"][:22]
        for _ in range(50)
    }

    assert len(payloads) == 50


def test_the_envelope_is_written_as_either_page_shows_it() -> None:
    newer = json.loads(make_envelope("loyalty.addPoints", {"A": 1}, "shop", settings()).body)
    older = json.loads(
        make_envelope(
            "loyalty.addPoints",
            {"A": 1},
            "shop",
            WebhookSettings(with_is_encrypted=False, envelope_id_field="eventId"),
        ).body
    )

    assert set(newer) == {"eventType", "id", "payload", "tenant", "isEncrypted"}
    assert set(older) == {"eventType", "eventId", "payload", "tenant"}
    assert older["payload"] == {"A": 1}
    assert older["tenant"] == "shop"


def test_the_published_example_of_a_signature_is_met() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        1614265330,
        WebhookSettings(signing_secrets=(secret,)),
        Tamper.NONE,
    )

    assert headers == {
        "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "svix-timestamp": "1614265330",
        "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("family", list(HeaderFamily))
def test_svix_accepts_the_signature_by_either_secret_and_family(family: HeaderFamily) -> None:
    body = make_envelope("loyalty.addPoints", {"A": 1}, "shop", settings()).body
    both = WebhookSettings(signing_secrets=(SECRET, OTHER_SECRET), header_family=family)
    headers = signed_headers(message_id(), body, int(time.time()), both, Tamper.NONE)

    assert len(headers) == (6 if family is HeaderFamily.BOTH else 3)
    for secret in (SECRET, OTHER_SECRET):
        Webhook(secret).verify(body, headers)  # raises when it is not content


@pytest.mark.parametrize(
    "tamper",
    [
        Tamper.WRONG_SIGNATURE,
        Tamper.NO_SIGNATURE,
        Tamper.OLD_TIMESTAMP,
        Tamper.FUTURE_TIMESTAMP,
        Tamper.CHANGED_BODY,
    ],
)
def test_svix_refuses_what_was_forged_about_the_signature(tamper: Tamper) -> None:
    body = make_envelope("loyalty.addPoints", {"A": 1}, "shop", settings(), tamper).body
    headers = signed_headers(message_id(), body, int(time.time()), settings(), tamper)

    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(sent_body(body, tamper), headers)


@pytest.mark.parametrize("tamper", [Tamper.TRUNCATED_CIPHERTEXT, Tamper.WRONG_KEY])
def test_what_was_forged_about_the_encryption_is_signed_and_cannot_be_read(tamper: Tamper) -> None:
    body = make_envelope("loyalty.addPoints", {"A": "x" * 40}, "shop", settings(), tamper).body
    headers = signed_headers(message_id(), body, int(time.time()), settings(), tamper)

    Webhook(SECRET).verify(sent_body(body, tamper), headers)

    with pytest.raises((ValueError, AssertionError)):
        decrypt(json.loads(sent_body(body, tamper))["payload"])


def test_encryption_needs_a_key_and_a_secret_needs_base64() -> None:
    with pytest.raises(ValueError, match="encryptionKey"):
        make_envelope("x", {}, "shop", WebhookSettings(), encrypt=True)
    with pytest.raises(ValueError, match="Base64"):
        secret_bytes("whsec_***")
