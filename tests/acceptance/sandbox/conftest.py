"""Stand-ins as they are used: processes of their own, spoken to over HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from sandbox.launch import Launched, launched

CONTACT = "11111111-1111-4111-8111-111111111111"
NO_TLS = False
"""Loading certificates takes longer than most of these tests, and everything here is plain HTTP."""
API_HEADERS = {
    "apikey": "sandbox-key",
    "user-agent": "Acceptance/1.0",
    "content-type": "application/json",
}


@pytest.fixture(scope="module")
def engage_process() -> Iterator[Launched]:
    """One stand-in Engage for a module, whose job runs on demand only."""
    with launched("engage", "--set", "balances.jobSeconds=null") as stand_in:
        yield stand_in


@pytest.fixture
def control(engage_process: Launched) -> Iterator[httpx.Client]:
    """The control address of a stand-in with one contact and nothing else."""
    with httpx.Client(base_url=engage_process.address, timeout=30, verify=NO_TLS) as client:
        defaults = client.get("/_sandbox/settings").json()
        client.post("/_sandbox/clock", json={"real": True})
        client.post("/_sandbox/reset").raise_for_status()
        client.post("/_sandbox/contacts", json={"contacts": [{"id": CONTACT}]}).raise_for_status()
        yield client
        client.delete("/_sandbox/faults").raise_for_status()
        client.put("/_sandbox/settings", json=defaults).raise_for_status()


@pytest.fixture
def api(engage_process: Launched, control: httpx.Client) -> Iterator[httpx.Client]:
    """Engage's API with valid headers."""
    assert control.get("/_sandbox").status_code == 200
    with httpx.Client(
        base_url=engage_process.address, headers=API_HEADERS, timeout=30, verify=NO_TLS
    ) as client:
        yield client
