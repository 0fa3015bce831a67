"""Reading the worked examples of `docs/books.md`: what happens, on which day, and what stands then.

The one hard idea: an example is written for people, and still every word of it is checked. A line
is a day, what happens, and after `→` what the account holds then or, after `=`, why it was refused.

    1 January   earn 100 as E until 10 January
    12 January  return E recorded 13 January     → available 0, debt 10; reversed 60 of 100

`friend: …` at the beginning of what happens or stands means another contact, `miles: …` the same
contact's other kind of points; `on 5 January` looks back, `as known on 9 January` at what the
books knew then. In the line after the fence stands the definition's policy.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ledger.identity import ContactId, DefinitionId
from ledger.outcomes import Code
from ledger.policies import Policy, Returns, RoundUp, Span, Start, Validity
from ledger.requests import (
    Activate,
    Adjust,
    Cancel,
    Capture,
    Close,
    Earn,
    Extend,
    Hold,
    Move,
    Redeem,
    Release,
    Request,
    Return,
    Reverses,
)
from tests.bookkeeping.paper import MEMBER, TENANT
from tests.bookkeeping.words import MONTHS, when

MEMBER_PLACE = "member"
PLACES = {
    "member": (MEMBER, DefinitionId(1)),
    "friend": (ContactId(UUID("00000000-0000-4000-8000-000000001002")), DefinitionId(1)),
    "miles": (MEMBER, DefinitionId(2)),
    "cents": (MEMBER, DefinitionId(3)),
}
"""Who the examples speak of: the member, another one, and the member's other kinds of points."""

BLOCK = re.compile(r"^```books(?P<words>[^\n]*)\n(?P<lines>.*?)^```$", re.DOTALL | re.MULTILINE)
DAY = rf"\d+ (?:{'|'.join(MONTHS)})(?: \d{{4}})?(?: \d\d:\d\d)?"
LINE = re.compile(
    rf"(?P<day>{DAY})\s+(?:(?P<who>{'|'.join(PLACES)}): )?(?P<what>.*?)"
    rf"(?: recorded (?P<recorded>{DAY}))?"
    r"(?:\s*→ (?P<claims>.*)|\s*= refused (?P<code>\w+))?\Z"
)
WHAT = re.compile(
    r"(?P<verb>earn|redeem|hold|capture|release|return|cancel|adjust up|adjust down|move|activate"
    r"|extend|close)(?: (?P<part>\d+)/(?P<whole>\d+)| (?P<amount>\d+)| (?P<everything>everything))?"
    r"(?: of)?(?: (?P<of>[A-Z]\d?))?(?: to (?P<to>\w+))?(?P<rest>.*)\Z"
)
REST = re.compile(
    rf" (?:as (?P<name>[A-Z]\d?)|from (?P<start>{DAY})|until (?P<end>{DAY}|never)"
    r"|(?P<debt>allowing debt)|(?P<strict>strictly))"
)
MERGED = re.compile(r"(?P<one>\w+) turns out to be (?P<into>\w+)\Z")
CLOSED = re.compile(rf"the books are closed up to (?P<until>{DAY})\Z")
CLAIM = re.compile(
    rf"(?:on (?P<at>{DAY})(?:,? as known on (?P<known>{DAY}))?:? )?"
    rf"(?:(?P<who>{'|'.join(PLACES)}): )?(?P<what>.*)\Z"
)


class Claim(NamedTuple):
    """What an example says stands somewhere, at an instant of either axis (`None` for then)."""

    place: str
    what: str
    at: datetime | None
    known: datetime | None


@dataclass(frozen=True)
class Line:
    """One line of an example."""

    text: str
    at: datetime
    recorded: datetime
    place: str
    what: str
    claims: tuple[Claim, ...]
    code: Code | None

    @property
    def closes_until(self) -> datetime | None:
        """Up to where the line closes the books, if it does."""
        found = CLOSED.match(self.what)
        return when(found["until"]) if found else None

    @property
    def merges(self) -> tuple[ContactId, ContactId] | None:
        """Which contact it makes which other one, if it does."""
        found = MERGED.match(self.what)
        return (PLACES[found["one"]][0], PLACES[found["into"]][0]) if found else None


@dataclass(frozen=True)
class Example:
    """One block of the page."""

    name: str
    words: str
    lines: tuple[Line, ...]


