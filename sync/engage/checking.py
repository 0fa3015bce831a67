"""Whether a tenant's Engage can be reached, followed and told, in words for whoever connects it.

The one hard idea: every way in which it can go wrong has a sentence that says what to do about it,
because the person who reads it has two systems before them and knows neither well. Nothing is sent
that changes anything in Engage; what only shows in what was sent before is read from our own record
of it. Whether our own doors can be reached is `sync.engage.self_check`'s business.

Contract: docs/contracts/engage.md, "Every call".
"""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import uuid4

import msgspec

from ledger import reading
from ledger.amounts import Points, format_amount
from ledger.identity import ContactId
from sync.engage import deliveries
from sync.engage.answers import read_accounts, standing_in
from sync.engage.context import Context
from sync.engage.deliveries import QuarantineCount
from sync.engage.exchange import Answered, Exchange, RateLimited, Refused, Unclear, Unreached
from sync.engage.lenient import fields_of, items_of, word_of
from sync.engage.status import FollowerStatus, status_of
from sync.engage.totals import total_of

SERVER_ERROR: Final = 500
NOT_FOUND: Final = 404
LATELY: Final = timedelta(days=7)

RECENT_STATUSES: Final = """
    -- Words that Engage lately used for the state of a request. Index: batch_tenant_idx.
    select distinct status from engage.batch
    where tenant_id = $1 and status is not null and created_at > $2
    order by status limit 20
"""


class Verdict(StrEnum):
    """How a check ended."""

    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"
    """Nothing wrong was seen, and not everything could be."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found.

    Attributes:
        what: What was looked at, in a few words.
        said: What was found, in a sentence.
        advice: What to do about it; empty where nothing is to be done.
    """

    what: str
    verdict: Verdict
    said: str
    advice: str = ""


async def check_engage(context: Context, contact: ContactId | None = None) -> list[Finding]:
    """Look whether Engage answers, has what is configured, and does what it was told.

    Args:
        context: Whose Engage.
        contact: Somebody of the program, to be read and compared; without, a contact that nobody
            is, which shows less.
    """
    listed = await context.client.definitions()
    reached = _reached(context, listed)
    findings = [reached]
    if reached.verdict is not Verdict.BAD:
        findings.append(_definitions(context, listed))
        findings.append(await _balances(context, contact))
    findings.extend(await _under_way(context))
    return findings


def _good(what: str, said: str) -> Finding:
    return Finding(what=what, verdict=Verdict.GOOD, said=said)


def _bad(what: str, said: str, advice: str) -> Finding:
    return Finding(what=what, verdict=Verdict.BAD, said=said, advice=advice)


def _unsure(what: str, said: str, advice: str) -> Finding:
    return Finding(what=what, verdict=Verdict.UNSURE, said=said, advice=advice)


def _reached(context: Context, exchange: Exchange) -> Finding:
    """Whether Engage is there and takes the key."""
    what, address = "address and key", context.options.base_url
    failed = trouble_with(context, what, exchange)
    if failed is not None and isinstance(exchange, Refused) and exchange.status == NOT_FOUND:
        # Something is there; whether it is Engage, without definitions to list, the rest shows.
        return msgspec.structs.replace(failed, verdict=Verdict.UNSURE)
    if failed is not None:
        return failed
    if isinstance(exchange, Answered) and _items(exchange.body) is None:
        return _bad(
            what,
            f"What answers at {address} is not Engage's API.",
            "Compare base_url with the address of the tenant: https://[client].voyado.com, or "
            "https://[client].staging.voyado.com for staging, without a path.",
        )
    return _good(what, f"Engage answers at {address} and takes the API key.")


def trouble_with(context: Context, what: str, exchange: Exchange) -> Finding | None:
    """What is wrong with a call that brought no answer; `None` for one that did."""
    options = context.options
    match exchange:
        case Answered():
            return None
        case Unreached(message=message):
            return _bad(
                what,
                f"{options.base_url} can't be reached: {message}.",
                "Check base_url, the name service, the firewall and, where one is used, the proxy "
                "(HTTPS_PROXY). Engage speaks TLS 1.2 or newer.",
            )
        case RateLimited():
            return _bad(
                what,
                "Engage answers 429: there are too many calls with this API key.",
                "Somebody else may use the key: ask Voyado for one of Pointmaster's own, or lower "
                "rate_per_second. The sync itself waits and goes on.",
            )
        case Unclear(status=None, message=message):
            return _bad(
                what,
                f"Engage was reached and gave no answer: {message}.",
                "Try again in some minutes. If it stays so, ask Voyado whether the tenant is up "
                "(staging goes down without warning), look at what is between here and there, or "
                f"raise answer_seconds ({options.answer_seconds:g}).",
            )
        case Unclear(status=status, message=message):
            return _bad(
                what,
                f"Engage answers with an error of its own: {message}.",
                f"A {status} can pass by itself: try again in some minutes. Engage also answers "
                "500 to calls without a Content-Type: see that nothing in between takes headers "
                "away. If it stays so, tell Voyado the time and the address called.",
            )
        case Refused():
            return _refused(context, what, exchange)


