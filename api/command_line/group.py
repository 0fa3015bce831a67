"""Groups of commands that list each with its whole sentence.

click cuts what it lists to one line of the terminal, and with it the half that says what a command
does not do. Here a long sentence takes a second line.
"""

import click


class Group(click.Group):
    """A group of commands."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, _said_of(command)) for name, command in found if command is not None]
            )


def _said_of(command: click.Command) -> str:
    """The first paragraph of a command's help."""
    said = command.short_help or command.help or ""
    return " ".join(said.strip().partition("\n\n")[0].split())
