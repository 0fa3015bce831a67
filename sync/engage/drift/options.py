"""How Engage's balances are compared with the books, by configuration."""

from typing import Annotated

from msgspec import Meta

from sync.engage.section import Section


class DriftOptions(Section, frozen=True):
    """How differences are looked for, and what is done about them.

    Attributes:
        share_accounts: The most accounts of one run of the nightly share; it goes on where the
            last one ended, so all are compared in as many nights as that takes.
        share_hours: The most a share may take.
        sample_accounts: Accounts drawn at random for a sample; besides, what differed before.
        per_second: Calls a second of the rate that comparing may use; the rest is for telling.
        repair_totals: Push an account's total again where Engage has another (balance-only).
        repair_rows: Tell a correcting row where Engage adds up to something else
            (all-transaction). What was parked is never corrected: it is told when it is retried.
        repair_points_max: The largest difference that is repaired by itself, in points; larger
            ones are for a person.
        repairs_max: The most repairs of one run; more than that is no slip but a breakdown, and
            for a person too.
    """

    share_accounts: Annotated[int, Meta(ge=1, le=10_000_000)] = 200_000
    share_hours: Annotated[float, Meta(gt=0, le=24)] = 5
    sample_accounts: Annotated[int, Meta(ge=0, le=10_000)] = 50
    per_second: Annotated[float, Meta(gt=0, lt=50)] = 20
    repair_totals: bool = True
    repair_rows: bool = False
    repair_points_max: Annotated[int, Meta(ge=1)] | None = None
    repairs_max: Annotated[int, Meta(ge=0, le=100_000)] = 1000
