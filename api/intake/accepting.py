"""Which form of answer a caller wants, of those there are (RFC 9110, section 12.5.1).

The one hard idea: a caller who says nothing, or accepts anything, gets the first form there is; one
who names only forms that there aren't gets that one too rather than a refusal.
"""

from collections.abc import Sequence
from typing import Any

from litestar import Request


def preferred(request: Request[Any, Any, Any], offered: Sequence[str]) -> str:
    """The media type to answer with."""
    accepted = request.headers.get("accept", "*/*")
    best, highest = offered[0], 0.0
    for media_type in offered:
        weight = _weight(accepted, media_type)
        if weight > highest:
            best, highest = media_type, weight
    return best


def _weight(accepted: str, media_type: str) -> float:
    """How much a form is wanted; the closest of the caller's words counts."""
    main, _, _ = media_type.partition("/")
    nearness = {media_type: 3, f"{main}/*": 2, "*/*": 1}
    closest, weight = 0, 0.0
    for part in accepted.lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        near = nearness.get(name, 0)
        if near > closest:
            closest, weight = near, _quality(parameters)
    return weight


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
