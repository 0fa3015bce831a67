"""How events, attributes and customers may be called at MoEngage.

The one hard idea: MoEngage takes almost any name and then cuts it, mends it or ignores what it
names, without a word. So every name is made harmless here, in a way that the same name always comes
out the same; and a customer id that can't be used is refused, because a wrong one makes a profile
of nobody.

Contract: docs/contracts/moengage.md, "Names" and "Customers".
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from sync.relay.hashing import digest_of

NAME_CHARACTERS_MAX: Final = 200
EVENT_NAME_CHARACTERS_MIN: Final = 5
CUSTOMER_CHARACTERS_MAX: Final = 512
CUSTOMER_BYTES_MAX: Final = 1024
"""In UTF-8: with the name of an attribute beside it, it has to fit into an index."""

RESERVED_PREFIX: Final = "moe"

RELAY_EVENT_ID: Final = "relay_event_id"
"""The attribute by which a repeat can be recognised."""

TIME_CLAMPED: Final = "relay_time_clamped"
"""True on an event whose time lay in the future."""

OWN_NAMES: Final = frozenset({RELAY_EVENT_ID, TIME_CLAMPED})

RESERVED_USER_ATTRIBUTES: Final = frozenset(
    {
        "",
        "_id",
        "id",
        "addvaluetoarrayfield",
        "dnd_end_time",
        "dnd_start_time",
        "install",
        "platforms",
        "removevaluefromarrayfield",
        "source",
        "status",
        "update",
        "user_id",
    }
)
"""In lower case. `user_attribute_…` and `moe…` are reserved as a whole."""

FORBIDDEN_CUSTOMERS: Final = frozenset(
    {
        "",
        "''",
        "-1",
        "-2",
        "0",
        "1",
        "2",
        "customer_id",
        "dummy_seller_code",
        "false",
        "guest",
        "id",
        "n/a",
        "na",
        "none",
        "null",
        "true",
        "uid",
        "unknown",
        "user_attribute_unique_id",
        "user_id",
        "userid",
    }
)
"""In lower case."""

_NOT_OF_AN_EVENT = re.compile(r"[^a-z0-9_-]+")
_NOT_OF_AN_ATTRIBUTE = re.compile(r"[^\w-]+")
_WORD_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def event_name(words: Iterable[str]) -> str:
    """The name of an event made of some words: lower case, letters, digits, `_` and `-`.

    Words without any such character are named by their hash, so that they stay apart.
    """
    parts = []
    for word in words:
        ascii_word = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode()
        part = _NOT_OF_AN_EVENT.sub("_", ascii_word.lower()).strip("_")
        if part:
            parts.append(part)
        elif word.strip():
            parts.append(digest_of(word).hex[:8])
    name = re.sub(r"_{2,}", "_", "_".join(parts)) or "event"
    if name.startswith(RESERVED_PREFIX):
        name = f"event_{name}"
    if len(name) < EVENT_NAME_CHARACTERS_MIN:
        name = f"{name}_event"
    return name[:NAME_CHARACTERS_MAX]


def attribute_name(written: str, prefix: str) -> str:
    """The name of an event's attribute: what is not a letter, a digit, `_` or `-` becomes `_`.

    Reserved names, and those that the relay itself gives, get the prefix.
    """
    name = _NOT_OF_AN_ATTRIBUTE.sub("_", written).strip("_") or "value"
    if name.lower().startswith(RESERVED_PREFIX) or name.lower() in OWN_NAMES:
        name = f"{prefix}_{name}"
    return name[:NAME_CHARACTERS_MAX]


def user_attribute_name(written: str, prefix: str) -> str:
    """The name of a user's attribute; those that MoEngage reserves get the prefix."""
    name = attribute_name(written, prefix)
    lower = name.lower()
    if lower in RESERVED_USER_ATTRIBUTES or lower.startswith("user_attribute_"):
        name = f"{prefix}_{name}"
    return name[:NAME_CHARACTERS_MAX]


def numbered(name: str, number: int) -> str:
    """The name of what would have the same name as something else: `name_2`."""
    ending = f"_{number}"
    return f"{name[: NAME_CHARACTERS_MAX - len(ending)]}{ending}"


def snake_case(word: str) -> str:
    """A word of several, such as `amountChange`, as `amount_change`."""
    return _WORD_ENDS.sub("_", word).lower()


def customer_trouble(customer: str) -> str | None:
    """Why an id can't be a customer's at MoEngage; `None` if it can."""
    if len(customer) <= 1:
        return "has to have more than one character"
    if customer.lower() in FORBIDDEN_CUSTOMERS:
        return "is one of the words that MoEngage never takes as a customer"
    if len(customer) > CUSTOMER_CHARACTERS_MAX:
        return f"has more than {CUSTOMER_CHARACTERS_MAX} characters"
    if len(customer.encode()) > CUSTOMER_BYTES_MAX:
        return f"has more than {CUSTOMER_BYTES_MAX} bytes in UTF-8"
    if not customer.isprintable() and any(unicodedata.category(one) == "Cc" for one in customer):
        return "has control characters"
    return None
