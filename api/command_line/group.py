"""Groups of commands that list each with its whole sentence.

click cuts what it lists to one line of the terminal, and with it the half that says what a command
does not do. Here a long sentence takes a second line.
"""

import click


class Group(click.Group):
    """A group of commands. Takes text only: what is none could be neither looked for nor kept."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments whose bytes are no text."""
        for argument in args:
            try:
                argument.encode()
            except UnicodeEncodeError:
                shown = argument.encode(errors="backslashreplace").decode()
                raise click.UsageError(f"the argument {shown} is no text in UTF-8", ctx) from None
        return super().parse_args(ctx, args)

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