def _refused(context: Context, what: str, exchange: Refused) -> Finding:
    options = context.options
    said = f"Engage answers {exchange.status}: {exchange.message or 'and no more'}."
    if 300 <= exchange.status < 400:
        advice = "base_url leads somewhere else: enter the address it leads to, without a path."
    elif exchange.status == 401:
        advice = (
            "The API key is not taken. Compare it with the one in Engage, letter by letter; a key "
            "of staging is none of production. Where the key is right, try "
            f'api_key_header = "x-api-key" (it is "{options.api_key_header}").'
        )
    elif exchange.status == 403:
        advice = (
            "The call is not allowed. Ask Voyado whether the key may call the point accounts, and "
            "whether it is bound to addresses that ours is not among. A proxy that takes the "
            f'User-Agent away ("{options.user_agent}") has the same effect.'
        )
    elif exchange.status == NOT_FOUND:
        advice = (
            f"Engage has no such address. Try the other api_version (it is {options.api_version}), "
            "and ask Voyado whether the point follower is switched on for the tenant."
        )
    else:
        advice = "Tell Voyado the time, the address called and this answer."
    return _bad(what, said, advice)


def _definitions(context: Context, exchange: Exchange) -> Finding:
    """Whether Engage has the points that are configured."""
    what = "point definitions"
    wanted = {one.engage_id: one for one in context.definitions.values()}
    if not isinstance(exchange, Answered):
        return _unsure(
            what,
            "Engage does not list its point definitions.",
            "Ask Voyado for their numbers, and compare: "
            f"engage_id is {', '.join(map(str, sorted(wanted)))}.",
        )
    there = dict(_listed(exchange.body))
    lacking = sorted(set(wanted) - set(there))
    if lacking:
        has = ", ".join(f"{number} ({name})" for number, name in sorted(there.items())) or "none"
        return _bad(
            what,
            f"Engage has no point definition {', '.join(map(str, lacking))}; it has {has}.",
            "Correct engage_id in the tenant's definitions, or have the definition made in Engage. "
            "Until then Engage does not take these points.",
        )
    listed = ", ".join(map(str, sorted(wanted)))
    return _good(what, f"Engage has all that are configured: {listed}.")


def _listed(body: bytes) -> Iterator[tuple[int, str]]:
    for item in _items(body) or []:
        fields = fields_of(item)
        number = word_of(fields.get("id"))
        if number is not None and number.isdecimal():
            yield int(number), word_of(fields.get("name")) or "without a name"


def _items(body: bytes) -> list[msgspec.Raw] | None:
    text: bytes | msgspec.Raw | None = body.strip()
    if body.strip().startswith(b"{"):
        text = fields_of(body).get("items")
    return items_of(text)


async def _balances(context: Context, contact: ContactId | None) -> Finding:
    """Whether balances can be read, and what a contact has."""
    what = "reading balances"
    asked = contact or ContactId(uuid4())
    exchange = await context.client.accounts_of(str(asked))
    if isinstance(exchange, Refused) and exchange.status == NOT_FOUND:
        return _nobody(context, what, contact, exchange.message)
    failed = trouble_with(context, what, exchange)
    if failed is not None:
        return failed
    if not isinstance(exchange, Answered) or read_accounts(exchange.body) is None:
        return _bad(
            what,
            "Engage's answer for a contact's balances can't be understood.",
            "Send Voyado the path point-accounts and ask for the form of its answer; until it is "
            "understood, what is unclear is sent again instead of read.",
        )
    if contact is None:
        return _good(what, "Engage answers questions for a contact's balances.")
    return await _compared(context, contact, exchange.body)


def _nobody(context: Context, what: str, contact: ContactId | None, said: str) -> Finding:
    """What 404 means for a contact's balances."""
    if contact is not None:
        return _bad(
            what,
            f"Engage does not know the contact {contact}.",
            "Check that the contact is of this tenant and not deleted. If Engage knows no contact "
            f"at all here, try the other api_version (it is {context.options.api_version}).",
        )
    if "contact" in said.casefold():
        return _good(what, "Engage answers questions for a contact's balances.")
    return _unsure(
        what,
        "Engage answers 404, which may mean the contact, who is nobody, or the address.",
        "Give a contact of the program by --contact to be sure.",
    )


