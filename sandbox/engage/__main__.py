"""`python -m sandbox.engage`: a stand-in Engage as a process of its own.

It prints one line with its address when it is ready, and stops cleanly at SIGTERM or SIGINT.
"""

from pathlib import Path
from typing import Any

import click
import uvloop

from sandbox.engage.app import make_application
from sandbox.engage.outside import Outside, save_regularly
from sandbox.engage.settings import Settings
from sandbox.engage.state import Engage, StateFileError
from sandbox.server import Process, background
from sandbox.settings_file import SettingsError, read_assignments, read_file


async def stand(engage: Engage, process: Process, state: Path | None, save_seconds: float) -> None:
    """Run the stand-in until it is told to stop."""
    engage.process = process
    outside = Outside(engage)
    application = make_application(engage, outside)
    jobs = [outside.job.run_for_ever()]
    if state is not None:
        jobs.append(save_regularly(engage, state, save_seconds))
    try:
        async with background(process, *jobs):
            await process.run(application)
    finally:
        await outside.close()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0: a free one.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Settings, as TOML or (named *.json) JSON.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep contacts, points and queue in this file.",
)
@click.option("--save-seconds", default=30.0, show_default=True, help="Pause between savings.")
@click.option("--api-key", "api_keys", multiple=True, help="A valid key; may be repeated.")
@click.option("--tenant", help="Its name in the envelopes of webhooks.  [default: sandbox]")
@click.option("--webhook-url", help="Where adjustments are sent.")
@click.option("--signing-secret", "signing_secrets", multiple=True, help="whsec_…; up to five.")
@click.option("--encryption-key", help="32 characters; without it payloads are in the clear.")
@click.option("--points-log-url", help="Where the points log is asked for.")
@click.option("--with-parent", is_flag=True, help="Stop when standard input is closed.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=JSON", help="Any setting.")
def main(
    host: str,
    port: int,
    config: Path | None,
    state: Path | None,
    save_seconds: float,
    with_parent: bool,  # noqa: FBT001 - an option of the command line
    assignments: tuple[str, ...],
    **flags: Any,
) -> None:
    """Play Voyado Engage on this machine."""
    try:
        settings = Settings()
        if config is not None:
            settings = settings.changed(read_file(config))
        settings = settings.changed(_patch(**flags)).changed(read_assignments(assignments))
        engage = Engage(settings)
        if state is not None and state.exists():
            engage.load(state)
    except (SettingsError, StateFileError) as error:
        raise click.ClickException(str(error)) from error
    try:
        process = Process("engage", host, port, with_parent=with_parent)
        uvloop.run(stand(engage, process, state, save_seconds))
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error}"
        raise click.ClickException(message) from error


def _patch(
    api_keys: tuple[str, ...],
    webhook_url: str | None,
    signing_secrets: tuple[str, ...],
    encryption_key: str | None,
    points_log_url: str | None,
    tenant: str | None,
) -> dict[str, Any]:
    """The flags that were given, as a change of the settings."""
    webhook = {
        "url": webhook_url,
        "signingSecrets": list(signing_secrets),
        "encryptionKey": encryption_key,
    }
    return {
        **({"apiKeys": list(api_keys)} if api_keys else {}),
        **({"tenant": tenant} if tenant else {}),
        "webhook": {name: value for name, value in webhook.items() if value},
        "pointsLog": {"url": points_log_url} if points_log_url else {},
    }


if __name__ == "__main__":
    main()
