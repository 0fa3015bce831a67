"""`pointmaster seal`: one number over all books, to be kept where nobody who could change them is.

The one hard idea: a seal is worth as much as the place it is published in. The root alone is enough
to be printed, mailed or logged elsewhere; the file is what `pointmaster verify --seal` reads.
"""

import sys
from pathlib import Path

import click
import msgspec

from api.command_line.context import ASIDE, Told, opened, run
from api.configuration import Configuration
from ledger.merkle import Seal
from ledger.sealing import make_seal


@click.command()
@click.option(
    "--heads", is_flag=True, help="Carry every chain's head: a mismatch then names the holder."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; else the standard output. An existing one is not written over.",
)
@click.pass_obj
def seal(told: Told, out: Path | None, *, heads: bool) -> None:
    """Seal the books as they are: publish the seal, and compare with it later."""
    if out is not None and out.exists():
        raise click.ClickException(f"{out} is there already; seals are kept")
    made = run(_seal(told.configuration(), with_heads=heads))
    written = msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"
    if out is None:
        sys.stdout.buffer.write(written)
    else:
        try:
            with out.open("xb") as file:
                file.write(written)
        except OSError as problem:
            raise click.ClickException(f"{out} can't be written: {problem.strerror}") from None
    ASIDE.print(
        f"Sealed at {made.sealed_at:%Y-%m-%dT%H:%M:%S.%f}Z: {made.transactions:,} transactions "
        f"of {made.holders:,} holders, root {made.root}",
        highlight=False,
        soft_wrap=True,
    )


async def _seal(configuration: Configuration, *, with_heads: bool) -> Seal:
    async with opened(configuration) as books:
        return await make_seal(books.connection, with_heads=with_heads)
