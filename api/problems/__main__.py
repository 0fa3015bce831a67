"""Print `docs/errors.md`."""

import sys

from api.problems.explained import errors_page

sys.stdout.write(errors_page())
