"""Transactions requests: rows that add up, and a key that makes a repeat harmless.

The answer is 202 even when no row was accepted; what was refused stands in the answer, row by row,
with everything the platform is documented to say. The idempotency key is remembered with the exact
answer for a day of the stand-in's clock. What the platform does when a key returns with another
body is not published, so it is a setting.
"""

import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from sandbox.amounts import AmountRefusedError, read_amount
from sandbox.answers import Answer
from sandbox.engage.accounts import ZERO, Accounts, PointTransaction
from sandbox.engage.balances import BodyRefusedError
from sandbox.engage.contacts import Contacts, read_guid
from sandbox.engage.settings import TransactionSettings
from sandbox.findings import Findings

DOCUMENTED_SOURCES: Final = frozenset(
    {
        "Automation",
        "Purchase",
        "Manual",
        "Return",
        "ReceiptAdjustment",
        "BonusPromotion",
        "BonusPromotionReturn",
        "RewardVoucher",
        "Adjustment",
        "BonusBalanceAdjustment",
        "UpdateBalance",
        "PointTransactionCancellation",
    },
)

Text = Annotated[str, msgspec.Meta(max_length=4000)]


class _Row(msgspec.Struct, rename="camel", omit_defaults=True):
    """A row as it came; every field is optional in the published schema."""

    contact_id: Text | None = None
    amount: msgspec.Raw = msgspec.Raw(b"null")
    definition_id: int | None = None
    time_stamp: datetime | None = None
    source: Text | None = None
    description: Text | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


class Outcome(msgspec.Struct, rename="camel"):
    """What the answer says about the rows that were not accepted."""

    not_accepted: list[_Row] = []
    error_messages: list[str] = []
    missing_definition_ids: list[int] = []
    missing_contact_ids: list[str] = []


class _RowRefusedError(Exception):
    """One row is not accepted; the message is what the answer says."""


_ROWS: Final = msgspec.json.Decoder(list[_Row])


def read_rows(body: bytes, rows_max: int) -> list[_Row]:
    """The rows of a request.

    Raises:
        BodyRefusedError: not an array of rows, too many of them, or a value of the wrong kind.
    """
    try:
        rows = _ROWS.decode(body)
    except msgspec.DecodeError as error:
        raise BodyRefusedError(str(error)) from error
    if len(rows) > rows_max:
        message = "Too many items"
        raise BodyRefusedError(message)
    for place, row in enumerate(rows):
        if bytes(row.amount) == b"null":
            continue
        try:
            read_amount(row.amount)
        except AmountRefusedError as error:
            message = f"amount {error} - at `$[{place}].amount`"
            raise BodyRefusedError(message) from error
    return rows


