from sandbox.moengage.limits import Allowances, Draw
from sandbox.moengage.settings import LimitSettings, ResetStyle

SETTINGS = LimitSettings()
MINUTE = 60 * 29_000_000.0


def events(count: int, maximum: int | None = 100) -> list[Draw]:
    return [Draw("events", count, maximum)]


def test_an_allowance_is_used_up_and_comes_back_with_the_next_minute() -> None:
    allowances = Allowances()

    assert allowances.draw(events(60), MINUTE, SETTINGS).remaining == 40
    refused = allowances.draw(events(41), MINUTE + 15, SETTINGS)
    assert (refused.admitted, refused.limit, refused.remaining, refused.reset) == (
        False,
        100,
        40,
        45,
    )
    assert allowances.draw(events(40), MINUTE + 59, SETTINGS).admitted
    assert not allowances.draw(events(1), MINUTE + 59.9, SETTINGS).admitted
    assert allowances.draw(events(100), MINUTE + 60, SETTINGS).admitted


def test_a_request_is_taken_whole_or_not_at_all() -> None:
    allowances = Allowances()
    draws = [Draw("users", 5, 10), Draw("events", 101, 100)]

    assert not allowances.draw(draws, MINUTE, SETTINGS).admitted

    assert allowances.windows["users"].used == 0
    assert allowances.windows["users"].refused == 5


def test_the_headers_tell_the_tighter_allowance() -> None:
    standing = Allowances().draw(
        [Draw("users", 9, 10), Draw("events", 10, 100), Draw("all", 19, None)], MINUTE, SETTINGS
    )

    assert standing.headers() == {
        "x-ratelimit-limit": "10",
        "x-ratelimit-remaining": "1",
        "x-ratelimit-reset": "60",
    }


def test_the_reset_is_written_in_either_style_and_the_window_has_any_length() -> None:
    settings = LimitSettings(window_seconds=2, reset_style=ResetStyle.EPOCH)

    assert Allowances().draw(events(1), MINUTE + 1, settings).reset == int(MINUTE) + 2


def test_without_a_limit_there_are_no_headers() -> None:
    standing = Allowances().draw(events(10**6, None), MINUTE, SETTINGS)

    assert standing.admitted
    assert standing.headers() == {}
