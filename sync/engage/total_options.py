"""What of a balance Engage counts as active, by configuration."""

from sync.engage.section import Section


class TotalOptions(Section, frozen=True):
    """What Engage is told a contact has.

    Attributes:
        count_held: Add points set aside for a checkout that is under way.
        below_zero: Tell debt as a negative total instead of as zero.
    """

    count_held: bool = False
    below_zero: bool = False