def examples(page: Path) -> Iterator[Example]:
    """The examples of a page, each named by the section it stands in and the line."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        before = text[: block.start()]
        section = re.findall(r"^## (.*)$", before, re.MULTILINE)[-1]
        number = before.count("\n") + 1
        lines = tuple(map(read_line, block["lines"].strip().splitlines()))
        yield Example(f"{section}, line {number}", block["words"].strip(), lines)


def read_line(text: str) -> Line:
    """A line of an example; fails with the line where it can't be read."""
    found = LINE.match(text.strip())
    assert found, f"can't be read: {text}"
    at = when(found["day"])
    place = found["who"] or MEMBER_PLACE
    claims = [claim.strip() for claim in (found["claims"] or "").split(";")]
    return Line(
        text.strip(),
        at,
        at if found["recorded"] is None else when(found["recorded"]),
        place,
        found["what"].strip(),
        tuple(read_claim(claim, place) for claim in claims if claim),
        Code(found["code"]) if found["code"] else None,
    )


def read_claim(text: str, place: str) -> Claim:
    """What stands after the arrow, up to a semicolon."""
    found = CLAIM.match(text)
    assert found, f"can't be read: {text}"
    at, known = (when(found[name]) if found[name] else None for name in ("at", "known"))
    return Claim(found["who"] or place, found["what"], at, known)


def policy_of(words: str) -> Policy:
    """The definition's policy, such as `policy within_balance, lasting 12 months to year end`."""
    returns = re.search(r"only_pending|within_balance", words)
    limit = re.search(r"debt limit (\d+)", words)
    lasting = re.search(r"lasting (\d+) (days|months)", words)
    rounded = re.search(r"to (month|quarter|year) end", words)
    return Policy(
        validity=Validity(
            span=Span(lasting[2]) if lasting else Span.NONE,
            length=int(lasting[1]) if lasting else 0,
            round_up=RoundUp(rounded[1]) if rounded else RoundUp.NONE,
            start=Start.ACTIVATION if "from activation" in words else Start.EARNING,
        ),
        returns=Returns(returns[0]) if returns else Returns.UNLIMITED,
        debt_limit=int(limit[1]) if limit else None,
    )


def request_of(line: Line, number: int) -> Request | None:
    """What a line asks of the books; `None` where it only lets time pass."""
    if line.what == "nothing":
        return None
    found = WHAT.match(line.what)
    assert found, f"can't be read: {line.what}"
    rest: dict[str, str] = {}
    for word in REST.finditer(found["rest"]):
        rest |= {name: text for name, text in word.groupdict().items() if text}
    read = "".join(word[0] for word in REST.finditer(found["rest"]))
    assert read == found["rest"], f"can't be read: {found['rest']}"
    contact, definition = PLACES[line.place]
    key = rest.get("name", f"line {number}")
    common: dict[str, Any] = {
        "tenant": TENANT,
        "contact": contact,
        "definition": definition,
        "idempotency_key": key,
        "fingerprint": key.encode(),
        "source": "pos",
        "effective_at": line.at,
        "strict": "strict" in rest,
    }
    return _request(found, rest, common)


def _request(found: re.Match[str], rest: dict[str, str], common: dict[str, Any]) -> Request:
    """The request of a verb; a wrong number of words shows as a missing argument."""
    verb = found["verb"]
    start = when(rest["start"]) if "start" in rest else None
    end = when(rest["end"]) if rest.get("end", "never") != "never" else None
    valid_to: Any = end if "end" in rest else msgspec.UNSET
    amount = {"amount": int(found["amount"])} if found["amount"] else {}
    if verb == "adjust down":
        amount = {"amount": -amount["amount"]}
    shares = {name: int(found[name]) for name in ("part", "whole") if found[name]}
    about = Reverses(idempotency_key=found["of"])
    kind, fields = {
        "earn": (Earn, {"valid_from": start, "valid_to": valid_to}),
        "redeem": (Redeem, {"allow_debt": "debt" in rest}),
        "hold": (Hold, {"hold_expires_at": end}),
        "capture": (Capture, {"hold": about}),
        "release": (Release, {"hold": about}),
        "return": (Return, {"reverses": about, **shares}),
        "cancel": (Cancel, {"reverses": about, **shares}),
        "adjust up": (Adjust, {}),
        "adjust down": (Adjust, {}),
        "move": (Move, to_fields(found["to"])),
        "activate": (Activate, {"lots_of": about}),
        "extend": (
            Extend,
            {"lots_of": about, "valid_from": start or msgspec.UNSET, "valid_to": valid_to},
        ),
        "close": (Close, {}),
    }[verb]
    request: Request = kind(**common, **amount, **fields)
    return request


def to_fields(place: str | None) -> dict[str, Any]:
    """Where a move goes."""
    if place is None:
        return {}
    contact, definition = PLACES[place]
    return {"to_contact": contact, "to_definition": definition}
