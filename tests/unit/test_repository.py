"""What holds for the files of the project as a whole."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = {
    *{".cfg", ".css", ".html", ".js", ".json", ".lock", ".mako", ".md", ".py", ".sql", ".toml"},
    *{".txt", ".yaml", ".yml", ""},
}
# The brackets keep this file from finding itself.
UNFINISHED = re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK|[N]otImplementedError)\b")
SOMEBODYS_FOLDER = re.compile(r"(?<![\w.])/(?:[h]ome|[r]oot|[w]ork|[U]sers)/\w+")
LOCKED = re.compile(r"^[a-z0-9-]+==[A-Za-z0-9.]+( ; [^\\]+)?( \\)?$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def files() -> list[Path]:
    """Every text file of the project: what is in version control, or is about to be."""
    try:
        listed = subprocess.run(
            [
                "git",
                "-c",
                f"safe.directory={ROOT}",
                "ls-files",
                "--cached",
                "--others",
                "--exclude-standard",
                "-z",
            ],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository")
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.suffix in TEXT and path.is_file()]


def findings(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]


def test_nothing_is_left_unfinished() -> None:
    assert findings(UNFINISHED) == []


def test_no_file_knows_a_folder_of_the_machine_it_was_written_on() -> None:
    assert findings(SOMEBODYS_FOLDER) == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_dependencies_are_locked_by_name_version_and_hash_only(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    assert any(LOCKED.match(line) for line in lines)
    strange = [line for line in lines if not (LOCKED.match(line) or HASH.match(line))]
    assert strange == []


def test_what_runs_is_part_of_what_is_worked_with() -> None:
    """The two locks agree, so that what was tested is what runs."""
    running, working = (
        {
            line.removesuffix(" \\")
            for line in (ROOT / name).read_text().splitlines()
            if "==" in line
        }
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert running <= working


def test_the_licence_of_everything_that_is_installed_is_noted() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    page = (ROOT / "docs" / "licences.md").read_text()
    rows = re.findall(r"^\| [^`]+ \| (.*) \|$", page, re.MULTILINE)
    assert set(re.findall(r"`([a-z0-9-]+)`", " ".join(rows))) == locked


def test_every_package_and_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in files()
        if path.suffix == ".py"
        and path.relative_to(ROOT).parts[0] != "tests"
        and not path.read_text().startswith(('"""', 'r"""', "#!"))
    ]
    assert silent == []
