"""What the stand-in Engage does by itself: the job, messages, calls for the points log.

It joins the state, which knows no network, with the parts that have connections and tasks, and
gives them one life: they end when the process ends.
"""

import asyncio
from pathlib import Path
from typing import Any, Final

from sandbox.engage.accounts import PointAccount
from sandbox.engage.deliveries import Deliveries, Delivery
from sandbox.engage.job import BalanceJob
from sandbox.engage.points_log import PointsLogReader
from sandbox.engage.state import Engage, write_whole
from sandbox.engage.webhooks import Adjustment, Tamper, adjustment_payload, make_envelope

ADD_POINTS: Final = "loyalty.addPoints"
BALANCE_UPDATED: Final = "point.balance.updated"


class NoAddressError(Exception):
    """There is nowhere to send a message to."""


class Outside:
    """The acting part of a stand-in Engage."""

    def __init__(self, engage: Engage) -> None:
        self._engage = engage
        self.job = BalanceJob(engage)
        self.deliveries = Deliveries(
            lambda: engage.settings.webhook, engage.settings.journal.deliveries_max
        )
        self.points_log = PointsLogReader()
        engage.on_balance_change = self._balance_changed
        engage.on_reset = self.deliveries.forget

    async def close(self) -> None:
        """End all tasks and connections."""
        await self.deliveries.close()
        await self.points_log.close()

    def adjust(
        self, adjustment: Adjustment, tamper: Tamper, *, encrypt: bool | None
    ) -> list[Delivery]:
        """Ask the point master for an adjustment; Engage itself changes nothing.

        Raises:
            NoAddressError: `webhook.url` is not set.
            ValueError: the amount is not usable, or encryption lacks a key.
        """
        payload = adjustment_payload(adjustment, self._engage.settings.webhook.casing)
        event_id = adjustment.event_id
        return self.send(ADD_POINTS, payload, tamper, encrypt=encrypt, event_id=event_id)

    def send(
        self,
        event_type: str,
        payload: Any,
        tamper: Tamper,
        *,
        encrypt: bool | None,
        event_id: str | None = None,
    ) -> list[Delivery]:
        """Send a message of any type.

        Raises:
            NoAddressError: `webhook.url` is not set.
            ValueError: encryption is asked for and there is no key.
        """
        settings = self._engage.settings
        if not settings.webhook.url:
            message = "webhook.url is not set, so there is nowhere to send to"
            raise NoAddressError(message)
        envelope = make_envelope(
            event_type,
            payload,
            settings.tenant,
            settings.webhook,
            tamper,
            encrypt=encrypt,
            event_id=event_id,
        )
        return self.deliveries.add(envelope, tamper)

    def balance_updated(self, account: PointAccount) -> list[Delivery]:
        """Tell the point master what an account has.

        Raises:
            NoAddressError: `webhook.url` is not set.
        """
        payload = {
            "balance": account.balance,
            "contactId": account.contact_id,
            "accountId": account.id,
            "definitionId": str(account.definition_id),
            "balanceExpires": None,
        }
        return self.send(BALANCE_UPDATED, payload, Tamper.NONE, encrypt=None)

    def _balance_changed(self, account: PointAccount) -> None:
        webhook = self._engage.settings.webhook
        if webhook.balance_updated and webhook.url:
            self.balance_updated(account)


async def save_regularly(engage: Engage, path: Path, seconds: float) -> None:
    """Write the state to a file again and again, until cancelled; then once more.

    Nothing is answered while it writes, about a second for a million accounts: what is in the file
    is one moment, and the last writing is never overtaken by an earlier one.
    """
    try:
        while True:
            await asyncio.sleep(seconds)
            write_whole(path, engage.save())
    finally:
        write_whole(path, engage.save())
