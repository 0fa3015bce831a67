"""Every problem the doors answer with: its stable code, its status, what it means, what to do.

The one hard idea: the catalogue is the single source; statuses, titles, the OpenAPI document and
`docs/errors.md` all come from it. What the books refuse keeps the books' own code.
"""

from dataclasses import dataclass
from typing import Final

from ledger.outcomes import Code


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem.

    Attributes:
        code: What programs branch on; never renamed.
        status: The HTTP status. Of what is only ever one item's problem in a batch, too.
        title: The same for every occurrence.
        explanation: What it means and what to do, for the person who meets it.
    """

    code: str
    status: int
    title: str
    explanation: str

    @property
    def uri(self) -> str:
        """The `type` of the document: where this very explanation can be read."""
        return f"/problems/{self.code}"


REQUEST_INVALID: Final = ProblemType(
    "request_invalid",
    400,
    "The request can't be read",
    "Some fields are missing, misspelt or of the wrong form; `errors` lists every one of them. "
    "Nothing was booked. Correct the request and send it again; the idempotency key is still free.",
)
JSON_INVALID: Final = ProblemType(
    "json_invalid",
    400,
    "The body is no valid JSON",
    "The body could not be read as JSON in UTF-8; `detail` says where reading ended.",
)
UNAUTHENTICATED: Final = ProblemType(
    "unauthenticated",
    401,
    "No valid API key",
    "The request carries no API key that works: send `Authorization: Bearer pm_…`. The answer is "
    "the same for a missing, misspelt, unknown, expired or revoked key. `pointmaster keys list` "
    "shows which keys work; a new key works after at most three seconds.",
)
SCOPE_MISSING: Final = ProblemType(
    "scope_missing",
    403,
    "The API key may not do this",
    "The key works but lacks the scope named in `detail`. Scopes can't be added to a key: make one "
    "that has them with `pointmaster keys create`.",
)
NOT_FOUND: Final = ProblemType(
    "not_found",
    404,
    "There is nothing here",
    "The address does not exist, or what it names does not, or it belongs to another tenant.",
)
METHOD_NOT_ALLOWED: Final = ProblemType(
    "method_not_allowed",
    405,
    "The address does not know this method",
    "The `Allow` header lists the methods it knows.",
)
HTTP_INVALID: Final = ProblemType(
    "http_invalid",
    400,
    "That is no HTTP",
    "What was sent is no HTTP/1.1 request, perhaps because it is encrypted: the service speaks "
    "plain HTTP, and a proxy in front of it TLS.",
)
HEAD_TOO_SLOW: Final = ProblemType(
    "head_too_slow",
    408,
    "The request came too slowly",
    "The service waits twenty seconds for the address and the headers of a request. Send it again, "
    "over a connection that holds; nothing was booked.",
)
HEAD_TOO_LARGE: Final = ProblemType(
    "head_too_large",
    431,
    "The headers are too large",
    "`detail` says how many bytes the address and all headers may have together.",
)
BODY_TOO_SLOW: Final = ProblemType(
    "body_too_slow",
    408,
    "The body came too slowly",
    "The service waits half a minute for a body. Send the same request again, over a connection "
    "that holds; nothing was booked.",
)
BODY_TOO_LARGE: Final = ProblemType(
    "body_too_large",
    413,
    "The body is too large",
    "`detail` says how many bytes are allowed. Send a batch in several parts.",
)
MEDIA_TYPE_UNSUPPORTED: Final = ProblemType(
    "media_type_unsupported",
    415,
    "The body must be JSON, uncompressed",
    "Send `Content-Type: application/json`, in UTF-8, and no `Content-Encoding`.",
)
DEFINITION_UNKNOWN: Final = ProblemType(
    "definition_unknown",
    422,
    "The tenant has no such point definition",
    "`definitionId` names none of the definitions of the key's tenant in `pointmaster.toml`.",
)
HISTORY_TOO_LONG: Final = ProblemType(
    "history_too_long",
    422,
    "The history is too long to be looked at in one request",
    "The contact has more transactions than are read at once. Its balances as they stand and its "
    "transactions page by page can be read; for the rest there is `pointmaster export`.",
)
PERIOD_NOT_CLOSABLE: Final = ProblemType(
    "period_not_closable",
    409,
    "The period can't be closed",
    "A period can be closed once it is over, and only beyond what is closed already. Nothing "
    "changed; `GET /v1/finance/periods` shows what is closed.",
)
TOO_MANY_REQUESTS: Final = ProblemType(
    "too_many_requests",
    429,
    "Too many requests at once",
    "The service works on as many requests as it can. Send the same request again after the "
    "seconds in `Retry-After`; a posting with the same idempotency key is booked once.",
)
NOT_REPLAYABLE: Final = ProblemType(
    "not_replayable",
    409,
    "The message can't be judged again",
    "Only a quarantined message whose body was not erased can be replayed, and only a quarantined "
    "one dismissed.",
)
MESSAGE_REFUSED: Final = ProblemType(
    "message_refused",
    400,
    "The message can't be used",
    "The webhook's message is none that the tenant's settings let in. The answer does not say why: "
    "check the encryption key on both sides.",
)
SIGNATURE_INVALID: Final = ProblemType(
    "signature_invalid",
    401,
    "The signature does not fit",
    "The webhook's message is not signed with one of the tenant's signing secrets, or its time is "
    "too far from ours.",
)
POINTS_LOG_CLOSED: Final = ProblemType(
    "points_log_closed",
    401,
    "The points log is not open to this caller",
    "Send the secret that the tenant is configured with, in the way it is configured.",
)
ADDRESS_NOT_ALLOWED: Final = ProblemType(
    "address_not_allowed",
    403,
    "Not from this address",
    "The tenant's configuration lists the networks that may call here, and the caller's address is "
    "in none of them. Behind a proxy, `service.trusted_proxies` must name the proxy, or every "
    "caller has the proxy's address.",
)
VENDOR_REFUSED: Final = ProblemType(
    "vendor_refused",
    401,
    "The message does not prove to be its vendor's",
    "The source is configured with a way to prove itself that this message does not follow. The "
    "answer does not say what was wrong; the service's log names the headers that came.",
)
INTERNAL: Final = ProblemType(
    "internal",
    500,
    "Something went wrong here",
    "The mistake is ours. Give the `requestId` to whoever runs the service: its log tells more. A "
    "posting may or may not have been booked: send it again with the same idempotency key, which "
    "books it once at most.",
)
UNAVAILABLE: Final = ProblemType(
    "unavailable",
    503,
    "Not at this moment",
    "The service is starting, ending, or has lost its database. Send the same request again after "
    "the seconds in `Retry-After`; a posting with the same idempotency key is booked once.",
)
BOOKS_BUSY: Final = ProblemType(
    "books_busy",
    503,
    "The books have more work than they can take",
    "Too many postings wait for their turn, or somebody else has held this contact's points for "
    "longer than a request waits. Send the same request again after the seconds in `Retry-After`. "
    "A single transaction was not booked; of a batch, some may have been: a repeat with the same "
    "idempotency keys books each once.",
)

KEY_REUSED: Final = ProblemType(
    Code.KEY_REUSED,
    409,
    "The idempotency key was used for something else",
    "A request with this key and other content is in the books. A repeat must be the same in every "
    "field; a new transaction needs a new key. Keys stay taken for ever.",
)

MEMBER_UNKNOWN: Final = ProblemType(
    "member_unknown",
    422,
    "The member number is nobody's",
    "Engage knows no contact with this member number. Nothing was booked. A new member may be "
    "known half a minute later; otherwise check the number, and `contacts.key` in the "
    "configuration.",
)
MEMBER_AMBIGUOUS: Final = ProblemType(
    "member_ambiguous",
    422,
    "The member number is more than one contact's",
    "Engage knows several contacts with this member number, so nobody's points were touched. Name "
    "the contact by `contactId`, have the contacts merged, or set `contacts.contact_type`.",
)
MEMBERS_UNAVAILABLE: Final = ProblemType(
    "members_unavailable",
    503,
    "Whose the member number is can't be found out now",
    "Engage could not be asked, and nobody is guessed: nothing was booked. Send the same request "
    "again after the seconds in `Retry-After`, or name the contact by `contactId`.",
)
BATCH_NOT_BOOKED: Final = ProblemType(
    Code.BATCH_NOT_BOOKED,
    422,
    "Another item of the batch was refused",
    "The batch was sent with `atomic`, and at least one item could not be booked, so none was. "
    "The other outcomes say which. Every key is still free.",
)

RULES: Final = (
    KEY_REUSED,
    ProblemType(
        Code.INSUFFICIENT_POINTS,
        422,
        "There are not enough points",
        "`detail` says how many are available. Nothing was booked. A till that had to let the "
        "purchase happen offline sends `allowDebt`.",
    ),
    ProblemType(
        Code.EFFECTIVE_IN_FUTURE,
        422,
        "The transaction lies in the future",
        "`effectiveAt` is more than five minutes ahead of the books' clock. Points that can be "
        "spent later are earned now with `validFrom`.",
    ),
    ProblemType(
        Code.EFFECTIVE_BEFORE_ORIGINAL,
        422,
        "It happens before what it is about",
        "`effectiveAt` is earlier than that of the transaction or the hold it names.",
    ),
    ProblemType(
        Code.VALIDITY_EMPTY,
        422,
        "The points would never be valid",
        "`validTo` must be later than `validFrom` or, without that, than `effectiveAt`.",
    ),
    ProblemType(
        Code.VALID_FROM_BEFORE_EFFECTIVE,
        422,
        "The points would be valid before they are earned",
        "`validFrom` must not be earlier than `effectiveAt`. Without `effectiveAt` points are "
        "earned now; then a `validFrom` of the last five minutes is taken for now, as clocks "
        "differ.",
    ),
    ProblemType(
        Code.ORIGINAL_UNKNOWN,
        422,
        "What it is about is not in the books",
        "`reverses`, `holdId` or `holdKey` names no transaction of this contact. If the purchase "
        "is still under way, post it first.",
    ),
    ProblemType(
        Code.ORIGINAL_OF_ANOTHER_DEFINITION,
        422,
        "What it is about are other points",
        "The transaction it names was booked under another `definitionId`.",
    ),
    ProblemType(
        Code.ORIGINAL_WRONG_KIND,
        422,
        "That is another kind of transaction",
        "A return takes back an earn, a cancellation takes back a redemption or a capture; a "
        "capture or release ends a hold; only what issued points can be activated or extended.",
    ),
    ProblemType(
        Code.RETURN_EXCEEDS_ORIGINAL,
        422,
        "More would come back than there was",
        "With what was taken back already, this would exceed the original transaction.",
    ),
    ProblemType(
        Code.NOTHING_LEFT,
        422,
        "Everything was taken back already",
        "The transaction was returned or cancelled in full before, and the request names no part "
        "of it. Was it sent twice? The same request under the same key is answered as it was.",
    ),
    ProblemType(
        Code.WHOLE_DIFFERS,
        422,
        "The original spend differs",
        "`whole` must be the same in every return or cancellation of one transaction.",
    ),
    ProblemType(
        Code.BALANCE_TOO_LARGE,
        422,
        "The balance would be too large",
        "The account could not hold the points. No program needs that many: look for a mistaken "
        "amount.",
    ),
    ProblemType(
        Code.ACCOUNT_CLOSED,
        422,
        "The point account is closed",
        "The contact's account was closed for good and takes no more transactions.",
    ),
    ProblemType(
        Code.PERIOD_CLOSED,
        422,
        "The period is closed",
        "`effectiveAt` lies in a period that finance has closed, and the request asks not to be "
        "booked in the open one instead.",
    ),
    ProblemType(
        Code.HOLD_ENDED,
        422,
        "The hold has ended",
        "It was captured, released or timed out already; a hold ends once.",
    ),
    ProblemType(
        Code.HOLD_OVER,
        422,
        "The hold would be over before it begins",
        "The instant at which the hold times out has passed already.",
    ),
    ProblemType(
        Code.CAPTURE_EXCEEDS_HOLD,
        422,
        "More would be captured than is held",
        "A capture takes at most what its hold set aside.",
    ),
    ProblemType(
        Code.POINTS_HELD,
        422,
        "Points are held",
        "A checkout is under way with points of this account: capture or release the hold first.",
    ),
    ProblemType(
        Code.LOT_LAPSED,
        422,
        "The points have lapsed",
        "What has lapsed can't be brought back by changing its validity; an adjustment can.",
    ),
    ProblemType(
        Code.NOT_EXTENDED,
        422,
        "The points would not live longer",
        "`validTo` must be later than it is already; nothing can be later than never.",
    ),
    ProblemType(
        Code.NOTHING_PENDING,
        422,
        "The points are not pending",
        "Only points that are still waiting to become valid can be changed in this way.",
    ),
    ProblemType(
        Code.MOVE_TO_ITSELF,
        422,
        "The points would stay where they are",
        "A move needs another contact or another definition to go to.",
    ),
    ProblemType(
        Code.NO_ACCOUNT,
        422,
        "There is no such point account",
        "The contact never had points of this definition.",
    ),
    ProblemType(
        Code.SCALES_DIFFER,
        422,
        "The definitions count differently",
        "Points can only move between definitions with the same number of decimals.",
    ),
)
"""What the books can refuse a single request for."""

CATALOGUE: Final[dict[str, ProblemType]] = {
    problem.code: problem
    for problem in (
        JSON_INVALID,
        REQUEST_INVALID,
        UNAUTHENTICATED,
        SCOPE_MISSING,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        HTTP_INVALID,
        HEAD_TOO_SLOW,
        HEAD_TOO_LARGE,
        BODY_TOO_SLOW,
        BODY_TOO_LARGE,
        MEDIA_TYPE_UNSUPPORTED,
        MESSAGE_REFUSED,
        SIGNATURE_INVALID,
        POINTS_LOG_CLOSED,
        ADDRESS_NOT_ALLOWED,
        VENDOR_REFUSED,
        NOT_REPLAYABLE,
        DEFINITION_UNKNOWN,
        MEMBER_UNKNOWN,
        MEMBER_AMBIGUOUS,
        *RULES,
        BATCH_NOT_BOOKED,
        HISTORY_TOO_LONG,
        PERIOD_NOT_CLOSABLE,
        TOO_MANY_REQUESTS,
        INTERNAL,
        UNAVAILABLE,
        BOOKS_BUSY,
        MEMBERS_UNAVAILABLE,
    )
}
"""Every problem by its code, in the order of statuses where nothing better suggests itself."""


RULE: Final = ProblemType(
    "rule",
    422,
    "A rule of the books refused it",
    "`detail` says which. Nothing was booked.",
)
"""Stands in for a rule that has no entry yet; a test sees to it that none lacks one."""


def of_rule(code: Code) -> ProblemType:
    """The problem of a rule of the books."""
    return CATALOGUE.get(code, RULE)
