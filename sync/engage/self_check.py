"""Whether Engage would get through to us: our own doors, asked from outside as Engage asks.

The one hard idea: only what comes in by the public address shows whether the proxy, the service
that runs behind it and its secrets belong together; so messages are made, signed and encrypted as
Engage's are, by the configuration at hand, and sent there. They are of a type of their own that is
kept as evidence and books nothing. What must be refused is tried too.
"""

import base64
import os
from datetime import datetime
from typing import Final
from uuid import uuid4

import httpx
import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from standardwebhooks import Webhook

from sync.engage.checking import Finding, Verdict
from sync.engage.context import Context
from sync.engage.settings import LogAuthentication
from sync.secret import Secret

EVENT_TYPE: Final = "pointmaster.check"
"""Of messages to ourselves; like any type that is not known, kept and never booked."""

ANSWER_SECONDS: Final = 15.0
"""Svix waits no longer."""

BLOCK_BYTES: Final = 16
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404

WEBHOOK: Final = "adjustments from Engage"
LOG: Final = "points log"


class _Spoken(msgspec.Struct, frozen=True):
    """What a door answered; without a status where it could not be asked."""

    status: int | None
    body: bytes = b""
    trouble: str = ""

    @property
    def code(self) -> str:
        """The word by which our own doors say what is wrong; empty for anybody else's."""
        try:
            found = msgspec.json.decode(self.body, type=dict[str, msgspec.Raw]).get("code")
            return "" if found is None else msgspec.json.decode(found, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""


async def check_doors(context: Context, url: str, now: datetime) -> list[Finding]:
    """Knock at our own doors as Engage does.

    Args:
        context: Whose.
        url: Where Engage reaches the service, as in `https://points.example.com`.
        now: Signs the messages.
    """
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, follow_redirects=False) as http:
        door = f"{url.rstrip('/')}/engage/{context.tenant.name}"
        webhook = await _check_webhook(context, http, f"{door}/webhooks", now)
        return webhook + await _check_log(context, http, door)


async def _check_webhook(
    context: Context, http: httpx.AsyncClient, address: str, now: datetime
) -> list[Finding]:
    secrets = context.settings.secrets
    if not secrets.signing_secrets and not secrets.encryption_keys:
        return [
            Finding(
                what=WEBHOOK,
                verdict=Verdict.BAD,
                said="There is neither a signing secret nor an encryption key.",
                advice="Every message of Engage is refused until one is configured: enter the "
                "encryption key that Voyado agreed on with you, and ask for the signing secret "
                "(whsec_…) of the webhook.",
            )
        ]
    findings = []
    unproven = await _post(http, address, _envelope(context, {"note": "unproven"}), {})
    if unproven.status is None or unproven.status == NOT_FOUND:
        return [_unreached(WEBHOOK, address, unproven)]
    if 200 <= unproven.status < 300:
        findings.append(_wrong(WEBHOOK, address, "takes what nobody signed or encrypted"))
    ways: list[tuple[str, Secret | None, Secret | None]] = [
        (f"signing secret {number}", secret, key)
        for number, secret in enumerate(secrets.signing_secrets, start=1)
        for key in secrets.encryption_keys[:1] or (None,)
    ]
    signer = secrets.signing_secrets[0] if secrets.signing_secrets else None
    ways += [
        (f"encryption key {number}", signer, key)
        for number, key in enumerate(secrets.encryption_keys, start=1)
    ]
    refused = []
    for name, secret, key in ways:
        body = _envelope(context, {"note": name}, key)
        spoken = await _post(http, address, body, _signed(body, secret, now))
        if spoken.code == "address_not_allowed":
            return [*findings, _not_listed(WEBHOOK, "webhook.addresses")]
        if spoken.status is None or not 200 <= spoken.status < 300:
            refused.append(f"{name} ({spoken.status or spoken.trouble})")
    if refused:
        findings.append(
            Finding(
                what=WEBHOOK,
                verdict=Verdict.BAD,
                said=f"The service at {address} refuses what is proven by {', '.join(refused)}.",
                advice="It was started with other secrets than this command was: start it again. "
                "If it is another service, give its address by --url. Its clock and this one's may "
                f"differ by {context.options.webhook.tolerance_seconds:g} seconds at most.",
            )
        )
    if findings:
        return findings
    proven = ", ".join(name for name, _, _ in ways)
    return [
        Finding(
            what=WEBHOOK,
            verdict=Verdict.GOOD,
            said=f"{address} takes messages proven by {proven}, and refuses others.",
        )
    ]


