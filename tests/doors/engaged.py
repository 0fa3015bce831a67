"""The house with an Engage behind it: its settings, and messages as Engage signs and encrypts them.

They are signed by the `svix` package and encrypted here, both apart from the code that reads them.
"""

import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from svix.webhooks import Webhook

from ledger.postgres import Server
from sync.engage import EngageOptions, EngageSecrets, EngageSettings
from sync.engage.settings import LogAuthentication, PointsLogOptions
from sync.secret import Secret
from tests.conftest import FOLDER, TEMPLATE, create_database, drop_database, ensure_template
from tests.doors.house import House, configuration_of, open_house

ENCRYPTION_KEY = "7Qw2Er5Ty8Ui1Op4As6Df9Gh3Jk0Lz5X"
SIGNING_SECRET = "whsec_" + base64.b64encode(b"a secret of the tests").decode()
LOG_SECRET = "a-secret-for-points-logs"


HOOK = "/engage/acme/webhooks"


def settings_of(
    address: str,
    authentication: LogAuthentication = LogAuthentication.HEADER,
    options: dict[str, Any] | None = None,
    points_log_options: PointsLogOptions | None = None,
    **secrets: Any,
) -> EngageSettings:
    """An Engage at this address, with options and secrets other than usual."""
    return EngageSettings(
        options=EngageOptions(
            base_url=address,
            poll_seconds=(0.1,),
            points_log=points_log_options or PointsLogOptions(authentication=authentication),
            **(options or {}),
        ),
        secrets=EngageSecrets(
            **{
                "api_key": Secret("sandbox-key"),
                "encryption_keys": (Secret(ENCRYPTION_KEY),),
                "signing_secrets": (Secret(SIGNING_SECRET),),
                "points_log": (Secret(LOG_SECRET),),
                **secrets,
            }
        ),
    )


@asynccontextmanager
async def engaged(
    server: Server, config: pytest.Config, settings: EngageSettings, **more: Any
) -> AsyncIterator[House]:
    """A house whose tenant has this Engage."""
    await ensure_template(server, config.stash[FOLDER] / "template.lock")
    name = f"test_{uuid4().hex}"
    database = await create_database(server, name, TEMPLATE)
    async with open_house(configuration_of(database, settings, **more)) as found:
        yield found
    await drop_database(server, name)


def encrypted(payload: dict[str, Any], key: str = ENCRYPTION_KEY) -> str:
    """A payload as Engage encrypts it: AES-256 in CBC mode, the vector first."""
    plain = json.dumps(payload).encode()
    padding = 16 - len(plain) % 16
    vector = os.urandom(16)
    encryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()
    return base64.b64encode(vector + sealed).decode()


def adjustment(contact: UUID, amount: float, **more: Any) -> dict[str, Any]:
    """Points given by hand in Engage, as its webhook tells of them."""
    return {
        "eventType": "loyalty.addPoints",
        "id": str(uuid4()),
        "tenant": "acme",
        "payload": encrypted(
            {
                "ContactId": str(contact),
                "Amount": amount,
                "Description": "Given in Engage",
                "Source": "Manual",
                "PointDefinitionId": 1,
            }
        ),
        **more,
    }


def signed(message: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
    """A message as Svix delivers it."""
    body = json.dumps(message)
    at = at or datetime.now(UTC)
    identifier = f"msg_{uuid4().hex}"
    return {
        "content": body,
        "headers": {
            "Content-Type": "application/json",
            "svix-id": identifier,
            "svix-timestamp": str(int(at.timestamp())),
            "svix-signature": Webhook(SIGNING_SECRET).sign(identifier, at, body),
        },
    }
