"""Mutation testing: how many small mistakes in the pure rooms of the books would go unnoticed.

`python -m tests.mutation.run --sample 400 --seed 1` makes mistakes one at a time and runs the
quick tests on each: those that need no database. Survivors are listed; the last line is a summary.

The one hard idea: everything that isn't ours is imported once, and each mutant is a fork of that
process, in which one module is wrong from its first import on. What survives the quick tests meets
the random histories at full length before it counts as having survived.
"""

import importlib.abc
import importlib.machinery
import os
import random
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import ModuleType
from typing import Final

import alembic.command
import asyncpg
import click
import pytest
import pytest_asyncio.plugin
import sqlalchemy.ext.asyncio
from hypothesis import Phase, settings

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import ROOT, Mutant, mutants_of, mutated, source_of

IMPORTED_ONCE: Final = (alembic.command, asyncpg, pytest_asyncio.plugin, sqlalchemy.ext.asyncio)

MODULES: Final = tuple(
    f"ledger.{name}"
    for name in (
        *("amounts", "kinds", "identity", "facts", "policies", "requests", "state", "draft"),
        *("lots", "due", "chain", "merkle", "folding", "asof", "explaining"),
        *("entries", "book", "rules.admission"),
        *("rules.context", "rules.earn", "rules.opening", "rules.adjust", "rules.redeem"),
        *("rules.enough", "rules.holds", "rules.moves", "rules.returns", "rules.cancel"),
        *("rules.terms", "rules.closing"),
    )
)
"""The rooms that decide."""

TESTS: Final = ROOT / "tests"
UNIT_TESTS: Final = tuple(map(str, sorted((TESTS / "unit" / "ledger").glob("test_*.py"))))
EXAMPLES: Final = str(TESTS / "simulation" / "test_worked_examples.py")
HISTORIES: Final = str(TESTS / "simulation" / "test_histories.py")

WITHOUT_DATABASE: Final = ("-m", "not soak and not database", "-k", "not in_the_model")
"""Nor what asks the model alone."""

QUIETLY: Final = ("-q", "-x", "--no-header", "-p", "no:cacheprovider", "--timeout=0")
"""A busy machine notices nothing: what counts is the time on the processor."""
PLUGINS: Final = ("_hypothesis_pytestplugin", "pytest_asyncio.plugin", "pytest_timeout")
ALREADY_IMPORTED: Final = ("-W", "ignore::pytest.PytestAssertRewriteWarning")

CPU_SECONDS_MAX: Final = 180
MEMORY_BYTES_MAX: Final = 4 * 2**30
"""A mistake that makes the books go round in circles ends here, and counts as noticed."""


class WrongModule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module with a mistake in it, and leaves all others to be found as ever."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, name: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if name != self.mutant.module:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=str(source_of(name)))

    def exec_module(self, module: ModuleType) -> None:
        tree = mutated(self.mutant.module, self.mutant.number)
        code = compile(tree, str(source_of(self.mutant.module)), "exec")
        exec(code, vars(module))


def stages(module: str) -> list[list[str]]:
    """Which tests are run one after the other, until one notices: a module's own come first."""
    name = f"test_{module.rpartition('.')[2]}.py"
    own = [path for path in UNIT_TESTS if path.endswith(f"/{name}")]
    others = [path for path in UNIT_TESTS if path not in own]
    quickly = ["--hypothesis-profile", "quickly"]
    return [
        *([[*quickly, *own]] if own else []),
        [*quickly, *others, EXAMPLES],
        [HISTORIES],
    ]


def survives(mutant: Mutant) -> bool:
    """Whether no test notices; runs in a process of its own that knows nothing of `ledger` yet."""
    sys.meta_path.insert(0, WrongModule(mutant))
    return is_content_with(mutant.module)


def is_content_with(module: str) -> bool:
    """Whether all tests pass that could notice a mistake in a module."""
    plugins = (word for name in PLUGINS for word in ("-p", name))
    rest = [*QUIETLY, *WITHOUT_DATABASE, *ALREADY_IMPORTED, *plugins]
    return all(pytest.main([*rest, *tests]) == pytest.ExitCode.OK for tests in stages(module))


def in_a_fork(work: Callable[[], bool], *, silent: bool) -> int:
    """Start a process that answers with its exit code, 0 for true; answers its id."""
    child = os.fork()
    if child:
        return child
    try:
        if silent:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        answer = work()
        sys.stdout.flush()
        os._exit(0 if answer else 1)
    finally:
        os._exit(2)


def said_yes(status: int) -> bool:
    """Whether a fork that ended answered with true."""
    return os.waitstatus_to_exitcode(status) == 0


def tried(mutants: Sequence[Mutant], processes: int) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant with whether it survived, as they end; so many at once."""
    running: dict[int, Mutant] = {}
    waiting = list(reversed(mutants))
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop()
            running[in_a_fork(partial(survives, mutant), silent=True)] = mutant
        child, status = os.wait()
        yield running.pop(child), said_yes(status)


@click.command()
@click.argument("modules", nargs=-1)
@click.option("--sample", type=int, help="How many mutants, drawn from the seed; all by default.")
@click.option("--seed", type=int, default=1, show_default=True, help="What the sample is drawn by.")
@click.option("--processes", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option("--least", type=float, default=90.0, show_default=True, help="Per cent to notice.")
@click.option("--each", is_flag=True, help="Say of each mutant what became of it.")
def main(
    modules: tuple[str, ...],
    *,
    sample: int | None,
    seed: int,
    processes: int,
    least: float,
    each: bool,
) -> None:
    """Make small mistakes in the rooms that decide, and count those that no test notices."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # Each mutant's process would compile all tests anew where Python is told to keep nothing.
    sys.dont_write_bytecode = False
    os.chdir(ROOT)
    # What fails need not be made small, and the same mutant meets the same examples every time.
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile(
        "quickly", max_examples=25, deadline=None, database=None, derandomize=True, phases=phases
    )
    every = [mutant for module in modules or MODULES for mutant in mutants_of(module)]
    known = [mutant for mutant in every if mutant.name in EQUIVALENT]
    able = [mutant for mutant in every if mutant.name not in EQUIVALENT]
    draw = random.Random(seed)
    chosen = able if sample is None else draw.sample(able, min(sample, len(able)))
    _, status = os.waitpid(in_a_fork(partial(is_content_with, MODULES[0]), silent=False), 0)
    if not said_yes(status):
        raise click.ClickException("the tests fail without any mistake; make them pass first")
    found: list[Mutant] = []
    with click.progressbar(length=len(chosen), label="Mutants", file=sys.stderr) as bar:
        for mutant, survived in tried(chosen, processes):
            if survived:
                found.append(mutant)
            if survived or each:
                click.echo(f"{'survived' if survived else 'noticed'}: {mutant}")
            bar.update(1)
    killed = 100 * (len(chosen) - len(found)) / max(1, len(chosen))
    which = f"all {len(chosen):,}" if sample is None else f"{len(chosen):,} of {len(able):,}"
    click.echo(
        f"seed {seed}: {which} mutants, {len(chosen) - len(found):,} noticed ({killed:.1f} %), "
        f"{len(found)} survived; {len(known)} that make no difference left out"
    )
    if killed < least:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
