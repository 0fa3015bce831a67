"""All table definitions of the project: every module called `tables` in ledger, sync and api.

Each package defines its own tables in its own schema; here is the one place that looks at all of
them together.
"""

import importlib
import pkgutil

from sqlalchemy import MetaData

from migrations.ground import OWN_TABLES, SCHEMAS

PACKAGES = ("ledger", "sync", "api")


def all_metadata() -> list[MetaData]:
    """The definitions, each once, in the order of the packages."""
    found: list[MetaData] = []
    for package_name in PACKAGES:
        package = importlib.import_module(package_name)
        for module in pkgutil.walk_packages(package.__path__, f"{package_name}."):
            if module.name.rpartition(".")[2] != "tables":
                continue
            metadata = importlib.import_module(module.name).metadata
            if isinstance(metadata, MetaData) and metadata not in found:
                found.append(metadata)
    return found


def is_compared(name: str | None, kind: str, _parents: object) -> bool:
    """What of a database is compared with the definitions, as Alembic asks for it."""
    if kind == "schema":
        return name in SCHEMAS
    return not (kind == "table" and name in OWN_TABLES)