class Posting:
    """Posts the rows of one request."""

    def __init__(
        self,
        contacts: Contacts,
        accounts: Accounts,
        findings: Findings,
        definitions: frozenset[int],
        settings: TransactionSettings,
        now: datetime,
    ) -> None:
        self._contacts = contacts
        self._accounts = accounts
        self._findings = findings
        self._definitions = definitions
        self._settings = settings
        self._now = now

    def post(self, rows: list[_Row]) -> Outcome:
        """Post what can be posted, in order; the answer says what could not."""
        outcome = Outcome()
        for place, row in enumerate(rows):
            try:
                self._post(row, outcome)
            except _RowRefusedError as error:
                outcome.not_accepted.append(row)
                outcome.error_messages.append(f"Row {place}: {error}")
        return outcome

    def _post(self, row: _Row, outcome: Outcome) -> None:
        contact_id, definition_id, amount = self._account_of(row, outcome)
        if not row.source or not row.description:
            missing = "source" if not row.source else "description"
            raise _RowRefusedError(f"{missing} is required")
        if row.source not in DOCUMENTED_SOURCES:
            self._findings.note("undocumented-source", f"source {row.source!r}")
        at = self._moment(row.time_stamp, "timeStamp", row) or self._now
        valid_from = self._moment(row.valid_from, "validFrom", row) or self._now
        valid_to = None
        if row.valid_to is not None:
            valid_to = self._moment(row.valid_to, "validTo", row)
        if valid_to is not None and valid_to <= valid_from:
            raise _RowRefusedError("validTo must be after validFrom")
        if valid_from > self._now and amount < ZERO and not self._settings.accept_negative_pending:
            raise _RowRefusedError("a deduction cannot be valid from a future time")
        account = self._accounts.opened(contact_id, definition_id)
        self._accounts.post(
            PointTransaction(
                id=0,
                account_id=account.id,
                amount=amount,
                description=row.description,
                source=row.source,
                type="Addition" if amount >= ZERO else "Deduction",
                transaction_date=at,
                created_on=self._now,
                modified_on=self._now,
                valid_from=valid_from,
                valid_to=valid_to,
            ),
            self._now,
        )

    def _account_of(self, row: _Row, outcome: Outcome) -> tuple[str, int, Decimal]:
        """Contact, definition and amount of a row; what is missing goes into the answer's lists."""
        refusals = []
        contact_id = None if row.contact_id is None else self._contacts.known(row.contact_id)
        if row.contact_id is None or read_guid(row.contact_id) is None:
            refusals.append("contactId must be a GUID")
        elif contact_id is None:
            outcome.missing_contact_ids.append(row.contact_id)
            refusals.append(f"contact {row.contact_id} was not found")
        if row.definition_id is None:
            refusals.append("definitionId is required")
        elif row.definition_id not in self._definitions:
            outcome.missing_definition_ids.append(row.definition_id)
            refusals.append(f"point definition {row.definition_id} was not found")
        if bytes(row.amount) == b"null":
            refusals.append("amount is required")
        if refusals or contact_id is None or row.definition_id is None:
            raise _RowRefusedError("; ".join(refusals))
        return contact_id, row.definition_id, read_amount(row.amount)

    def _moment(self, moment: datetime | None, name: str, row: _Row) -> datetime | None:
        """The time if it can be used; one without a zone is the receiver's guess, and noted."""
        if moment is not None and moment.tzinfo is not None:
            return moment
        if moment is not None or name == "timeStamp":
            self._findings.note(
                "no-time-zone" if moment else "no-time",
                f"contact {row.contact_id}: a transaction without a usable {name}",
            )
        return None if moment is None else moment.replace(tzinfo=self._now.tzinfo)


class _Kept(msgspec.Struct):
    """An answer that is repeated when its key returns."""

    at: datetime
    body_hash: bytes
    status: int
    body: bytes
    media_type: str


class OtherBodyError(Exception):
    """The key is known with another body; the answer to the first one is the argument."""

    def __init__(self, first: Answer) -> None:
        super().__init__("Idempotency-Key was used with another body")
        self.first = first


class IdempotencyKeys:
    """Remembers the answer each key got, for as long as the platform does."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def recall(self, key: str, body: bytes, now: datetime, hours: float) -> Answer | None:
        """The answer the key got before; None when it is new or was forgotten.

        Raises:
            OtherBodyError: it was used with another body.
        """
        horizon = now - timedelta(hours=hours)
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest].at > horizon:
                break
            del self._kept[oldest]
        kept = self._kept.get(key)
        if kept is None:
            return None
        answer = Answer(kept.status, kept.body, kept.media_type)
        if kept.body_hash != hashlib.sha256(body).digest():
            raise OtherBodyError(answer)
        return answer

    def keep(self, key: str, body: bytes, answer: Answer, now: datetime) -> None:
        """Remember the answer to this key and body."""
        self._kept[key] = _Kept(
            now, hashlib.sha256(body).digest(), answer.status, answer.body, answer.media_type
        )
        self._kept.move_to_end(key)

    def saved(self) -> dict[str, Any]:
        """What a file needs to keep."""
        return {key: msgspec.to_builtins(kept) for key, kept in self._kept.items()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over what was saved."""
        for key, kept in saved.items():
            self._kept[key] = msgspec.convert(kept, _Kept)
