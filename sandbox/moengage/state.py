"""All that the stand-in MoEngage holds: its workspaces, what each received and has used up.

Nothing is kept over a restart of the process: what was answered 200 was queued somewhere safe, as
with the real one, and a restart on demand forgets nothing.
"""

import time
from typing import Any

from sandbox.findings import Findings
from sandbox.journal import Journal
from sandbox.moengage.elements import Element, Kind
from sandbox.moengage.limits import Allowances, Draw, Standing
from sandbox.moengage.rules import Inspector
from sandbox.moengage.settings import Settings
from sandbox.moengage.store import Store
from sandbox.stand_in import StandIn


class WorkspaceState:
    """One workspace's part."""

    def __init__(self, findings: Findings) -> None:
        self.store = Store()
        self.allowances = Allowances()
        self.inspector = Inspector(findings)


class MoEngage(StandIn):
    """A stand-in MoEngage."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget what was received and used up; settings and faults stay."""
        self.findings = Findings()
        self.journal = Journal(
            self.settings.journal.requests_max, self.settings.journal.body_bytes_max
        )
        self.workspaces: dict[str, WorkspaceState] = {}

    def workspace(self, workspace_id: str) -> WorkspaceState:
        """The part of a workspace."""
        state = self.workspaces.get(workspace_id)
        if state is None:
            state = self.workspaces[workspace_id] = WorkspaceState(self.findings)
        return state

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
        """Nothing: whatever was answered 200 is safe."""

    def draw(self, workspace_id: str, endpoint: str, elements: list[Element]) -> Standing:
        """Take from the allowances of a workspace what these elements need, or nothing."""
        limits = self.settings.limits
        users = sum(1 for element in elements if element.kind is Kind.CUSTOMER)
        events = sum(len(element.actions) for element in elements if element.kind is Kind.EVENT)
        draws = {
            "event": [Draw("event events", events, limits.event_events_max)],
            "customer": [Draw("customer users", users, limits.customer_users_max)],
            "transition": [
                Draw("transition users", users, limits.transition_users_max),
                Draw("transition events", events, limits.transition_events_max),
            ],
        }[endpoint]
        return self.workspace(workspace_id).allowances.draw(draws, time.time(), limits)

    def take(self, workspace_id: str, elements: list[Element]) -> None:
        """Judge and keep elements, in order."""
        state = self.workspace(workspace_id)
        now = self.clock.now()
        at = now.timestamp()
        rules = self.settings.rules
        for element in elements:
            processed = state.inspector.inspect(element, now, rules)
            if (
                element.kind is Kind.CUSTOMER
                and element.content.get("update_existing_only") is True
                and not state.store.known(element.customer_id)
            ):
                processed = (False,)
            units = len(processed)
            count = state.store.count_minute(element.customer_id, at, units)
            if count > rules.user_a_minute_max >= count - units:
                self.findings.note(
                    "user-over-fair-use",
                    f"{element.customer_id[:80]}: more than {rules.user_a_minute_max} in a minute",
                )
            state.store.add(
                element,
                processed,
                at,
                rules.relay_attribute,
                keep_body=self.settings.keep_bodies,
            )

    def summary(self) -> dict[str, Any]:
        """What it holds, in a few numbers."""
        return {
            "now": self.clock.now(),
            "workspaces": {
                workspace_id: {
                    "customers": len(state.store.by_customer),
                    "entries": {kind.value: count for kind, count in state.store.counts.items()},
                    "ignored": state.store.ignored,
                    "relayEventIds": {
                        "distinct": len(state.store.relay_ids),
                        "repeated": state.store.repeated,
                        "without": state.store.without_relay_id,
                    },
                    "allowances": state.allowances.windows,
                }
                for workspace_id, state in self.workspaces.items()
            },
            "requests": {"total": self.journal.total, "byStatus": self.journal.by_status},
            "findings": self.findings.counts,
            "faults": self.plan.report(),
        }
