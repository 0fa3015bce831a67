import ast
from pathlib import Path

import sandbox


def test_the_outside_world_knows_nothing_of_what_it_helps_to_test() -> None:
    folder = Path(sandbox.__file__).parent
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.partition(".")[0] not in {"ledger", "sync", "api", "migrations"}, file
