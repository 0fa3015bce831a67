"""Secrets from the environment: each is a variable, or a file named by the variable with `_FILE`.

The one hard idea: the names follow from the tenants' names, so the configuration file neither holds
a secret nor says where one is, and a missing one can be named exactly. An empty variable counts as
not set, which is what orchestrators make of an unset one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from api.configuration.strict import Mistake
from sync.secret import Secret

PREFIX = "POINTMASTER_"
SECRET_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of this process, or of a test."""

    variables: Mapping[str, str]

    def secret(self, name: str) -> tuple[Secret | None, list[Mistake]]:
        """The secret of this name, if there is one, and what keeps it from being read."""
        value = self.variables.get(name)
        path = self.variables.get(f"{name}_FILE")
        if value and path:
            return None, [Mistake(name, f"is set and {name}_FILE too: only one of them may be")]
        if not path:
            return (Secret(value) if value else None), []
        try:
            with Path(path).open("rb") as file:
                content = file.read(SECRET_BYTES_MAX + 1)
            text = content.decode().rstrip("\r\n")
        except OSError as problem:
            return None, [Mistake(f"{name}_FILE", f"can't be read: {problem.strerror}")]
        except UnicodeDecodeError:
            return None, [Mistake(f"{name}_FILE", "names a file that is no UTF-8 text")]
        if not text or len(content) > SECRET_BYTES_MAX:
            return None, [Mistake(f"{name}_FILE", "names a file that is empty or too large")]
        return Secret(text), []

    def rotated(self, name: str) -> tuple[tuple[Secret, ...], list[Mistake]]:
        """The secret of this name and, while it is rotated, the one of `…_PREVIOUS`."""
        found: list[Secret] = []
        problems: list[Mistake] = []
        for one in (name, f"{name}_PREVIOUS"):
            secret, mistakes = self.secret(one)
            problems += mistakes
            if secret is not None:
                found.append(secret)
        return tuple(found), problems


def variable_of(tenant: str, what: str) -> str:
    """The variable that holds a tenant's secret: `POINTMASTER_ACME_ENGAGE_API_KEY`."""
    return f"{PREFIX}{re.sub(r'[^A-Z0-9]', '_', tenant.upper())}_{what}"


def ambiguous(tenants: list[str]) -> Iterator[Mistake]:
    """Tenants whose names differ but whose variables would be the same."""
    seen: dict[str, str] = {}
    for tenant in tenants:
        variable = variable_of(tenant, "")
        other = seen.setdefault(variable, tenant)
        if other != tenant:
            yield Mistake(
                f"tenants.{tenant}",
                f"is too like {other}: both would have their secrets in {variable}…",
            )