async def _check_log(context: Context, http: httpx.AsyncClient, door: str) -> list[Finding]:
    options = context.options.points_log
    secrets = context.settings.secrets.points_log
    if options.authentication is LogAuthentication.CLOSED or not secrets:
        return [
            Finding(
                what=LOG,
                verdict=Verdict.UNSURE,
                said="The points log is closed.",
                advice="If the contact card in Engage is to show points, set "
                "points_log.authentication to what Voyado says Engage can do.",
            )
        ]
    nobody = uuid4()
    secret = secrets[0].reveal()
    is_path = options.authentication is LogAuthentication.PATH
    base = f"{door}/{secret}/points-log" if is_path else f"{door}/points-log"
    headers = {}
    if options.authentication is LogAuthentication.HEADER:
        headers[options.header] = secret
    elif options.authentication is LogAuthentication.BASIC:
        word = base64.b64encode(f"{options.username}:{secret}".encode()).decode()
        headers["Authorization"] = f"Basic {word}"
    shown = f"{door}/points-log"
    for address in (f"{base}?contactId={nobody}", f"{base}/{nobody}"):
        spoken = await _get(http, address, headers)
        if spoken.code == "address_not_allowed":
            return [_not_listed(LOG, "points_log.addresses")]
        if spoken.status is None or spoken.status == NOT_FOUND:
            return [_unreached(LOG, shown, spoken)]
        if spoken.status != 200 or spoken.body.strip() != b"[]":
            return [
                Finding(
                    what=LOG,
                    verdict=Verdict.BAD,
                    said=f"{shown} answers {spoken.status} instead of an empty list for nobody.",
                    advice="The service was started with another secret or way to prove itself "
                    "than this command was: start it again, or give the right address by --url.",
                )
            ]
    stranger = await _get(http, f"{door}/points-log?contactId={nobody}", {})
    if stranger.status is not None and 200 <= stranger.status < 300:
        return [_wrong(LOG, shown, "is open to everybody")]
    return [
        Finding(
            what=LOG,
            verdict=Verdict.GOOD,
            said=f"{shown} answers in both forms of its address, to whoever has the secret only.",
        )
    ]


def _not_listed(what: str, setting: str) -> Finding:
    return Finding(
        what=what,
        verdict=Verdict.UNSURE,
        said=f"This machine's address is not in {setting}, so the door could not be tried.",
        advice="That is right if only Engage's addresses are listed. Behind a proxy, see that "
        "service.trusted_proxies names it, or Engage is shut out too.",
    )


def _unreached(what: str, address: str, spoken: _Spoken) -> Finding:
    if spoken.status is None:
        return Finding(
            what=what,
            verdict=Verdict.BAD,
            said=f"{address} can't be reached: {spoken.trouble}.",
            advice="Start the service, or give the address by which Engage reaches it by --url; "
            "look at the proxy and its certificate.",
        )
    return Finding(
        what=what,
        verdict=Verdict.BAD,
        said=f"Nothing is at {address}: 404.",
        advice="The service there has no such tenant with an Engage, or what answers is not "
        "Pointmaster: give the right address by --url, and have the proxy pass /engage/ on.",
    )


def _wrong(what: str, address: str, said: str) -> Finding:
    return Finding(
        what=what,
        verdict=Verdict.BAD,
        said=f"{address} {said}.",
        advice="What answers there is not Pointmaster, or a proxy answers for it: anybody could "
        "be told that all is well. Look at what is behind the address.",
    )


def _envelope(context: Context, payload: dict[str, str], key: Secret | None = None) -> bytes:
    said: object = payload
    if key is not None:
        said = _encrypted(msgspec.json.encode(payload), key)
    return msgspec.json.encode(
        {
            "eventType": EVENT_TYPE,
            "id": str(uuid4()),
            "tenant": context.options.webhook.tenant or context.tenant.name,
            "isEncrypted": key is not None,
            "payload": said,
        }
    )


def _encrypted(plain: bytes, key: Secret) -> str:
    """As Engage encrypts: docs/contracts/engage.md, "Webhook: encryption"."""
    vector = os.urandom(BLOCK_BYTES)
    padder = PKCS7(BLOCK_BYTES * 8).padder()
    cipher = Cipher(algorithms.AES256(key.reveal().encode("ascii")), modes.CBC(vector))
    encryptor = cipher.encryptor()
    sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    return base64.b64encode(vector + sealed).decode()


def _signed(body: bytes, secret: Secret | None, now: datetime) -> dict[str, str]:
    if secret is None:
        return {}
    identifier = f"msg_check_{uuid4().hex}"
    return {
        "svix-id": identifier,
        "svix-timestamp": str(int(now.timestamp())),
        "svix-signature": Webhook(secret.reveal()).sign(identifier, now, body.decode()),
    }


async def _post(
    http: httpx.AsyncClient, address: str, body: bytes, headers: dict[str, str]
) -> _Spoken:
    return await _ask(http, "POST", address, {"content-type": "application/json"} | headers, body)


async def _get(http: httpx.AsyncClient, address: str, headers: dict[str, str]) -> _Spoken:
    return await _ask(http, "GET", address, headers, None)


async def _ask(
    http: httpx.AsyncClient,
    method: str,
    address: str,
    headers: dict[str, str],
    body: bytes | None,
) -> _Spoken:
    try:
        response = await http.request(method, address, headers=headers, content=body)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The address is not repeated: it may hold the secret.
        return _Spoken(None, trouble=type(error).__name__)
    return _Spoken(response.status_code, response.content)
