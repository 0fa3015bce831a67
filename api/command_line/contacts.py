"""`pointmaster contacts`: two contacts become one, one leaves, one is forgotten.

The one hard idea: nothing of this can be undone, so at a keyboard it is asked for twice (`--yes`
for a script), and what was done is said.
"""

from typing import Final
from uuid import UUID, uuid4

import click

from api.command_line.context import OUT, Told, opened_books, run
from api.command_line.group import Group
from api.configuration import Configuration
from ledger.contacts import (
    Erased,
    NotClosedError,
    NotErasedError,
    NotMergedError,
    close_contact,
    erase_contact,
    merge_contacts,
)
from ledger.identity import ContactId
from ledger.outcomes import Outcome
from sync.erasure import ERASERS

SOURCE: Final = "operator"

TENANT = click.option("--tenant", required=True, help="Whose contact.")
YES = click.option("--yes", is_flag=True, help="Don't ask whether it is meant.")


@click.group(cls=Group)
def contacts() -> None:
    """Merge, close or erase contacts; none of it can be undone."""


@contacts.command()
@click.argument("contact", type=click.UUID)
@click.argument("into", type=click.UUID)
@TENANT
@click.option("--actor", help="Who does it, to be kept with the transactions.")
@YES
@click.pass_obj
def merge(
    told: Told, contact: UUID, into: UUID, tenant: str, actor: str | None, *, yes: bool
) -> None:
    """Make CONTACT one with INTO, which stays: all points go over, both lead to them."""
    if contact == into:
        raise click.UsageError("a contact can't be merged into itself")
    _ask(f"Merge {contact} into {into} for good?", yes=yes)
    configuration = told.configuration()
    moves = run(_merge(configuration, tenant, ContactId(contact), ContactId(into), actor))
    OUT.print(f"They are one. {len(moves)} account(s) went over.", highlight=False)


@contacts.command()
@click.argument("contact", type=click.UUID)
@TENANT
@click.option("--actor", help="Who does it, to be kept with the transactions.")
@YES
@click.pass_obj
def close(told: Told, contact: UUID, tenant: str, actor: str | None, *, yes: bool) -> None:
    """Close all accounts of CONTACT: what is left of its points goes."""
    _ask(f"Close all accounts of {contact} for good?", yes=yes)
    closings = run(_close(told.configuration(), tenant, ContactId(contact), actor))
    OUT.print(f"{len(closings)} account(s) closed.", highlight=False)


@contacts.command()
@click.argument("contact", type=click.UUID)
@TENANT
@YES
@click.pass_obj
def erase(told: Told, contact: UUID, tenant: str, *, yes: bool) -> None:
    """Forget CONTACT, and those merged with it: points, texts, and all the sync holds."""
    _ask(f"Erase {contact} for good?", yes=yes)
    erased = run(_erase(told.configuration(), tenant, ContactId(contact)))
    if erased is None:
        OUT.print("The books did not know the contact; nothing of it is left here.")
    elif len(erased.contacts) > 1:
        OUT.print(f"Forgotten, with {len(erased.contacts) - 1} contact(s) merged with it.")
    else:
        OUT.print("Forgotten. The numbers stay, and belong to nobody.")


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True)


async def _merge(
    configuration: Configuration,
    tenant: str,
    contact: ContactId,
    into: ContactId,
    actor: str | None,
) -> list[Outcome]:
    async with opened_books(configuration) as opened:
        try:
            return await merge_contacts(
                opened.books,
                opened.tenant(tenant).id,
                contact,
                into,
                idempotency_key=f"merge/{uuid4().hex}",
                fingerprint=contact.bytes,
                actor=actor,
            )
        except NotMergedError as problem:
            raise _sentence(problem) from None


async def _close(
    configuration: Configuration, tenant: str, contact: ContactId, actor: str | None
) -> list[Outcome]:
    async with opened_books(configuration) as opened:
        try:
            return await close_contact(
                opened.books,
                opened.tenant(tenant).id,
                contact,
                idempotency_key=f"close/{uuid4().hex}",
                fingerprint=contact.bytes,
                source=SOURCE,
                actor=actor,
            )
        except NotClosedError as problem:
            raise _sentence(problem) from None


async def _erase(configuration: Configuration, tenant: str, contact: ContactId) -> Erased | None:
    async with opened_books(configuration) as opened:
        try:
            found = opened.tenant(tenant).id
            return await erase_contact(opened.books, found, contact, erasers=ERASERS)
        except NotErasedError as problem:
            raise _sentence(problem) from None


def _sentence(problem: NotMergedError | NotClosedError | NotErasedError) -> click.ClickException:
    return click.ClickException(f"the contact {problem}; nothing was changed")