async def _compared(context: Context, contact: ContactId, body: bytes) -> Finding:
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        found = await reading.balances(connection, context.tenant.id, contact, at=now)
    here = {one.definition: total_of(one.balance, context.options.total) for one in found}
    parts, differs = [], False
    for definition in context.definitions.values():
        standing = standing_in(body, definition.engage_id)
        there = None if standing is None else standing.balance
        ours = here.get(definition.id, 0)
        exact = there is not None and there.scaleb(definition.scale) == ours
        differs |= not exact
        ours_shown = format_amount(Points(ours), definition.scale)
        shown = "nothing readable" if there is None else f"{there.normalize():f}"
        parts.append(f"{definition.name}: Engage {shown}, books {ours_shown}")
    said = f"Contact {contact}: {'; '.join(parts)}."
    if not differs:
        return _good("reading balances", said)
    return _unsure(
        "reading balances",
        said,
        "They differ. Run `pointmaster sync run`; if they still do when it is done, "
        "`pointmaster sync run --job drift_sample` compares and repairs.",
    )


async def _under_way(context: Context) -> list[Finding]:
    """What shows only in what was sent before: what Engage is late with, or does not take."""
    status = await status_of(context)
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        words = await connection.fetch(RECENT_STATUSES, context.tenant.id, now - LATELY)
        held = await deliveries.quarantine(connection, context.tenant.id)
    unknown = [row["status"] for row in words if context.options.meaning_of(row["status"]) is None]
    findings = [*_troubles(context, status, unknown), *_quarantine(held)]
    return findings or [_good("what is under way", "Nothing that was sent is overdue or refused.")]


def _troubles(context: Context, status: FollowerStatus, unknown: list[str]) -> Iterator[Finding]:
    what = "what is under way"
    if status.paused:
        names = ", ".join(f"{one.direction} ({one.paused_by})" for one in status.paused)
        yield _unsure(what, f"Stopped by people: {names}.", "`pointmaster sync resume` ends it.")
    if status.trouble is not None:
        until = "" if status.put_off_until is None else f" until {status.put_off_until:%H:%M:%SZ}"
        yield _bad(
            what,
            f"Sending is put off{until}: {status.trouble}.",
            "It goes on by itself. `pointmaster sync run` tries at once.",
        )
    if status.stuck:
        yield _bad(
            what,
            f"{status.stuck} request(s) are under way for over {context.options.stuck_hours:g} "
            "hours.",
            "Engage took them and does not say that it is done: ask Voyado whether the job "
            "BalanceAccountToAmountJob runs, and how often. Newer totals of the same contacts wait "
            "meanwhile; nothing is lost.",
        )
    if "unclear" in status.unfinished:
        count = status.unfinished["unclear"].batches
        yield _unsure(
            what,
            f"Of {count} request(s) nobody knows whether Engage did them.",
            "They are settled by reading Engage's balances, after settle_seconds "
            f"({context.options.settle_seconds:g}); nothing is to be done. If it happens often, "
            "the connection breaks or answer_seconds is too short.",
        )
    if unknown:
        listed = ", ".join(repr(word) for word in unknown)
        yield _bad(
            what,
            f"Engage calls the state of requests {listed}, which has no meaning here.",
            "Ask Voyado what it means and add it to status_meanings as pending, done or failed. "
            "Until then such requests wait for unknown_status_seconds "
            f"({context.options.unknown_status_seconds:g}) and are settled by reading.",
        )
    if status.parked:
        yield _bad(
            what,
            f"Engage does not take {status.parked} row(s).",
            "`pointmaster sync parked` lists them with what Engage says; most often the contact is "
            "not, or no longer, in Engage.",
        )


def _quarantine(held: list[QuarantineCount]) -> Iterator[Finding]:
    """What Engage sent and nobody booked, with what is said of the latest for each reason."""
    for one in held:
        yield _bad(
            "messages from Engage",
            f"{one.messages} in quarantine as {one.reason}, the latest of "
            f"{one.received_at:%Y-%m-%d %H:%M:%SZ}: {one.message or 'no more is known'}.",
            "`pointmaster engage messages --state quarantined` lists them; after mending, "
            f"`pointmaster engage replay --reason {one.reason}` books them, and "
            "`pointmaster engage dismiss` leaves one unbooked for good.",
        )
