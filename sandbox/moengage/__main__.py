"""`python -m sandbox.moengage`: a stand-in MoEngage as a process of its own.

It prints one line with its address when it is ready, and stops cleanly at SIGTERM or SIGINT.
"""

from pathlib import Path

import click
import uvloop

from sandbox.moengage.app import make_application
from sandbox.moengage.settings import Settings
from sandbox.moengage.state import MoEngage
from sandbox.server import Process
from sandbox.settings_file import SettingsError, read_assignments, read_file


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0: a free one.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Settings, as TOML or (named *.json) JSON.",
)
@click.option("--with-parent", is_flag=True, help="Stop when standard input is closed.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=JSON", help="Any setting.")
def main(
    host: str,
    port: int,
    config: Path | None,
    with_parent: bool,  # noqa: FBT001 - an option of the command line
    assignments: tuple[str, ...],
) -> None:
    """Play MoEngage on this machine."""
    try:
        settings = Settings()
        if config is not None:
            settings = settings.changed(read_file(config))
        moengage = MoEngage(settings.changed(read_assignments(assignments)))
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    try:
        process = Process("moengage", host, port, with_parent=with_parent)
        moengage.process = process
        uvloop.run(process.run(make_application(moengage)))
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error}"
        raise click.ClickException(message) from error


if __name__ == "__main__":
    main()
