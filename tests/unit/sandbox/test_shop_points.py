"""One point a whole pound, and returns that give back exactly what the purchase gave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.shop.points import points_for, points_reversed


@pytest.mark.parametrize(
    ("pence", "points"),
    [(0, 0), (99, 0), (100, 1), (199, 1), (27_873, 278), (-99, 0), (-100, -1), (-250, -2)],
)
def test_a_point_is_a_whole_pound_rounded_towards_zero(pence: int, points: int) -> None:
    assert points_for(pence) == points


def test_three_returns_of_one_purchase_give_back_exactly_its_points() -> None:
    # £10.95 earned 10: floor(10*400/1095)=3, floor(10*495/1095)=4, floor(10*1095/1095)=10
    assert points_reversed(10, 1095, 0, 400) == 3
    assert points_reversed(10, 1095, 400, 95) == 4 - 3
    assert points_reversed(10, 1095, 495, 600) == 10 - 4


@pytest.mark.parametrize(
    ("points", "whole", "before", "part"),
    [(10, 1095, 1000, 96), (10, 1095, 0, 1096), (10, 1095, 0, 0), (10, 0, 0, 1), (-1, 1, 0, 1)],
)
def test_a_return_beyond_its_purchase_or_of_nothing_is_refused(
    points: int, whole: int, before: int, part: int
) -> None:
    with pytest.raises(ValueError, match=r"exceed the purchase|out of bounds"):
        points_reversed(points, whole, before, part)


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=30))
def test_however_a_purchase_is_cut_its_returns_add_up_to_its_points(parts: list[int]) -> None:
    whole = sum(parts)
    points = points_for(whole)
    reversed_so_far = undone = 0
    for part in parts:
        reversed_now = points_reversed(points, whole, undone, part)
        assert 0 <= reversed_now <= points - reversed_so_far
        reversed_so_far += reversed_now
        undone += part
    assert reversed_so_far == points
