"""The doors that most callers stand at, answered without the framework's help.

The one hard idea: only what is ordinary in every respect is answered here: a till that posts one
transaction, a balance now, a points log. Whatever is unusual (a key that doesn't open the door, a
parameter, another spelling, another form of body) is left untouched to the framework's handler of
the same door, which knows all of it; so there is one place that refuses, and a test compares both
ways byte by byte. Reads that come together are answered by one statement (`ledger.gathering`).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus
from uuid import UUID

from litestar.enums import ScopeType

from api.access.doorkeeper import Bearer
from api.access.keys import bearer
from api.access.scopes import Scope, allows
from api.answers import JSON, encoded
from api.intake import checks
from api.intake.as_of import AS_OF_CHECKS, NOW, AsOf, read_as_of
from api.intake.bodies import in_time
from api.routes.contacts import Held, balances_document
from api.routes.transactions import post_one
from api.service import Service
from ledger.balances_as_of import balances_at_once
from ledger.book import Contact
from ledger.connection import Connection
from ledger.facts import Balance
from ledger.gathering import Gathering
from ledger.identity import ContactId, DefinitionId, contact_id
from ledger.reading import AccountBalance
from ledger.reading_many import balances_of
from sync.engage import Follower, may_read_points_log
from sync.engage.addresses import may_call
from sync.engage.points_logs import points_logs
from sync.engage.settings import PendingShown

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, ReceiveMessage, Send
    from litestar.types import Scope as ASGIScope

BODY_BYTES_MAX: Final = 16 * 1024
"""Of a transaction that is taken in here: they have some hundred bytes."""

POSTING: Final = "/v1/transactions"
BALANCES: Final = "/v1/contacts/{contactId}/balances"
LOGS: Final = {
    (False, False): "/engage/{tenant}/points-log",
    (False, True): "/engage/{tenant}/points-log/{contactId}",
    (True, False): "/engage/{tenant}/{token}/points-log",
    (True, True): "/engage/{tenant}/{token}/points-log/{contactId}",
}
"""The addresses by whether there are a token and a contact in them."""

_BALANCES_START: Final = "/v1/contacts/"
_BALANCES_END: Final = "/balances"
_LOG_START: Final = "/engage/"
_LOG: Final = "points-log"
_CONTACT: Final = b"contactid="

READINGS_AT_ONCE: Final = 4
"""Connections on which balances of the past are read."""

QUERY_BYTES_MAX: Final = 200
"""Of a query that is read here: two instants."""

AsOfQuestion = tuple[Contact, AsOf]
AsOfAnswer = dict[DefinitionId, Balance] | None
"""`None` where it takes more than a glance, and others should not wait for it."""

Found = tuple[int, bytes, Mapping[str, str]]
"""Status, body, and headers beside those that every answer has."""


class BusyDoors:
    """Wraps the framework's application."""

    def __init__(self, inner: "ASGIApp", service: Service) -> None:
        self._inner = inner
        self._service = service
        self._balances: Gathering[Contact, list[AccountBalance]] = Gathering(
            service.pool, balances_of
        )
        self._balances_as_of: Gathering[AsOfQuestion, AsOfAnswer] = Gathering(
            service.pool, _balances_as_of, at_once=READINGS_AT_ONCE
        )
        self._logs: dict[str, Gathering[ContactId, bytes | None]] = {}

    async def __call__(self, scope: "ASGIScope", receive: "Receive", send: "Send") -> None:
        """Answer one request, or have it answered."""
        found: Found | None = None
        if scope["type"] == ScopeType.HTTP:
            path = scope["path"]
            if scope["method"] == "GET":
                if path.startswith(_BALANCES_START) and path.endswith(_BALANCES_END):
                    found = await self._balance(scope, path)
                elif path.startswith(_LOG_START):
                    found = await self._log(scope, path)
            elif scope["method"] == "POST" and path == POSTING:
                body = _Body(receive)
                found, receive = await self._posting(scope, body), body.receive
        if found is None:
            await self._inner(scope, receive, send)
            return
        status, answer, more = found
        headers = [(b"content-type", JSON.encode()), (b"content-length", b"%d" % len(answer))]
        headers += [(name.lower().encode(), value.encode()) for name, value in more.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    async def _posting(self, scope: "HTTPScope", body: "_Body") -> Found | None:
        """Book one transaction."""
        headers = _headers(scope)
        if headers is None:
            return None
        length = headers.get("content-length", "")
        if headers.get("content-type") != JSON or scope["query_string"]:
            return None
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            return None
        bearer = await self._admitted(headers, Scope.TRANSACTIONS_WRITE)
        if bearer is None:
            return None
        raw = await body.whole()
        if raw is None:
            return None
        _note(scope, POSTING)
        return await post_one(self._service, bearer.tenant, raw)

    async def _balance(self, scope: "HTTPScope", path: str) -> Found | None:
        """Read what a contact has, now or at an instant."""
        contact = _contact(path[len(_BALANCES_START) : -len(_BALANCES_END)])
        headers, as_of = _headers(scope), _as_of(scope["query_string"])
        if contact is None or headers is None or as_of is None:
            return None
        bearer = await self._admitted(headers, Scope.BALANCES_READ)
        if bearer is None:
            return None
        held: Held
        if as_of.is_now:
            found = await self._balances.ask((bearer.tenant, contact))
            held = {one.definition: (one.balance, one.next_due_at) for one in found}
        else:
            stood = await self._balances_as_of.ask(((bearer.tenant, contact), as_of))
            if stood is None:
                return None
            held = {kind: (balance, None) for kind, balance in stood.items()}
        _note(scope, BALANCES)
        definitions = self._service.catalogue.definitions_of(bearer.tenant)
        return 200, encoded(balances_document(contact, definitions, held, as_of)), {}

    async def _log(self, scope: "HTTPScope", path: str) -> Found | None:
        """Give Engage a contact's points log."""
        place = _log_place(path, scope["query_string"])
        if place is None:
            return None
        tenant, token, contact, template = place
        follower = self._service.synchronisation.followers.get(tenant)
        if follower is None or not _may_have_log(scope, follower, token):
            return None
        options = follower.context.options.points_log
        if options.definition is not None or options.pending is not PendingShown.WHEN_EARNED:
            return None
        log = await self._logs_of(tenant, follower).ask(contact)
        if log is None:
            return None
        _note(scope, template)
        return 200, log, {}

    def _logs_of(self, name: str, follower: Follower) -> "Gathering[ContactId, bytes | None]":
        found = self._logs.get(name)
        if found is None:
            context = follower.context

            async def read(
                connection: Connection, contacts: Sequence[ContactId]
            ) -> Mapping[ContactId, bytes | None]:
                return await points_logs(
                    connection,
                    context.books.catalogue,
                    context.tenant.id,
                    contacts,
                    definition=None,
                    options=context.options.points_log,
                    at=context.clock.own_time(),
                )

            found = self._logs[name] = Gathering(self._service.pool, read)
        return found

    async def _admitted(self, headers: Mapping[str, str], scope: Scope) -> Bearer | None:
        found = await self._service.doorkeeper.admit(bearer(headers.get("authorization")))
        return found if found is not None and allows(found.scopes, scope) else None


class _Body:
    """A body that comes in one piece, or is left for whoever reads it next."""

    def __init__(self, receive: "Receive") -> None:
        self._receive = receive
        self._taken: list[ReceiveMessage] = []

    async def whole(self) -> bytes | None:
        """The body, if its first piece is all of it; `ProblemError` where that is too slow."""
        message = await in_time(self._receive())
        self._taken.append(message)
        if message["type"] != "http.request" or message.get("more_body"):
            return None
        return message["body"]

    async def receive(self) -> "ReceiveMessage":
        """What was taken already, and then what comes."""
        return self._taken.pop(0) if self._taken else await self._receive()


def _headers(scope: "HTTPScope") -> dict[str, str] | None:
    """The headers; `None` where one stands there twice, which is not ordinary."""
    given = list(scope["headers"])
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in given}
    return found if len(found) == len(given) else None


