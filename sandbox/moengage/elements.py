"""Reading requests: what MoEngage refuses at the door, for the whole request.

A bulk is all or nothing: one element without `customer_id` and every other element of it is
refused too. The type is case-sensitive in a treacherous way: `Event` is answered 200 and never
processed. That is not refused here but marked, so that the stand-in can tell.
"""

import enum
from typing import Any, Final

import msgspec


class Kind(enum.Enum):
    """What an element is about."""

    EVENT = "event"
    CUSTOMER = "customer"
    DEVICE = "device"


class RequestRefusedError(Exception):
    """The whole request is refused with 400; carries MoEngage's type of error and the attribute."""

    def __init__(self, kind: str, message: str, attribute: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.attribute = attribute


class Element(msgspec.Struct, frozen=True):
    """One element of a request that was taken."""

    kind: Kind
    right_case: bool
    """False: the type was written in another letter case, so the element is ignored."""
    customer_id: str
    content: dict[str, Any]
    raw: bytes

    @property
    def actions(self) -> list[dict[str, Any]]:
        """The events in an event element."""
        actions: list[dict[str, Any]] = self.content.get("actions", [])
        return actions


MALFORMED: Final = "Malformed JSON"
MISSING: Final = "MissingAttributeError"
INVALID: Final = "InvalidParams"

_RAW_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ARRAY_FIELDS: Final = ("addValueToArrayField", "removeValueFromArrayField")


def read_single(body: bytes, kind: Kind) -> Element:
    """The element of a request to `/v1/event` or `/v1/customer`.

    Raises:
        RequestRefusedError: it is not one.
    """
    return _element(body, expected=kind)


def read_bulk(body: bytes) -> list[Element]:
    """The elements of a request to `/v1/transition`.

    Raises:
        RequestRefusedError: the body or any of its elements is not as it must be.
    """
    try:
        content = _RAW_OBJECT.decode(body)
    except msgspec.DecodeError as error:
        raise RequestRefusedError(MALFORMED, str(error)) from error
    kind = _text(content.get("type"))
    if kind.lower() != "transition":
        raise RequestRefusedError(INVALID, "type must be transition", "type")
    if "elements" not in content:
        raise RequestRefusedError(MISSING, "elements is required", "elements")
    try:
        elements = _RAW_LIST.decode(content["elements"])
    except msgspec.DecodeError as error:
        raise RequestRefusedError(INVALID, "elements must be an array", "elements") from error
    if not elements:
        raise RequestRefusedError(INVALID, "elements must not be empty", "elements")
    read = [_element(bytes(raw), expected=None) for raw in elements]
    if kind != "transition":
        read = [msgspec.structs.replace(element, right_case=False) for element in read]
    return read


def _element(raw: bytes, expected: Kind | None) -> Element:
    try:
        content = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise RequestRefusedError(MALFORMED, str(error)) from error
    if not isinstance(content, dict):
        raise RequestRefusedError(MALFORMED, "an element must be an object")
    written = content.get("type")
    if written is None:
        raise RequestRefusedError(MISSING, "type is required", "type")
    kinds = {kind.value: kind for kind in Kind}
    kind = kinds.get(written.lower()) if isinstance(written, str) else None
    if kind is None or (expected is not None and kind is not expected):
        raise RequestRefusedError(INVALID, f"type {str(written)[:40]!r} is not valid", "type")
    customer_id = content.get("customer_id")
    if customer_id is None:
        raise RequestRefusedError(MISSING, "customer_id is required", "customer_id")
    if not isinstance(customer_id, str):
        raise RequestRefusedError(INVALID, "customer_id must be a string", "customer_id")
    if kind is Kind.EVENT:
        _check_actions(content)
    else:
        _check_attributes(content)
    return Element(kind, written == kind.value, customer_id, content, raw)


def _check_actions(content: dict[str, Any]) -> None:
    actions = content.get("actions")
    if actions is None:
        raise RequestRefusedError(MISSING, "actions is required", "actions")
    if not isinstance(actions, list) or not actions:
        raise RequestRefusedError(INVALID, "actions must be an array and not empty", "actions")
    for action in actions:
        if not isinstance(action, dict):
            raise RequestRefusedError(INVALID, "an action must be an object", "actions")
        name = action.get("action")
        if name is None or name == "":
            raise RequestRefusedError(MISSING, "action is required", "action")
        if not isinstance(name, str):
            raise RequestRefusedError(INVALID, "action must be a string", "action")
        if not isinstance(action.get("attributes", {}), dict):
            raise RequestRefusedError(INVALID, "attributes must be an object", "attributes")


def _check_attributes(content: dict[str, Any]) -> None:
    attributes = content.get("attributes")
    if attributes is None:
        raise RequestRefusedError(MISSING, "attributes is required", "attributes")
    if not isinstance(attributes, dict):
        raise RequestRefusedError(INVALID, "attributes must be an object", "attributes")
    changed = [
        set(fields) for name in _ARRAY_FIELDS if isinstance(fields := attributes.get(name), dict)
    ]
    if len(changed) == len(_ARRAY_FIELDS) and changed[0] & changed[1]:
        message = "a field cannot have values added and removed at once"
        raise RequestRefusedError("ArrayFieldError", message, min(changed[0] & changed[1]))


def _text(raw: msgspec.Raw | None) -> str:
    value = None if raw is None else msgspec.json.decode(raw)
    return value if isinstance(value, str) else ""
