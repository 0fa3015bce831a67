"""`pointmaster config`: look at the configuration without starting anything."""

import click
from rich.table import Table

from api.command_line.context import ASIDE, OUT, Told
from api.command_line.group import Group


@click.group(cls=Group)
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.pass_obj
def check(told: Told) -> None:
    """Say whether the configuration and its secrets can be used; exit status 1 if not."""
    configuration = told.configuration()
    table = Table("tenant", "time zone", "definitions", "Engage", title=None)
    for tenant in configuration.tenants:
        declared = tenant.declaration
        definitions = ", ".join(f"{one.engage_id} {one.name}" for one in declared.definitions)
        engage = tenant.engage.options.base_url if tenant.engage else "none"
        table.add_row(declared.name, declared.time_zone, definitions, engage)
    OUT.print(table)
    for warning in configuration.warnings:
        ASIDE.print(f"[yellow]note[/] {warning}", highlight=False)
    OUT.print(f"{configuration.path} can be used.", highlight=False)
