"""Mutants that make no difference to anyone, each with the reason: nobody can notice them.

They are counted apart. An entry speaks of a line as it stands, so it ends with the line.
"""

from typing import Final

EQUIVALENT: Final[dict[str, str]] = {}
