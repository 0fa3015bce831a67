"""One stand-in MoEngage for each module of tests, emptied for each test."""

from collections.abc import Iterator

import httpx
import pytest

from sandbox.launch import Launched, launched

FAST = (
    "--set",
    "limits.transitionEventsMax=null",
    "--set",
    "limits.transitionUsersMax=null",
    "--set",
    "limits.eventEventsMax=null",
    "--set",
    "limits.customerUsersMax=null",
)
WORKSPACES = (
    "--set",
    (
        'workspaces=[{"id": "sandbox-workspace", "key": "sandbox-data-key"}, '
        '{"id": "second", "key": "sandbox-data-key"}]'
    ),
)


@pytest.fixture(scope="module")
def moengage_process() -> Iterator[Launched]:
    with launched("moengage", *FAST, *WORKSPACES) as stand_in:
        yield stand_in


@pytest.fixture
def moengage(moengage_process: Launched) -> Iterator[str]:
    """The address of a stand-in MoEngage that has received nothing."""
    with httpx.Client(base_url=moengage_process.address, timeout=30, trust_env=False) as client:
        defaults = client.get("/_sandbox/settings").json()
        client.post("/_sandbox/reset").raise_for_status()
        yield moengage_process.address
        client.delete("/_sandbox/faults").raise_for_status()
        client.put("/_sandbox/settings", json=defaults).raise_for_status()
