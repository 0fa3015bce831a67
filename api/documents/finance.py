"""The reports of finance as they are answered."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.forms import Amount, Instant, exactly
from api.documents.transactions import BucketsDocument, buckets
from ledger.ageing import Ageing, Band, DefinitionAgeing
from ledger.roll_forward import DefinitionRollForward, RollForward
from ledger.tenants import Catalogue
from ledger.trial_balance import DefinitionTrial, TrialBalance


class TrialLineDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A ledger account's balance, on the side where it stands; the other is zero.

    Attributes:
        account: A bucket of the holders (`available`, `pending`, `held`, `debt`) or an account of
            the program (`issued`, `redeemed`, `expired`, `adjusted`, …).
    """

    account: str
    debit: Amount
    credit: Amount


class DefinitionTrialDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The trial balance of one definition.

    Attributes:
        holders_side: What all contacts have together, debt counted against the rest: what the
            program owes.
        program_side: What the program's own accounts say that must be.
        difference: Zero in books that are right.
    """

    definition_id: int
    name: str
    lines: tuple[TrialLineDocument, ...]
    holders_side: Amount
    program_side: Amount
    difference: Amount


class TrialBalanceDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The trial balances of a tenant at one instant.

    Attributes:
        at: The moment that was looked at.
        recorded_at: As far as the books knew when, where that was asked for.
    """

    at: Instant
    balanced: bool
    definitions: tuple[DefinitionTrialDocument, ...]
    recorded_at: Instant | UnsetType = UNSET


class ProgramMovementDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What passed between the contacts and one account of the program.

    Attributes:
        account: `issued`, `redeemed`, `expired`, `adjusted`, `opening`, `moved` or `closed`.
        to_contacts: Issued, given back, brought in.
        from_contacts: Taken back, spent, lapsed.
        net: What it added to all that contacts have.
    """

    account: str
    to_contacts: Amount
    from_contacts: Amount
    net: Amount


class DefinitionRollForwardDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The roll-forward of one definition.

    Attributes:
        opening: What contacts had just before the period.
        opening_net: The same in one number, debt counted against the rest.
        closing: What they had at its very end.
        debt_incurred: What debt arose in the period.
        debt_settled: What debt was repaid, cancelled or let go in it.
        difference: What closing exceeds opening and movements by; zero in books that are right.
        debt_difference: The same of debt alone.
    """

    definition_id: int
    name: str
    opening: BucketsDocument
    opening_net: Amount
    movements: tuple[ProgramMovementDocument, ...]
    closing: BucketsDocument
    closing_net: Amount
    debt_incurred: Amount
    debt_settled: Amount
    difference: Amount
    debt_difference: Amount


class RollForwardDocument(msgspec.Struct, frozen=True, rename={"begins": "from"}):
    """From what contacts had at the start of a period to what they have at its end.

    Attributes:
        from: The first instant of the period.
        until: The first instant after it.
        recorded_at: As far as the books knew when, where that was asked for.
    """

    begins: Instant
    until: Instant
    balanced: bool
    definitions: tuple[DefinitionRollForwardDocument, ...]
    recorded_at: Instant | UnsetType = msgspec.field(default=UNSET, name="recordedAt")


class BandDocument(msgspec.Struct, frozen=True, rename="camel"):
    """Points of one band.

    Attributes:
        days_from: The fewest days; left out for points that never lapse.
        days_to: The first number of days beyond the band; left out where there is none.
    """

    available: Amount
    pending: Amount
    days_from: int | UnsetType = UNSET
    days_to: int | UnsetType = UNSET


class DefinitionAgeingDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The ageing of one definition.

    Attributes:
        by_age: By the days since they were issued, the newest first.
        by_expiry: By the days until they lapse, the soonest first, what never lapses last.
        held: Set aside for checkouts under way, in no band.
        debt: What contacts owe, in no band.
        difference: What the bands have beyond the trial balance; zero in books that are right.
    """

    definition_id: int
    name: str
    by_age: tuple[BandDocument, ...]
    by_expiry: tuple[BandDocument, ...]
    available: Amount
    pending: Amount
    held: Amount
    debt: Amount
    difference: Amount


class AgeingDocument(msgspec.Struct, frozen=True, rename="camel"):
    """How old outstanding points are, and how soon they lapse.

    Attributes:
        at: The moment that was looked at.
        recorded_at: As far as the books knew when, where that was asked for.
    """

    at: Instant
    balanced: bool
    definitions: tuple[DefinitionAgeingDocument, ...]
    recorded_at: Instant | UnsetType = UNSET


def trial_balance_document(trial: TrialBalance, catalogue: Catalogue) -> TrialBalanceDocument:
    """A trial balance as it is answered."""
    return TrialBalanceDocument(
        trial.at,
        trial.is_balanced,
        tuple(_trial(one, catalogue) for one in trial.definitions),
        _or_unset(trial.recorded_at),
    )


def roll_forward_document(rolled: RollForward, catalogue: Catalogue) -> RollForwardDocument:
    """A roll-forward as it is answered."""
    return RollForwardDocument(
        rolled.begins,
        rolled.until,
        rolled.is_balanced,
        tuple(_rolled(one, catalogue) for one in rolled.definitions),
        _or_unset(rolled.recorded_at),
    )


def ageing_document(aged: Ageing, catalogue: Catalogue) -> AgeingDocument:
    """An ageing as it is answered."""
    return AgeingDocument(
        aged.at,
        aged.is_balanced,
        tuple(_aged(one, catalogue) for one in aged.definitions),
        _or_unset(aged.recorded_at),
    )


def _trial(trial: DefinitionTrial, catalogue: Catalogue) -> DefinitionTrialDocument:
    definition = catalogue.definitions[trial.definition]
    scale = definition.scale
    return DefinitionTrialDocument(
        definition.engage_id,
        definition.name,
        tuple(
            TrialLineDocument(
                line.account.word, exactly(line.debit, scale), exactly(line.credit, scale)
            )
            for line in trial.lines
        ),
        exactly(trial.holders_side, scale),
        exactly(trial.program_side, scale),
        exactly(trial.difference, scale),
    )


def _rolled(rolled: DefinitionRollForward, catalogue: Catalogue) -> DefinitionRollForwardDocument:
    definition = catalogue.definitions[rolled.definition]
    scale = definition.scale
    return DefinitionRollForwardDocument(
        definition_id=definition.engage_id,
        name=definition.name,
        opening=buckets(rolled.opening, scale),
        opening_net=exactly(rolled.opening.net, scale),
        movements=tuple(
            ProgramMovementDocument(
                one.account.word,
                exactly(one.to_holders, scale),
                exactly(one.from_holders, scale),
                exactly(one.net, scale),
            )
            for one in rolled.movements
        ),
        closing=buckets(rolled.closing, scale),
        closing_net=exactly(rolled.closing.net, scale),
        debt_incurred=exactly(rolled.debt_incurred, scale),
        debt_settled=exactly(rolled.debt_settled, scale),
        difference=exactly(rolled.difference, scale),
        debt_difference=exactly(rolled.debt_difference, scale),
    )


def _aged(aged: DefinitionAgeing, catalogue: Catalogue) -> DefinitionAgeingDocument:
    definition = catalogue.definitions[aged.definition]
    scale = definition.scale
    return DefinitionAgeingDocument(
        definition_id=definition.engage_id,
        name=definition.name,
        by_age=tuple(_band(one, scale) for one in aged.by_age),
        by_expiry=tuple(_band(one, scale) for one in aged.by_expiry),
        available=exactly(aged.available, scale),
        pending=exactly(aged.pending, scale),
        held=exactly(aged.held, scale),
        debt=exactly(aged.debt, scale),
        difference=exactly(aged.difference, scale),
    )


def _band(band: Band, scale: int) -> BandDocument:
    return BandDocument(
        exactly(band.available, scale),
        exactly(band.pending, scale),
        UNSET if band.days_from is None else band.days_from,
        UNSET if band.days_to is None else band.days_to,
    )


def _or_unset(moment: datetime | None) -> datetime | UnsetType:
    return UNSET if moment is None else moment
