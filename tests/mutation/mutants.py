"""Small mistakes, one at a time: every way in which a module's source is made wrong on purpose.

The one hard idea: a mutant is named by its place in one fixed walk through the source, so that a
process that is handed the number alone makes the same one again. What people read (docstrings,
messages, names of fields) and what only types read (annotations) is left alone.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]

COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}

ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
}

CALLS: Final = {"min": "max", "max": "min", "sorted": "list", "reversed": "tuple"}
"""Functions that choose or order, and what is called instead."""

UNTOUCHED: Final = ("annotation", "returns", "decorator_list", "bases", "keywords")
"""Fields of statements in which nothing is changed; a call's keywords are no statement's."""


class Mutant(NamedTuple):
    """One mistake: the number of its place in the module, and what it is.

    Attributes:
        text: The line as it stands in the source.
    """

    module: str
    number: int
    line: int
    text: str
    change: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.text}  [{self.change}]"

    @property
    def name(self) -> str:
        """What it is called wherever in the module the line stands."""
        return f"{self.module}: {self.text}  [{self.change}]"


class Change(NamedTuple):
    """What can be done to a tree at one place."""

    line: int
    words: str
    make: Callable[[], None]


def source_of(module: str) -> Path:
    """Where a module stands."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def mutants_of(module: str) -> list[Mutant]:
    """All mutants of a module, in the order of the walk."""
    source = source_of(module).read_text()
    lines = source.splitlines()
    return [
        Mutant(module, number, change.line, lines[change.line - 1].strip(), change.words)
        for number, change in enumerate(changes(ast.parse(source)))
    ]


def mutated(module: str, number: int) -> ast.Module:
    """A module's tree with one mistake in it."""
    tree = ast.parse(source_of(module).read_text())
    list(changes(tree))[number].make()
    return ast.fix_missing_locations(tree)


def changes(tree: ast.Module) -> Iterator[Change]:
    """Everything that can be done to a tree, each by itself."""
    for parent, name, index, node in _nodes(tree):
        yield from _changes_of(node, _replacer(parent, name, index))


def _nodes(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every node that may be changed, with where it hangs."""
    for name, value in ast.iter_fields(node):
        if name in UNTOUCHED and not _is_call_with_choices(node):
            continue
        if isinstance(node, ast.JoinedStr):
            continue
        several = isinstance(value, list)
        for index, child in enumerate(value if several else [value]):
            if isinstance(child, ast.AST):
                yield node, name, index if several else None, child
                yield from _nodes(child)


def _is_call_with_choices(node: ast.AST) -> bool:
    """Whether a node's keywords change what it does; `strict` of a `zip` only asserts."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) != "zip"


def _replacer(parent: ast.AST, name: str, index: int | None) -> Callable[[ast.AST], None]:
    def replace(anew: ast.AST) -> None:
        if index is None:
            setattr(parent, name, anew)
        else:
            getattr(parent, name)[index] = anew

    return replace


def _changes_of(node: ast.AST, replace: Callable[[ast.AST], None]) -> Iterator[Change]:
    if isinstance(node, ast.expr):
        yield from _of_expression(node, replace)
    elif isinstance(node, ast.stmt):
        yield from _of_statement(node, replace)
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield Change(node.iter.lineno, "no condition", node.ifs.clear)


def _of_expression(node: ast.expr, replace: Callable[[ast.AST], None]) -> Iterator[Change]:
    match node:
        case ast.Compare():
            yield from _of_comparison(node)
        case ast.BinOp() if not _is_of_types(node):
            yield from _of_operator(node)
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            words = f"{ast.unparse(node)}: {type(other).__name__.lower()}"
            yield Change(node.lineno, words, lambda: setattr(node, "op", other))
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            words = f"{ast.unparse(node)} to {ast.unparse(operand)}"
            yield Change(node.lineno, words, lambda: replace(operand))
        case ast.Constant():
            yield from _of_constant(node)
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in CALLS:
            yield from _of_call(node, first)
        case ast.IfExp():
            yield from _of_condition(node)


def _of_statement(node: ast.stmt, replace: Callable[[ast.AST], None]) -> Iterator[Change]:
    left_out = Change(node.lineno, "left out", lambda: replace(ast.Pass()))
    match node:
        case ast.AugAssign():
            yield from _of_operator(node)
            yield left_out
        case ast.Expr(value=ast.Call() | ast.YieldFrom() | ast.Yield()):
            yield left_out
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield left_out
        case ast.Raise() | ast.Continue() | ast.Break():
            yield left_out
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            nothing = ast.Constant(None)
            yield Change(node.lineno, "return None", lambda: setattr(node, "value", nothing))
        case ast.If() | ast.While():
            yield from _of_condition(node)


def _of_comparison(node: ast.Compare) -> Iterator[Change]:
    for index, operator in enumerate(node.ops):
        other = COMPARISONS[type(operator)]()
        words = f"{type(operator).__name__} to {type(other).__name__}"

        def make(index: int = index, other: ast.cmpop = other) -> None:
            node.ops[index] = other

        yield Change(node.lineno, f"{ast.unparse(node)}: {words}", make)


def _of_operator(node: ast.BinOp | ast.AugAssign) -> Iterator[Change]:
    found = ARITHMETIC.get(type(node.op))
    if found is not None:
        other = found()
        words = f"{type(node.op).__name__} to {type(other).__name__}"
        yield Change(node.lineno, words, lambda: setattr(node, "op", other))


def _is_of_types(node: ast.BinOp) -> bool:
    """Whether an alternative is one of types: `Booked | Refused`."""
    sides = (node.left, node.right)
    return isinstance(node.op, ast.BitOr) and any(
        isinstance(side, ast.Name) and side.id.istitle() for side in sides
    )


def _of_constant(node: ast.Constant) -> Iterator[Change]:
    if isinstance(node.value, bool):
        other: bool | int = not node.value
    elif isinstance(node.value, int):
        other = node.value + 1
    else:
        return
    yield Change(node.lineno, f"{node.value} to {other}", lambda: setattr(node, "value", other))


def _of_call(node: ast.Call, first: ast.expr) -> Iterator[Change]:
    name = ast.unparse(node.func)
    other = CALLS[name]

    def make() -> None:
        node.func = ast.Name(other, ast.Load())
        if name in {"sorted", "reversed"}:
            node.args, node.keywords = [first], []

    yield Change(node.lineno, f"{other}(…)", make)


def _of_condition(node: ast.If | ast.IfExp | ast.While) -> Iterator[Change]:
    for answer in (True, False):
        # A loop that never ends tells nothing that leaving it out doesn't tell sooner.
        if not (answer and isinstance(node, ast.While)):
            held = ast.Constant(answer)

            def make(held: ast.Constant = held) -> None:
                node.test = held

            yield Change(node.lineno, f"if {answer}", make)
