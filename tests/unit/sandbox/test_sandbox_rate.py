from sandbox.rate import RequestRate

COURTESY = 50


def requests(rate: RequestRate, count: int, at: float, limit: int | None, sliding: bool) -> int:  # noqa: FBT001 - a table of cases reads better so
    """How many of `count` requests at one moment get in."""
    return sum(rate.admit("key", at, limit, COURTESY, sliding=sliding) for _ in range(count))


def test_what_is_above_the_limit_is_refused_and_a_second_later_it_is_not() -> None:
    rate = RequestRate()

    assert requests(rate, 205, 1000.0, 200, sliding=True) == 200
    assert requests(rate, 1, 1000.9, 200, sliding=True) == 0
    assert requests(rate, 1, 1001.0, 200, sliding=True) == 1


def test_a_sliding_second_sees_the_burst_across_the_boundary_and_a_fixed_one_does_not() -> None:
    for sliding, admitted in ((True, 50), (False, 150)):
        rate = RequestRate()
        assert requests(rate, 150, 999.9, 200, sliding) == 150
        assert requests(rate, 150, 1000.1, 200, sliding) == admitted
        [report] = rate.report(COURTESY)
        assert report.highest_in_a_second == 150
        assert report.highest_in_any_second == 300


def test_each_second_above_courtesy_is_reported_the_present_one_too() -> None:
    rate = RequestRate()
    for second, count in ((1000, 51), (1001, 50), (1002, 1), (1003, 60)):
        requests(rate, count, second + 0.5, None, sliding=True)

    [report] = rate.report(COURTESY)

    assert [(busy.second, busy.requests) for busy in report.busy_seconds] == [
        (1000, 51),
        (1003, 60),
    ]
    assert report.requests == 162
    assert report.refused == 0


def test_refused_requests_are_reported_and_do_not_lock_the_caller_out() -> None:
    rate = RequestRate()
    for tenth in range(30):
        requests(rate, 10, 1000 + tenth / 10, 20, sliding=True)

    [report] = rate.report(COURTESY)

    assert report.requests == 300
    assert report.refused == 300 - 60  # 20 in each of three seconds
    assert report.highest_in_a_second == 100


def test_keys_are_counted_apart_and_their_number_is_bounded() -> None:
    rate = RequestRate()
    for number in range(1500):
        assert rate.admit(f"key {number}", 1000.0, 1000, COURTESY, sliding=True)

    report = {one.key: one.requests for one in rate.report(COURTESY)}

    assert len(report) == 1001
    assert report["others"] == 500
