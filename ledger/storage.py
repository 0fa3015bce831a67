"""When the server tidies up tables: by their use, not by a fifth of their size.

The one hard idea: what is a good share of a small table is too late for a large one. A fifth of
fifty million accounts is ten million dead rows before the server looks, and a queue that is emptied
as fast as it fills is mostly dead rows whatever its size.
"""

from collections.abc import Mapping
from typing import Final

CHANGING: Final[Mapping[str, str]] = {
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.05",
}
"""For tables whose rows change: tidied up after a fiftieth has."""

GROWING: Final[Mapping[str, str]] = {
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
}
"""For tables that only grow: that everybody sees what is new is soon known of its pages."""

QUEUE: Final[Mapping[str, str]] = {
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "5000",
}
"""For a table that is emptied as fast as it is filled."""
