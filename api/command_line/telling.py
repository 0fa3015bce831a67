"""An explanation of points, laid out for a person in the words one would use on the telephone.

The one hard idea: beside what happened stands the sum so far, so that whoever reads can follow it
to the balance on top and see that nothing is missing. Nothing is decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from api.routes.explanations import Ground
from ledger.amounts import format_amount
from ledger.explaining import Explanation, LotLife, Movement
from ledger.facts import Origin, Transaction
from ledger.kinds import Kind, LedgerAccount
from ledger.policies import Definition

WORDS: Final = {
    Kind.EARN: "earned",
    Kind.REDEEM: "spent",
    Kind.HOLD: "set aside",
    Kind.CAPTURE: "spent what was set aside",
    Kind.RELEASE: "no longer set aside",
    Kind.RETURN: "taken back for a return",
    Kind.CANCEL: "given back",
    Kind.ADJUST: "corrected",
    Kind.MOVE: "moved away",
    Kind.ACTIVATE: "made valid early",
    Kind.EXTEND: "given another validity",
    Kind.CLOSE: "account closed",
    Kind.OPEN: "brought in from earlier books",
    Kind.RECEIVE: "received",
    Kind.ACTIVATION: "became valid",
    Kind.EXPIRY: "lapsed",
    Kind.TIMEOUT: "no longer set aside: timed out",
}
"""What a customer calls each kind."""

LATE_SECONDS: Final = 24 * 3600
"""What the books learned of so much later than it happened is worth saying."""


@dataclass(frozen=True, slots=True)
class Telling:
    """How one kind of points is told of.

    Attributes:
        zone: In which days and times are shown.
        ground: Where moved points came from, and where moves led.
        limit: How many transactions, and lots, are listed.
    """

    definition: Definition
    zone: ZoneInfo
    ground: Ground
    limit: int

    def told(self, found: Explanation) -> RenderableType:
        """The whole explanation."""
        parts: list[RenderableType] = [self._balance(found)]
        if found.lots:
            parts.append(self._lots(found.lots))
        if found.movements:
            parts.append(self._movements(found))
        return Group(*parts)

    def _balance(self, found: Explanation) -> str:
        available, pending, held, debt = (self._points(amount) for amount in found.balance)
        name = escape(self.definition.name)
        return (
            f"\n[bold]{name}[/] ({self.definition.engage_id}): [bold]{available}[/] to spend, "
            f"{pending} not valid yet, {held} set aside, {debt} owed"
        )

    def _lots(self, lots: Sequence[LotLife]) -> Table:
        left = [one for one in lots if one.standing]
        shown = (left or lots)[: self.limit]
        title = "What they are made of, the next to be spent first"
        if not left:
            title = "Nothing is left of these"
        table = Table("issued", "for", title=title, title_justify="left")
        for name in ("points", "left", "spent", "lapsed"):
            table.add_column(name, justify="right")
        table.add_column("valid")
        for one in shown:
            table.add_row(
                self._day(one.issue.effective_at),
                self._for(one),
                self._points(one.issue.amount),
                self._points(one.standing),
                self._points(one.now.spent),
                self._points(one.now.lapsed),
                self._validity(one),
            )
        rest = (left or lots)[self.limit :]
        if rest:
            amount, there = sum(one.issue.amount for one in rest), sum(one.standing for one in rest)
            words = f"and {len(rest)} more"
            table.add_row("", words, self._points(amount), self._points(there), "", "", "")
        return table

    def _movements(self, found: Explanation) -> Table:
        movements = found.movements
        earlier = movements[: -self.limit] if len(movements) > self.limit else ()
        table = Table("when", "what", title="What happened", title_justify="left")
        table.add_column("points", justify="right")
        table.add_column("together", justify="right")
        table.add_column("of which points")
        together = int(sum(one.net for one in earlier))
        if earlier:
            words = f"{len(earlier)} transactions before these"
            table.add_row("", words, self._signed(together), self._points(together), "")
        names = {one.issued_by.id: self._named(one.issued_by) for one in found.lots}
        for one in movements[len(earlier) :]:
            together += one.net
            table.add_row(
                self._when(one),
                self._what(one),
                self._signed(one.net) if one.net else "",
                self._points(together),
                self._sources(one, names),
            )
        return table

    def _what(self, one: Movement) -> str:
        said = [WORDS[one.kind]]
        told = one.transaction
        if told is None:
            said.append("(due, not booked yet)")
        elif told.texts.description:
            said.append(f"“{escape(told.texts.description)}”")
        if told is not None and told.texts.reference:
            said.append(f"[dim]{escape(told.texts.reference)}[/]")
        said += self._more_of(told)
        if one.owed:
            said.append(f"[red]{self._points(one.owed)} owed[/]")
        if one.repaid:
            said.append(f"[green]{self._points(one.repaid)} of debt paid[/]")
        return " ".join(said)

    def _more_of(self, told: Transaction | None) -> list[str]:
        """Until when points are set aside, and who stood at the other end of a move."""
        said = []
        if told is not None and told.hold_expires_at is not None:
            said.append(f"until {self._time(told.hold_expires_at)}")
        if told is not None and told.linked is not None:
            other = self.ground.counterparts.get(told.linked, "nobody, any more")
            said.append(f"{'to' if told.kind is Kind.MOVE else 'from'} {other}")
        return said

    def _sources(self, one: Movement, names: dict[UUID, str]) -> str:
        """What a movement took of which earn; where it took of nothing else, nothing."""
        amounts: dict[UUID, int] = {}
        # Of a hold that was spent in part, what it released is no part of the price.
        gone = [
            part for part in one.sources if not (part.debit.is_bucket and part.credit.is_bucket)
        ]
        for source in gone or one.sources:
            if LedgerAccount.PENDING not in (source.debit, source.credit):
                amounts[source.issued_by] = amounts.get(source.issued_by, 0) + source.amount
        own = None if one.transaction is None else one.transaction.id
        return "\n".join(
            f"{self._points(amount)} of {names.get(issued_by, 'points gone since')}"
            for issued_by, amount in amounts.items()
            if issued_by != own
        )

    def _for(self, one: LotLife) -> str:
        told = one.issued_by
        words = escape(told.texts.description or WORDS[told.kind])
        first = self.ground.origins.get(Origin(one.holder, one.issue.lot))
        if first is not None:
            words += f" [dim](first {WORDS[first.kind]} on {self._day(first.effective_at)})[/]"
        return words

    def _named(self, told: Transaction) -> str:
        words = escape(told.texts.description or WORDS[told.kind])
        return f"{self._day(told.effective_at)} {words}"

    def _when(self, one: Movement) -> str:
        when = self._time(one.effective_at)
        told = one.transaction
        if told is None:
            return when
        happened = told.occurred_at or one.effective_at
        if (told.recorded_at - happened).total_seconds() > LATE_SECONDS:
            when += f"\n[dim]known since {self._day(told.recorded_at)}[/]"
        return when

    def _validity(self, one: LotLife) -> str:
        lot = one.now.lot
        said = [] if lot.active or not one.standing else [f"from {self._time(lot.valid_from)}"]
        said.append("for ever" if lot.valid_to is None else f"until {self._time(lot.valid_to)}")
        return " ".join(said)

    def _points(self, amount: int) -> str:
        return format_amount(amount, self.definition.scale)

    def _signed(self, amount: int) -> str:
        return f"{'+' if amount > 0 else ''}{self._points(amount)}"

    def _day(self, moment: datetime) -> str:
        return f"{moment.astimezone(self.zone):%Y-%m-%d}"

    def _time(self, moment: datetime) -> str:
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"
