"""Every command of the guide does what the guide says."""

import itertools
import re
import shlex
from pathlib import Path

import httpx

from sandbox.launch import launched

GUIDE = Path(__file__).parents[3] / "docs" / "sandbox.md"
CONTACT = "11111111-1111-4111-8111-111111111111"


def commands() -> list[list[str]]:
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    found = [one for block in blocks for one in re.split(r"^\$ ", block, flags=re.MULTILINE)]
    return [shlex.split(one) for one in found if one.startswith("curl ")]


def perform(words: list[str], addresses: dict[str, str]) -> httpx.Response:
    """What curl would have done, against the stand-ins of this test."""
    options = dict(itertools.pairwise(words))
    url = next(word for word in words if word.startswith("http://"))
    for written, address in addresses.items():
        url = url.replace(written, address)
    user, _, password = options.get("-u", "").partition(":")
    name, _, value = options.get("-H", "").partition(": ")
    return httpx.request(
        options["-X"],
        url,
        content=options["-d"],
        headers={name: value} if name else {},
        auth=httpx.BasicAuth(user, password) if user else None,
    )


def test_the_guides_commands_work_as_they_stand() -> None:
    with launched("engage") as engage, launched("moengage") as moengage:
        addresses = {
            "http://127.0.0.1:7801": engage.address,
            "http://127.0.0.1:7802": moengage.address,
        }
        answers = [perform(words, addresses) for words in commands()]

        assert [answer.status_code for answer in answers] == [200, 200, 202, 200]
        [delivery] = answers[2].json()["deliveries"]
        assert delivery["eventType"] == "loyalty.addPoints"
        [customer] = httpx.get(
            f"{moengage.address}/_sandbox/workspaces/sandbox-workspace/customers"
        ).json()["customers"]
        assert customer == {"id": "member-1001", "entries": 1}


def test_every_control_path_of_the_guide_exists() -> None:
    rows = re.findall(r"^\| `(.+?)`", GUIDE.read_text(), re.MULTILINE)
    paths = {path.split("?")[0] for row in rows for path in re.findall(r"/_sandbox[^\s`,]*", row)}
    assert len(paths) > 20
    with (
        launched("engage") as engage,
        launched("moengage") as moengage,
        httpx.Client(verify=False) as client,
    ):
        for path in sorted(paths - {"/_sandbox/restart"}):  # proven elsewhere
            there = path.replace("{contactId}", CONTACT).replace("{number}", "1")
            there = there.replace("workspaces/{id}", "workspaces/sandbox-workspace")
            there = there.replace("{id}", CONTACT).replace("{customerId}", "member-1001")
            answers = [
                client.request(method, f"{address}{there}", content=b"")
                for address in (engage.address, moengage.address)
                for method in ("GET", "POST", "DELETE")
            ]
            unknown = [
                answer
                for answer in answers
                if answer.status_code == 405 or "No HTTP resource" in answer.text
            ]
            assert len(unknown) < len(answers), path
