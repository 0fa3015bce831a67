"""What the webhook answers to messages that are spoilt: never an error of ours, and never why."""

import json
import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from api.application import create_app
from ledger.postgres import Server
from tests.doors.engaged import ENCRYPTION_KEY, HOOK, SIGNING_SECRET, engaged, settings_of
from tests.following.mutations import Sender, Spoilt, spoilt_messages

SEED = 20261121


@pytest.mark.parametrize(
    "count",
    [1000, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])],
)
@pytest.mark.any_postgres
async def test_spoilt_messages_are_refused_or_set_aside_without_a_word(
    postgres: Server, pytestconfig: pytest.Config, count: int
) -> None:
    contact = uuid4()
    chance = random.Random(SEED)
    sender = Sender("acme", ENCRYPTION_KEY, SIGNING_SECRET, datetime.now(UTC), chance)
    settings = settings_of("https://acme.voyado.com")
    async with engaged(postgres, pytestconfig, settings) as house:
        transport = httpx.ASGITransport(app=cast("Any", create_app(house.service)))
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as http:
            good = sender.message(contact, 7)
            assert (await http.post(HOOK, content=good.body, headers=good.headers)).is_success
            said: dict[Spoilt, Counter[tuple[int, str]]] = {place: Counter() for place in Spoilt}
            for message in spoilt_messages(sender, contact, count):
                response = await http.post(HOOK, content=message.body, headers=message.headers)
                document = json.loads(response.content)
                document.pop("requestId", None)
                answer = (response.status_code, json.dumps(document, sort_keys=True))
                said[message.spoilt][answer] += 1
        kept = await house.service.pool.fetch(
            "select state, reason, message, count(*) from engage.delivery group by 1, 2, 3"
        )
    # One answer to what proves nothing, one to what proves itself; neither tells anything.
    (refused,) = said[Spoilt.SIGNED]
    assert refused[0] == 401
    assert said[Spoilt.CIPHERTEXT].keys() == {(200, '{"received": true}')}
    assert said[Spoilt.CONTENT].keys() == {(200, '{"received": true}')}
    authentic = sum(said[Spoilt.CIPHERTEXT].values()) + sum(said[Spoilt.CONTENT].values())
    assert sum(row["count"] for row in kept) <= authentic + 1, "what proves nothing left a trace"
    states = Counter[str]()
    for row in kept:
        states[row["state"]] += row["count"]
    assert states["received"] == 0
    undecryptable = [row for row in kept if row["reason"] == "undecryptable"]
    assert len(undecryptable) == 1, "kept without saying why it can't be decrypted"
    assert undecryptable[0]["count"] >= said[Spoilt.CIPHERTEXT].total() * 0.9
