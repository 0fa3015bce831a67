"""How long what was said between the books and Engage is kept, by configuration."""

from typing import Annotated

from msgspec import Meta

from sync.engage.section import Section

Days = Annotated[float, Meta(ge=1, le=3660)]


class RetentionOptions(Section, frozen=True):
    """After how many days what is over is cleared away; what waits is never.

    Attributes:
        bodies_days: The bytes of requests that have ended and of messages that were decided.
        ignored_days: Messages kept as evidence only, such as Engage's other events.
        record_days: Requests that have ended, messages that were decided, differences that are
            closed: who told whom what can be looked up for so long.
        runs_days: Runs of the schedule that did something.
    """

    bodies_days: Days = 30
    ignored_days: Days = 30
    record_days: Days = 400
    runs_days: Days = 90
