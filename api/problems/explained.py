"""The page that explains every problem: `docs/errors.md`, made of the catalogue.

`python -m api.problems` prints it; a test compares it with the file.
"""

from typing import Final

from api.problems.catalogue import CATALOGUE
from api.problems.fields import EXPLANATIONS

BEGINNING: Final = """\
# Errors

Every error is an `application/problem+json` document (RFC 9457):

```json
{
  "type": "/problems/request_invalid",
  "title": "The request can't be read",
  "status": 400,
  "code": "request_invalid",
  "detail": "amount has 2 decimals, the definition allows 0",
  "errors": [
    {
      "field": "amount",
      "code": "amount_beyond_scale",
      "message": "has 2 decimals, the definition allows 0"
    }
  ],
  "requestId": "66706b37f3580d4647775398"
}
```

Programs branch on `code`, which is never renamed; people read `detail`. `type` is an address of the
service itself, where the explanation below can be read. In a batch, each refused item has such a
document as its `problem`. Whatever is answered with a 4xx has booked nothing and left its
idempotency key free.

This page is made by `python -m api.problems > docs/errors.md`.
"""


def errors_page() -> str:
    """The whole page."""
    parts = [BEGINNING]
    for problem in CATALOGUE.values():
        parts.append(f"## `{problem.code}` ({problem.status})\n")
        parts.append(f"{problem.title}. {problem.explanation}\n")
    parts.append("## What can be wrong with a field\n")
    parts.append("The `code` of an entry of `errors` is that of the problem itself, or one of:\n")
    parts.append("| code | meaning |\n| --- | --- |")
    parts += [f"| `{code}` | {explanation} |" for code, explanation in EXPLANATIONS.items()]
    return "\n".join(parts) + "\n"
