"""The points log that Engage pulls and shows on the contact card.

The one hard idea: the form is fixed to the byte, a bare array of three fields and nothing else, and
nobody's log is an empty array and not an error. How Engage proves itself is not documented, so
three ways are offered, each compared in constant time, whichever secret of a rotation it is.

Contract: docs/contracts/engage.md, "Points log".
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC

import msgspec

from ledger.amounts import format_amount
from ledger.kinds import Kind
from ledger.reading import LogRow
from sync.engage.settings import EngageSettings, LogAuthentication, PointsLogOptions
from sync.secret import Secret


class _Row(msgspec.Struct, rename="camel"):
    transaction_date: str
    amount: msgspec.Raw
    description: str


def points_log_body(rows: Iterable[LogRow], options: PointsLogOptions) -> bytes:
    """The answer's exact bytes.

    Args:
        rows: Newest first.
        options: What appears, how many, and what stands for a missing description.
    """
    shown: list[_Row] = []
    for row in rows:
        if row.kind is Kind.EXPIRY and not options.expiries:
            continue
        if len(shown) == options.rows_max:
            break
        at = row.transaction_date.astimezone(UTC)
        amount = format_amount(row.amount, row.scale).encode()
        description = row.description or options.description
        shown.append(_Row(f"{at:%Y-%m-%dT%H:%M:%SZ}", msgspec.Raw(amount), description))
    return msgspec.json.encode(shown)


def may_read_points_log(
    settings: EngageSettings, headers: Mapping[str, str], path_token: str | None = None
) -> bool:
    """Whether a caller may have a points log.

    Args:
        settings: The tenant's.
        headers: By lower-case name.
        path_token: The unguessable part of the address, where there was one.
    """
    options, secrets = settings.options.points_log, settings.secrets.points_log
    match options.authentication:
        case LogAuthentication.HEADER:
            offered = headers.get(options.header.lower())
            return _is_one_of(offered, secrets)
        case LogAuthentication.BASIC:
            return _is_basic(headers.get("authorization"), options.username, secrets)
        case LogAuthentication.PATH:
            return _is_one_of(path_token, secrets)
        case LogAuthentication.CLOSED:
            return False


def _is_one_of(offered: str | None, secrets: Sequence[Secret]) -> bool:
    found = False
    for secret in secrets:
        found |= secret.equals(offered or "") and bool(secret)
    return found


def _is_basic(authorization: str | None, username: str, secrets: Sequence[Secret]) -> bool:
    scheme, _, encoded = (authorization or "").partition(" ")
    try:
        offered = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        offered = ""
    expected = [Secret(f"{username}:{secret.reveal()}") for secret in secrets if secret]
    return _is_one_of(offered, expected) and scheme.lower() == "basic"
