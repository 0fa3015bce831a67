"""The trial balance as it is answered."""

import msgspec

from api.documents.forms import Amount, Instant, exactly
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
    """The trial balances of a tenant at one instant."""

    at: Instant
    balanced: bool
    definitions: tuple[DefinitionTrialDocument, ...]


def trial_balance_document(trial: TrialBalance, catalogue: Catalogue) -> TrialBalanceDocument:
    """A trial balance as it is answered."""
    return TrialBalanceDocument(
        trial.at,
        trial.is_balanced,
        tuple(_definition_document(one, catalogue) for one in trial.definitions),
    )


def _definition_document(trial: DefinitionTrial, catalogue: Catalogue) -> DefinitionTrialDocument:
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
