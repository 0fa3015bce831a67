"""`pointmaster explain`: answer "where did my points go?" for one contact.

The one hard idea: it is the answer of the doors, laid out for the person who has the customer on
the telephone; what is explained and how it adds up is decided in the books.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import click
import msgspec
from rich.markup import escape

from api.command_line.context import OUT, Opened, Told, opened, run
from api.command_line.instants import EFFECTIVE_AT, RECORDED_AT, Said
from api.command_line.telling import Telling
from api.configuration import Configuration
from api.intake.as_of import AsOf
from api.routes.explanations import explanation_document, ground_of
from ledger.explaining import Explanation, explain
from ledger.identity import ContactId, TenantId
from ledger.policies import Definition
from ledger.reading_as_of import FutureRecordError, HeldUpError, HistoryTooLongError, told_of
from ledger.reading_as_of import Told as Known
from ledger.tenants import TenantRecord

LISTED_DEFAULT: Final = 50
LISTED_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for."""

    contact: ContactId
    tenant: str
    definition: int | None
    effective_at: Said | None
    recorded_at: Said | None
    last: int
    as_json: bool


@click.command(name="explain")
@click.argument("contact", type=click.UUID)
@click.option("--tenant", required=True, help="Whose contact.")
@click.option("--definition", type=int, help="Only points of this definitionId.")
@EFFECTIVE_AT
@RECORDED_AT
@click.option(
    "--last",
    type=click.IntRange(1, LISTED_MAX),
    default=LISTED_DEFAULT,
    show_default=True,
    help="How many transactions to list; what came before is told as one sum.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def explain_(
    told: Told,
    contact: UUID,
    tenant: str,
    definition: int | None,
    effective_at: Said | None,
    recorded_at: Said | None,
    last: int,
    *,
    as_json: bool,
) -> None:
    """Show where the points of CONTACT (its id in Engage) came from and went."""
    wishes = Wishes(
        ContactId(contact), tenant, definition, effective_at, recorded_at, last, as_json
    )
    try:
        run(_explain(told.configuration(), wishes))
    except (FutureRecordError, HeldUpError, HistoryTooLongError) as problem:
        raise click.ClickException(str(problem)) from None


async def _explain(configuration: Configuration, wishes: Wishes) -> None:
    async with opened(configuration) as books:
        tenant = books.tenant(wishes.tenant)
        definitions = _definitions(books, tenant, wishes.definition)
        as_of = AsOf(
            None if wishes.effective_at is None else wishes.effective_at.ends(tenant.zone),
            None if wishes.recorded_at is None else wishes.recorded_at.ends(tenant.zone),
        )
        known = await told_of(
            books.connection, tenant.id, wishes.contact, recorded_at=as_of.recorded_at
        )
        at = as_of.effective_at or known.now
        found = _explanations(known, definitions, at, as_of)
        if wishes.as_json:
            await _show_json(books, wishes, found, at, as_of)
        else:
            await _show(books, tenant, wishes, found, at, as_of)


def _definitions(books: Opened, tenant: TenantRecord, engage_id: int | None) -> list[Definition]:
    found = books.catalogue.definitions_of(TenantId(tenant.id))
    if engage_id is None:
        return found
    only = books.catalogue.definition(tenant.id, engage_id)
    if only is None:
        known = ", ".join(str(one.engage_id) for one in found)
        raise click.ClickException(f"there is no definition {engage_id}; there are: {known}")
    return [only]


def _explanations(
    known: Known, definitions: list[Definition], at: datetime, as_of: AsOf
) -> list[tuple[Definition, Explanation]]:
    """Of each definition that the contact had any points of."""
    explained = [
        (definition, explain(known.chains, definition.id, at, as_of.recorded_at))
        for definition in definitions
    ]
    return [(definition, found) for definition, found in explained if found is not None]


async def _show(
    books: Opened,
    tenant: TenantRecord,
    wishes: Wishes,
    found: list[tuple[Definition, Explanation]],
    at: datetime,
    as_of: AsOf,
) -> None:
    local = at.astimezone(tenant.zone)
    words = (
        f"Contact {wishes.contact} at {escape(tenant.name)}, {local:%Y-%m-%d %H:%M} {tenant.zone}"
    )
    if as_of.recorded_at is not None:
        words += f", as known on {as_of.recorded_at.astimezone(tenant.zone):%Y-%m-%d %H:%M}"
    OUT.print(words, highlight=False, soft_wrap=True)
    if not found:
        OUT.print("There were no points of this contact.")
    for definition, explanation in found:
        ground = await ground_of(books.connection, explanation.lots, explanation.movements)
        telling = Telling(definition, tenant.zone, ground, wishes.last)
        OUT.print(telling.told(explanation), highlight=False)


async def _show_json(
    books: Opened,
    wishes: Wishes,
    found: list[tuple[Definition, Explanation]],
    at: datetime,
    as_of: AsOf,
) -> None:
    documents = []
    for definition, explanation in found:
        ground = await ground_of(books.connection, explanation.lots, explanation.movements)
        documents.append(
            explanation_document(
                wishes.contact, definition, explanation, ground, at, as_of, wishes.last
            )
        )
    click.echo(msgspec.json.format(msgspec.json.encode(documents)).decode())
