"""The relay's part of the configuration: sources and destinations with their secrets.

The one hard idea: what is wrong is said under the key or variable where it is mended. A source's
secret is one variable, whatever it is used for, so that its name follows from the source's.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from api.configuration.environment import Environment, variable_of
from api.configuration.strict import Mistake, below
from sync.relay.options import NAME_FORM, CustomerKey, RelayOptions
from sync.relay.settings import (
    SECRET,
    RelaySecrets,
    RelaySettings,
    problems,
    settings_of,
)
from sync.timing import TimingError

SECTION: Final = "relay"


def source_variable(name: str) -> str:
    """The variable that holds a source's secret: `POINTMASTER_RELAY_SOURCE_PUNCHH_SECRET`."""
    return variable_of(f"relay_source_{name}", "SECRET")


def destination_variable(name: str) -> str:
    """The variable that holds a destination's key: `POINTMASTER_RELAY_DESTINATION_MAIN_KEY`."""
    return variable_of(f"relay_destination_{name}", "KEY")


def read_relay(
    options: RelayOptions,
    environment: Environment,
    tenants: Mapping[str, tuple[int, ...]],
    followed: Collection[str],
) -> tuple[RelaySettings | None, list[Mistake]]:
    """The relay with its secrets, or what is wrong with it.

    Args:
        options: What the file states.
        environment: Where the secrets are.
        tenants: The tenants there are, with Engage's numbers of their definitions.
        followed: Those of them that have an Engage, and so member numbers.
    """
    found = [*_names(options), *_schedule(options)]
    sources, destinations = {}, {}
    for name in options.sources:
        sources[name], mistakes = environment.rotated(source_variable(name))
        found += mistakes
    for name in options.destinations:
        destinations[name], mistakes = environment.secret(destination_variable(name))
        found += mistakes
    secrets = RelaySecrets(sources, destinations)
    found += [Mistake(_key(key), message) for key, message in problems(options, secrets, tenants)]
    if found:
        return None, found
    settings = settings_of(options, secrets, tenants)
    found += _nameless(settings, followed)
    return (None if found else settings), found


def _nameless(settings: RelaySettings, followed: Collection[str]) -> Iterator[Mistake]:
    for name, source in settings.sources.items():
        books = source.options.books
        if books is None or books.customer is not CustomerKey.MEMBER_NUMBER:
            continue
        if source.tenant not in followed:
            key = below(f"{SECTION}.sources", name) + ".books.customer"
            message = f"needs an Engage that knows the numbers, and {source.tenant} has none"
            yield Mistake(key, message)


def _key(key: tuple[str, ...]) -> str:
    """Where a mistake is mended: a variable for a secret, else the key in the file."""
    if key[-1] == SECRET:
        is_source = key[0] == "sources"
        return source_variable(key[1]) if is_source else destination_variable(key[1])
    path = SECTION
    for part in key:
        # A place in a list is written already.
        path = f"{path}.{part}" if part.endswith("]") else below(path, part)
    return path


def _names(options: RelayOptions) -> Iterator[Mistake]:
    for kind, names, variable in (
        ("sources", options.sources, source_variable),
        ("destinations", options.destinations, destination_variable),
    ):
        seen: dict[str, str] = {}
        for name in names:
            key = below(f"{SECTION}.{kind}", name)
            if not re.fullmatch(NAME_FORM, name):
                yield Mistake(key, "a name has lower case letters, digits, - and _ only")
            other = seen.setdefault(variable(name), name)
            if other != name:
                yield Mistake(key, f"is too like {other}: both secrets would be in one variable")


def _schedule(options: RelayOptions) -> Iterator[Mistake]:
    try:
        options.retention.schedule.trigger("UTC")
    except TimingError as problem:
        yield Mistake(f"{SECTION}.retention.schedule", str(problem))
