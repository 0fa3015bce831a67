"""Everything about the stand-in MoEngage that can be set: at start, and while it runs.

Limits are those MoEngage publishes; where its pages disagree (how `x-ratelimit-reset` is meant,
whether a kilobyte has 1000 or 1024 bytes) the stricter reading is the default and the other is a
setting.
"""

import enum
from typing import Annotated, Any, Self

import msgspec

from sandbox.settings_file import merged

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class ResetStyle(enum.Enum):
    """What `x-ratelimit-reset` says."""

    DELTA = "delta"
    """Seconds left in the window."""
    EPOCH = "epoch"
    """Unix time at which the window ends."""


class _Section(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True
):
    """Base of all settings: immutable, camelCase outside, no unknown names."""


class Workspace(_Section, frozen=True):
    """A workspace and its key for the Data API."""

    id: str
    key: str | None
    """None: no key was set in the dashboard, which is answered 409."""
    name: str = "Sandbox"


class LimitSettings(_Section, frozen=True):
    """How much a workspace may send in a window; None lifts a limit."""

    window_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60
    customer_users_max: Count | None = 10_000
    event_events_max: Count | None = 30_000
    transition_users_max: Count | None = 60_000
    transition_events_max: Count | None = 60_000
    reset_style: ResetStyle = ResetStyle.DELTA
    single_bytes_max: Count = 128_000
    bulk_bytes_max: Count = 100_000


class RuleSettings(_Section, frozen=True):
    """What is found fault with."""

    relay_attribute: str = "relay_event_id"
    """The attribute by which a repeated event is recognised."""
    objects_allowed: bool = False
    """Whether MoEngage was asked to take objects as values."""
    future_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0
    """How far in the future a time may lie."""
    user_a_minute_max: Count = 5000
    """Elements of one end user a minute, above which MoEngage would block that user."""


class JournalSettings(_Section, frozen=True):
    """How much of the requests is kept to be looked at. Set at start only."""

    requests_max: Count = 2000
    body_bytes_max: Count = 16_000_000


class Settings(_Section, frozen=True):
    """All settings of the stand-in."""

    workspaces: Annotated[tuple[Workspace, ...], msgspec.Meta(min_length=1, max_length=100)] = (
        Workspace(id="sandbox-workspace", key="sandbox-data-key"),
    )
    keep_bodies: bool = True
    """Whether each element is kept as it came, not only what is needed to count and compare."""
    limits: LimitSettings = LimitSettings()
    rules: RuleSettings = RuleSettings()
    journal: JournalSettings = JournalSettings()

    def changed(self, patch: Any) -> Self:
        """These settings with those of `patch` (camelCase, nested, any part of the whole) in place.

        Raises:
            SettingsError: naming the setting and what is wrong with it.
        """
        return merged(self, patch)
