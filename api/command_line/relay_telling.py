"""`pointmaster relay tell`: whose is what, from a list of the guests there were before.

The one hard idea: the whole list is read and judged before anything of it is kept, so a list with
slips is mended and given again.
"""

import csv
from pathlib import Path

import click

from api.command_line.context import ASIDE, OUT, Told, run
from api.configuration import Configuration
from api.service import Role, open_service
from sync.relay import teaching
from sync.relay.settings import Source
from sync.relay.teaching import Whose, judged

COLUMNS = ("waits_for", "customer")
TOGETHER = 1000
SHOWN = 20
FILE_BYTES_MAX = 100_000_000


@click.command("tell")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", required=True, help="Whose events wait for it.")
@click.pass_obj
def tell(told: Told, file: Path, source: str) -> None:
    """Tell from FILE which customers things belong to, and let what waits for that go on.

    FILE is a CSV file in UTF-8 with the columns waits_for and customer: what `relay dead` shows
    that an event waits for, such as user/7/1001 of Punchh, and the customer's id at MoEngage.
    """
    configuration = told.configuration()
    settings = configuration.relay.sources.get(source)
    if settings is None:
        known = ", ".join(configuration.relay.sources) or "none"
        raise click.ClickException(f"there is no source {source}; there are: {known}")
    given = _read(file, settings)
    done = run(_tell(configuration, source, given))
    OUT.print(f"{done.told} are known; {done.released} event(s) are on their way.", highlight=False)


def _read(file: Path, source: Source) -> list[Whose]:
    """The rows of a file, or every slip in it."""
    if file.stat().st_size > FILE_BYTES_MAX:
        raise click.ClickException(f"{file} has more than {FILE_BYTES_MAX} bytes")
    found: list[Whose] = []
    slips: list[str] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened, strict=True)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise click.ClickException(f"{file} lacks the column {' and '.join(missing)}")
            told = (Whose(*((row[name] or "").strip() for name in COLUMNS)) for row in rows)
            for whose, trouble in judged(source, told):
                if trouble is not None:
                    slips.append(f"line {rows.line_num}: {' '.join(trouble)}")
                found.append(whose)
    except (UnicodeDecodeError, csv.Error) as problem:
        raise click.ClickException(f"{file} can't be read: {problem}") from None
    if slips:
        more = f"\n  and {len(slips) - SHOWN} more" if len(slips) > SHOWN else ""
        listed = "\n  ".join(slips[:SHOWN])
        raise click.ClickException(f"nothing of {file} was kept:\n  {listed}{more}")
    return found


async def _tell(configuration: Configuration, name: str, given: list[Whose]) -> teaching.Told:
    told = released = 0
    async with open_service(configuration, role=Role.API) as service:
        source = service.relay.register.sources[name]
        with ASIDE.status("Telling …"):
            for begin in range(0, len(given), TOGETHER):
                done = await service.relay.teach(source, given[begin : begin + TOGETHER])
                told, released = told + done.told, released + done.released
    return teaching.Told(told, released)
