"""The command `pointmaster`: one module a group of commands, put together here.

The one hard idea: what can be expected to go wrong ends with one sentence and exit status 1 (2 for
a command that was typed wrongly), never with a traceback; what can't be expected shows one.
"""

import click

from api.command_line.checking import config
from api.command_line.contacts import contacts
from api.command_line.context import CONFIGURATION_OPTION, Told
from api.command_line.demo import demo
from api.command_line.engage import engage
from api.command_line.explain import explain_
from api.command_line.exporting import export
from api.command_line.finance import finance
from api.command_line.group import Group
from api.command_line.importing import import_
from api.command_line.keys import keys
from api.command_line.migrating import migrate
from api.command_line.periods import periods
from api.command_line.relay import relay
from api.command_line.sealing import seal
from api.command_line.serving import serve
from api.command_line.sync import sync
from api.command_line.verifying import verify


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pointmaster", prog_name="pointmaster")
@CONFIGURATION_OPTION
@click.pass_context
def main(context: click.Context, configuration: str) -> None:
    """Own your loyalty points: books of record, a sync with Engage, a relay to MoEngage."""
    context.obj = Told(configuration)


for command in (
    *(demo, serve, migrate, import_, export, verify, seal, finance, periods),
    *(keys, explain_, contacts, sync, engage, relay, config),
):
    main.add_command(command)
