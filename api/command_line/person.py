"""Who sits at the command line, and why they do what they do, as it is kept beside what they did.

The one hard idea: in a container the process often runs as a number that has no name there, and
that must stop nobody from stopping a sync.
"""

import getpass
import os

import click

from sync.engage.pauses import REASON_LENGTH_MAX


def person() -> str:
    """The user's name, or their number where the system knows no name for it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"user {os.getuid()}"
    return f"{name} at the command line"


def checked_reason(reason: str) -> str:
    """A reason that can be kept.

    Raises:
        click.BadParameter: it is empty or longer than what is kept.
    """
    if not 0 < len(reason) <= REASON_LENGTH_MAX:
        raise click.BadParameter(f"has 1 to {REASON_LENGTH_MAX} characters", param_hint="--reason")
    return reason
