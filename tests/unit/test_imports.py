"""Imports run one way, api -> sync -> ledger, and what decides does no input or output."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each package and those of ours it may import.
MAY_IMPORT = {
    "ledger": {"ledger"},
    "sync": {"sync", "ledger"},
    "api": {"api", "sync", "ledger", "migrations"},
    "migrations": {"migrations", "api", "sync", "ledger"},
    "sandbox": {"sandbox"},
}

# Of the demo, only what reads the shop's invoices; the stand-ins are processes of their own.
MAY_IMPORT_SANDBOX = {"api/demonstration/shop.py"}

# Frameworks and protocols the books know nothing of.
NOT_IN_LEDGER = {"alembic", "apscheduler", "click", "httpx", "litestar", "rich", "uvicorn"}

# Rooms of the ledger that decide: the same input gives the same output, whenever and wherever.
PURE = {
    "ledger/amounts.py",
    "ledger/asof.py",
    "ledger/auditing.py",
    "ledger/book.py",
    "ledger/chain.py",
    "ledger/draft.py",
    "ledger/entries.py",
    "ledger/due.py",
    "ledger/explaining.py",
    "ledger/facts.py",
    "ledger/folding.py",
    "ledger/kinds.py",
    "ledger/lots.py",
    "ledger/merkle.py",
    "ledger/outbox.py",
    "ledger/outcomes.py",
    "ledger/policies.py",
    "ledger/requests.py",
    "ledger/rules",
    "ledger/state.py",
}
NOT_IN_PURE = {
    "asyncio",
    "asyncpg",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "sqlalchemy",
    "subprocess",
    "threading",
    "time",
}
READS_A_CLOCK = {"now", "utcnow", "today", "uuid1", "uuid4", "uuid7"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    """Every module a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            yield node.module or ""


def top(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_one_way(package: str) -> None:
    found = modules(package)
    assert found, f"there is no package {package}"
    for module in found:
        path = str(module.relative_to(ROOT))
        allowed = MAY_IMPORT[package] | ({"sandbox"} if path in MAY_IMPORT_SANDBOX else set())
        ours = {top(name) for name in imported(module)} & set(MAY_IMPORT)
        assert ours <= allowed, f"{path} may not import {sorted(ours - allowed)}"


def test_the_books_know_no_framework() -> None:
    for module in modules("ledger"):
        strange = {top(name) for name in imported(module)} & NOT_IN_LEDGER
        assert not strange, f"{module.relative_to(ROOT)} imports {sorted(strange)}"


@pytest.mark.parametrize("room", sorted(PURE))
def test_what_decides_does_no_input_or_output(room: str) -> None:
    path = ROOT / room
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert all(module.exists() for module in found), f"{room} is listed as pure and is not there"
    stored = {
        str(module.relative_to(ROOT).with_suffix("")).replace("/", ".")
        for module in modules("ledger")
        if not any(module.is_relative_to(ROOT / pure) for pure in PURE)
    }
    for module in found:
        names = set(imported(module))
        impure = {top(name) for name in names} & NOT_IN_PURE
        assert not impure, f"{module.relative_to(ROOT)} imports {sorted(impure)}"
        assert not names & (stored - {"ledger.identity"}), (
            f"{module.relative_to(ROOT)} imports a stored room: {sorted(names & stored)}"
        )


@pytest.mark.parametrize("room", sorted(PURE))
def test_what_decides_is_told_the_time(room: str) -> None:
    path = ROOT / room
    for module in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        called = {
            node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            for node in ast.walk(ast.parse(module.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
        }
        assert not called & READS_A_CLOCK, (
            f"{module.relative_to(ROOT)} calls {sorted(called & READS_A_CLOCK)}"
        )


def test_the_finder_finds() -> None:
    """The tests above look at something: the books do import their own and the database."""
    names = {top(name) for module in modules("ledger") for name in imported(module)}
    assert {"ledger", "sqlalchemy", "asyncpg"} <= names
