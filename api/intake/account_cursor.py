"""The cursor of a list of accounts: the last holder and definition that was looked at.

The one hard idea: it is the very order in which the books keep accounts, so the next page begins
where the last one ended, whatever was booked in between.
"""

import base64
import binascii
from typing import Final
from uuid import UUID

from api.intake.checks import Finding
from api.intake.cursor import LENGTH_MAX, REFUSED
from ledger.balances_export import AccountKey
from ledger.identity import DefinitionId, HolderId

FORM: Final = "A1"
DEFINITION_MAX: Final = 2**15 - 1


def write_account_cursor(key: AccountKey) -> str:
    """The cursor of the page that begins after this account."""
    holder, definition = key
    place = f"{FORM}:{holder.hex}:{definition}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_account_cursor(cursor: str) -> AccountKey | None:
    """The account of a cursor; `None` for what is no cursor, or one of another list."""
    if len(cursor) > LENGTH_MAX:
        return None
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        form, holder, definition = decoded.decode("ascii").split(":")
        key = (HolderId(UUID(holder)), DefinitionId(int(definition)))
    except (binascii.Error, ValueError):
        return None
    is_ours = form == FORM and 0 <= key[1] <= DEFINITION_MAX
    return key if is_ours and write_account_cursor(key) == cursor else None


def account_cursor(value: object) -> Finding | None:
    """Whether a parameter is such a cursor."""
    return REFUSED if read_account_cursor(str(value)) is None else None
