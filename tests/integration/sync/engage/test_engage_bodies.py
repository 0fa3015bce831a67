"""A quarantined message that comes again with another body: what was judged and what came are kept.

A sender that has its encryption key corrected sends the same message, encrypted anew.
"""

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from ledger.identity import ContactId
from sandbox.engage.webhooks import encrypt_payload
from sync.engage import DeliveryState, Follower
from sync.engage.deliveries import EARLIER_BODIES_MAX
from sync.engage.erasure import erase
from tests.following.program import ENCRYPTION_KEY, TENANT, Program, member

OTHER_KEY = "0123456789abcdefghijklmnopqrstuv"


def message(key: str = ENCRYPTION_KEY, amount: float = 9, **more: Any) -> bytes:
    """Always the same event, encrypted under a key."""
    payload = {"ContactId": str(member(1001)), "Amount": amount, "PointDefinitionId": 1}
    ciphertext = encrypt_payload(json.dumps(payload).encode(), key)
    envelope = {
        "eventType": "loyalty.addPoints",
        "id": "5d8c1c3e-4d6f-4a57-9a53-2f7d8e0b6a11",
        "payload": base64.b64encode(ciphertext).decode(),
        "tenant": TENANT,
        **more,
    }
    return json.dumps(envelope).encode()


@pytest.fixture
async def follower(program: Program) -> Follower:
    return await program.follower(secrets={"signing_secrets": ()})


async def bodies(program: Program) -> tuple[bytes | None, list[bytes] | None]:
    row = await program.pool.fetchrow("select body, earlier_bodies from engage.delivery")
    assert row is not None
    return row["body"], row["earlier_bodies"]


async def test_the_table_holds_the_body_that_was_booked_and_the_one_before(
    program: Program, follower: Follower
) -> None:
    wrong = message(amount=9, tenant="elsewhere")
    right = message(amount=9)
    assert (await follower.receive(wrong, {})).state is DeliveryState.QUARANTINED
    assert await bodies(program) == (wrong, None)
    assert (await follower.receive(right, {})).state is DeliveryState.BOOKED
    assert await bodies(program) == (right, [wrong])
    (kept,) = await follower.deliveries()
    assert (kept.repeats, kept.earlier_bodies) == (1, 1)
    # What is booked stays what it is.
    assert (await follower.receive(wrong, {})).state is DeliveryState.DUPLICATE
    assert await bodies(program) == (right, [wrong])


async def test_the_same_body_again_is_kept_once(program: Program, follower: Follower) -> None:
    wrong = message(tenant="elsewhere")
    for _ in range(2):
        assert (await follower.receive(wrong, {})).state is DeliveryState.QUARANTINED
    assert await bodies(program) == (wrong, None)


async def test_of_many_bodies_the_first_and_the_latest_are_kept(
    program: Program, follower: Follower
) -> None:
    came = [message(tenant="elsewhere") for _ in range(EARLIER_BODIES_MAX + 3)]
    for one in came:
        await follower.receive(one, {})
    body, earlier = await bodies(program)
    assert body == came[-1]
    assert earlier == [came[0], *came[3:-1]]
    assert earlier is not None
    assert len(earlier) == EARLIER_BODIES_MAX


async def test_erasing_a_person_forgets_all_bodies(program: Program, follower: Follower) -> None:
    """Also where the id stands in plain in an earlier one only."""
    contact = ContactId(uuid4())
    named = message(tenant="elsewhere", note=str(contact))
    await follower.receive(named, {})
    await follower.receive(message(tenant="elsewhere"), {})
    async with program.pool.acquire() as connection, connection.transaction():
        await erase(connection, program.catalogue.tenants[TENANT].id, [contact], [])
    assert await bodies(program) == (None, None)
