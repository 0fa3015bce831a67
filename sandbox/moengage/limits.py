"""How much of its allowance a workspace has used in the present window.

A request is taken whole or refused whole, counted in users and events rather than in requests. The
headers of the answer tell the tighter of the allowances it draws on. The time is passed in.
"""

from typing import Final

import msgspec

from sandbox.moengage.settings import LimitSettings, ResetStyle


class Draw(msgspec.Struct, frozen=True):
    """What a request takes from one allowance."""

    allowance: str
    units: int
    maximum: int | None


class Standing(msgspec.Struct, frozen=True):
    """The outcome for a request, and what its answer's headers say."""

    admitted: bool
    limit: int | None
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """The `x-ratelimit-…` headers; none where there is no limit."""
        if self.limit is None:
            return {}
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset),
        }


class Window(msgspec.Struct, rename="camel"):
    """Use of one allowance, for the control address."""

    used: int = 0
    highest: int = 0
    refused: int = 0


FOREVER: Final = -1


class Allowances:
    """The allowances of one workspace."""

    def __init__(self) -> None:
        self.windows: dict[str, Window] = {}
        self._window = FOREVER

    def draw(self, draws: list[Draw], now: float, settings: LimitSettings) -> Standing:
        """Take what a request needs, or nothing.

        Args:
            draws: what it takes from each allowance.
            now: Unix time in seconds, with fractions.
            settings: the length of the window and the style of the reset header.
        """
        self._turn(now, settings)
        admitted = True
        tightest: tuple[int, int] | None = None
        for draw in draws:
            window = self.windows.setdefault(draw.allowance, Window())
            if draw.maximum is not None and window.used + draw.units > draw.maximum:
                admitted = False
        for draw in draws:
            window = self.windows[draw.allowance]
            if admitted:
                window.used += draw.units
                window.highest = max(window.highest, window.used)
            else:
                window.refused += draw.units
            if draw.maximum is not None:
                left = max(0, draw.maximum - window.used)
                if tightest is None or left < tightest[1]:
                    tightest = (draw.maximum, left)
        ends = (self._window + 1) * settings.window_seconds
        reset = ends if settings.reset_style is ResetStyle.EPOCH else ends - now
        if tightest is None:
            return Standing(admitted, None, 0, 0)
        return Standing(admitted, tightest[0], tightest[1], max(0, int(reset)))

    def _turn(self, now: float, settings: LimitSettings) -> None:
        window = int(now // settings.window_seconds)
        if window != self._window:
            self._window = window
            for one in self.windows.values():
                one.used = 0
