"""How often a process of ours looks for garbage.

The one hard idea: what a batch makes is freed by reference counts the moment it is done with; only
circles need looking for, and there are hardly any. Looking as often as Python does by default means
going through everything a full queue holds, again and again, which cost a busy service a quarter of
its processor time (benchmarks/LOG.md).
"""

import gc
from typing import Final

YOUNG_MAX: Final = 50_000
"""New objects between two looks at the new ones."""


def look_seldom() -> None:
    """Leave alone what is there by now, and look seldom at what comes. For when all is set up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 20, 50)