def _contact(written: str) -> ContactId | None:
    return None if checks.guid(written) else contact_id(UUID(written))


def _as_of(query: bytes) -> AsOf | None:
    """The instants that a query asks for; `None` where there is anything else in it."""
    if not query:
        return NOW
    if len(query) > QUERY_BYTES_MAX:
        return None
    found: dict[str, str] = {}
    for part in query.decode("latin-1").split("&"):
        name, _, written = part.partition("=")
        value = unquote_plus(written)
        if name in found or name not in AS_OF_CHECKS or AS_OF_CHECKS[name](value):
            return None
        found[name] = value
    return read_as_of(found)


async def _balances_as_of(
    connection: Connection, questions: Sequence[AsOfQuestion]
) -> Mapping[AsOfQuestion, AsOfAnswer]:
    """Answer one after the other; each is a statement of its own, which waits for nobody's lock."""
    return {
        question: await balances_at_once(connection, *question[0], **question[1]._asdict())
        for question in questions
    }


def _log_place(path: str, query: bytes) -> tuple[str, str | None, ContactId, str] | None:
    """Tenant, token, contact and template of an address; `None` for any other than the usual."""
    parts = path[len(_LOG_START) :].split("/")
    if _LOG not in parts or not 2 <= len(parts) <= 4:
        return None
    at = parts.index(_LOG)
    after = parts[at + 1 :]
    if at not in {1, 2} or len(after) > 1 or "" in parts:
        return None
    if after:
        contact = _contact(after[0])
    elif query[: len(_CONTACT)].lower() == _CONTACT and b"&" not in query:
        contact = _contact(unquote_plus(query[len(_CONTACT) :].decode("latin-1")))
    else:
        return None
    if contact is None:
        return None
    return parts[0], parts[1] if at == 2 else None, contact, LOGS[at == 2, bool(after)]


def _may_have_log(scope: "HTTPScope", follower: Follower, token: str | None) -> bool:
    settings = follower.context.settings
    client, headers = scope["client"], _headers(scope)
    address = None if client is None else client[0]
    if headers is None or not may_call(address, settings.options.points_log.addresses):
        return False
    return may_read_points_log(settings, headers, token)


def _note(scope: "HTTPScope", template: str) -> None:
    """Say which door it is, as the framework does, for the measures."""
    scope["path_template"] = template
