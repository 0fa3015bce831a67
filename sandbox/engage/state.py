"""All that the stand-in Engage holds, in one place, and how it is kept in a file.

The pieces know their own rules; this is where they meet: the clock catches up before anything is
read or written, a contact that disappears takes its accounts along, and what Engage would remember
over a restart is what a saved file holds (contacts, points, the queue, idempotency keys). Settings
and faults are not saved: they belong to whoever starts it.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from sandbox.engage.accounts import Accounts, AccountsSaved, PointAccount
from sandbox.engage.balances import BalanceQueue, BalanceRequest
from sandbox.engage.contacts import Change, Contact, Contacts
from sandbox.engage.settings import Settings, UnknownContact
from sandbox.engage.transactions import IdempotencyKeys
from sandbox.findings import Findings
from sandbox.journal import Journal
from sandbox.rate import RequestRate
from sandbox.stand_in import StandIn

SAVED_VERSION: Final = 1


class _Saved(msgspec.Struct):
    version: int
    contacts: list[Contact]
    changes: list[Change]
    accounts: AccountsSaved
    requests: list[BalanceRequest]
    idempotency: dict[str, Any]


class StateFileError(Exception):
    """A saved state cannot be read; the message names the file and the reason."""


class Engage(StandIn):
    """A tenant of the stand-in Engage."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.on_balance_change: Callable[[PointAccount], None] | None = None
        self.on_reset: Callable[[], None] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget contacts, points, queue, keys, findings and counts; settings and faults stay."""
        self.findings = Findings()
        self.contacts = Contacts()
        self.accounts = Accounts()
        self.accounts.on_change = self._balance_changed
        self.queue = BalanceQueue(self.findings)
        self.idempotency = IdempotencyKeys()
        self.rate = RequestRate()
        self.journal = Journal(
            self.settings.journal.requests_max, self.settings.journal.body_bytes_max
        )
        if self.on_reset is not None:
            self.on_reset()

    @property
    def definitions(self) -> frozenset[int]:
        """The ids of the point definitions."""
        return frozenset(definition.id for definition in self.settings.definitions)

    def present(self) -> datetime:
        """The time, after everything that has become due by it is done."""
        now = self.clock.now()
        rules = self.settings.transactions
        self.accounts.settle(now, rules.consumption if rules.expire else None)
        return now

    def welcome(self, contact_ids: set[str]) -> None:
        """Create contacts that are not known yet, where the settings say so."""
        if self.settings.unknown_contact is not UnknownContact.CREATE:
            return
        now = self.clock.now()
        for contact_id in contact_ids:
            if self.contacts.known(contact_id) is None:
                try:
                    self.contacts.put(Contact(contact_id), now)
                except ValueError:
                    continue

    def apply(self, request: BalanceRequest) -> None:
        """Apply one balances request now."""
        self.welcome({row.contact_id for row in request.rows})
        self.queue.apply(
            request,
            self.contacts,
            self.accounts,
            self.definitions,
            self.present(),
            self.settings.balances,
        )

    def shown_settings(self) -> Settings:
        """The settings."""
        return self.settings

    def change_settings(self, patch: Any) -> None:
        """Change some of the settings.

        Raises:
            SettingsError: naming the setting and the rule; nothing is changed.
        """
        self.settings = self.settings.changed(patch)

    def forget_on_restart(self) -> None:
        """Lose the balances requests that were accepted and not applied."""
        self.queue.forget_waiting()

    def summary(self) -> dict[str, Any]:
        """What it holds, in a few numbers."""
        now = self.present()
        return {
            "tenant": self.settings.tenant,
            "now": now,
            "contacts": len(self.contacts.by_id),
            "accounts": len(self.accounts.by_number),
            "transactions": len(self.accounts.transactions),
            "totals": [
                {
                    "definitionId": number,
                    "accounts": totals.accounts,
                    "balance": totals.balance,
                    "pendingPoints": totals.pending_points,
                }
                for number, totals in self.accounts.totals.items()
            ],
            "queue": {
                "waitingRequests": self.queue.unapplied,
                "appliedRequests": self.queue.requests_applied,
                "appliedRows": self.queue.rows_applied,
            },
            "requests": {"total": self.journal.total, "byStatus": self.journal.by_status},
            "rate": self.rate.report(self.settings.rate.courtesy_requests_per_second),
            "findings": self.findings.counts,
            "faults": self.plan.report(),
        }

    def delete_contact(self, contact_id: str) -> bool:
        """Delete a contact and its accounts; False when there is none."""
        known = self.contacts.known(contact_id)
        if known is None:
            return False
        self.contacts.remove(known, self.present())
        self.accounts.forget(known)
        return True

    def merge_contacts(self, source: str, target: str, *, move_points: bool) -> None:
        """Let one contact disappear into another.

        What Engage does with the points is not published, so the caller says whether they move.
        Moved ones arrive as totals; the transactions of the source are gone.

        Raises:
            KeyError: one of the contacts is not known; the argument says which.
        """
        known_source, known_target = self.contacts.known(source), self.contacts.known(target)
        if known_source is None:
            raise KeyError(source)
        if known_target is None:
            raise KeyError(target)
        now = self.present()
        moved: list[PointAccount] = self.accounts.forget(known_source)
        self.contacts.remove(known_source, now)
        if move_points:
            for account in moved:
                survivor = self.accounts.opened(known_target, account.definition_id)
                self.accounts.set_balance(
                    known_target,
                    account.definition_id,
                    survivor.balance + account.balance,
                    survivor.set_at or now,
                )

    def _balance_changed(self, account: PointAccount) -> None:
        if self.on_balance_change is not None:
            self.on_balance_change(account)

    def save(self) -> bytes:
        """Everything that a restart must not lose, as one block of bytes."""
        return msgspec.msgpack.encode(
            _Saved(
                SAVED_VERSION,
                list(self.contacts.by_id.values()),
                self.contacts.changes,
                self.accounts.saved(),
                list(self.queue.requests.values()),
                self.idempotency.saved(),
            ),
        )

    def load(self, path: Path) -> None:
        """Take over a saved state.

        Raises:
            StateFileError: the file is not one of ours, or damaged.
        """
        try:
            saved = msgspec.msgpack.decode(path.read_bytes(), type=_Saved)
        except (OSError, msgspec.DecodeError) as error:
            message = f"{path}: {error}"
            raise StateFileError(message) from error
        if saved.version != SAVED_VERSION:
            message = f"{path}: saved by another version ({saved.version})"
            raise StateFileError(message)
        self.contacts.restore(saved.contacts, saved.changes)
        self.accounts.restore(saved.accounts)
        self.queue.restore(saved.requests)
        self.idempotency.restore(saved.idempotency)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never half of either."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    beside.replace(path)
