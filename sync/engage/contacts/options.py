"""How contacts are found, and what is done about those that are gone, by configuration."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from sync.engage.section import Section


class WhenDeleted(StrEnum):
    """What is done about a contact that Engage deleted."""

    LIST = "list"
    """It is listed for a person to decide."""
    ERASE = "erase"
    """The person is erased here too, points and all; there is no way back."""


class WhenMerged(StrEnum):
    """What is done about a contact whose member number leads to another one now."""

    LIST = "list"
    MERGE = "merge"
    """The points are moved to the other contact, and both are one here too."""


class ContactOptions(Section, frozen=True):
    """What is known of contacts by Engage.

    Attributes:
        key: The search key that member numbers are asked for by.
        contact_type: Only contacts of this type are found, if given.
        found_hours: How long an answer counts before it is asked for again.
        unknown_seconds: How long it counts that there is nobody, or more than one.
        lookup_seconds: How long a caller waits for Engage to answer.
        deleted: What is done about contacts that Engage deleted.
        merged: What is done about those whose member number leads to another contact now.
        overlap_minutes: How much of the last stretch of changes is read again, since clocks differ
            and changes may be listed late.
        back_days: How far back the first reading goes.
    """

    key: Annotated[str, Meta(pattern=r"^[A-Za-z]{1,50}$")] = "customKey"
    contact_type: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    found_hours: Annotated[float, Meta(gt=0, le=8760)] = 24
    unknown_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 30
    lookup_seconds: Annotated[float, Meta(gt=0, le=60)] = 5
    deleted: WhenDeleted = WhenDeleted.LIST
    merged: WhenMerged = WhenMerged.LIST
    overlap_minutes: Annotated[float, Meta(ge=0, le=10_080)] = 60
    back_days: Annotated[float, Meta(gt=0, le=365)] = 7
