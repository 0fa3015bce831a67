import msgspec
import pytest

from sandbox.faults import CLEAN, FaultKind, FaultPlan, FaultRule, Faults

BALANCES = "/api/v3/point-accounts/balances"


def strikes(plan: FaultPlan, count: int) -> list[tuple[str, ...]]:
    return [plan.draw("POST", BALANCES).names for _ in range(count)]


def test_without_rules_nothing_goes_wrong() -> None:
    assert FaultPlan().draw("GET", "/") is CLEAN


def test_the_same_seed_goes_wrong_in_the_same_way() -> None:
    rules = (
        FaultRule(FaultKind.DROP_AFTER, probability=0.3),
        FaultRule(FaultKind.SLOW_BEFORE, probability=0.3, milliseconds=1, milliseconds_max=9),
    )
    first = strikes(FaultPlan(Faults(rules, seed=7)), 200)

    assert first == strikes(FaultPlan(Faults(rules, seed=7)), 200)
    assert first != strikes(FaultPlan(Faults(rules, seed=8)), 200)
    assert {(), ("drop-after",), ("slow-before",), ("drop-after", "slow-before")} == set(first)


def test_a_rule_strikes_where_it_should_after_what_it_skips_and_so_often() -> None:
    rule = FaultRule(FaultKind.ERROR_AFTER, method="POST", path="*/balances", skip=1, times=2)
    plan = FaultPlan(Faults((rule,)))

    assert plan.draw("GET", BALANCES) is CLEAN
    assert plan.draw("POST", "/api/v2/contacts/id") is CLEAN
    assert strikes(plan, 5) == [(), ("error-after",), ("error-after",), (), ()]
    [report] = plan.report()
    assert (report.matched, report.struck) == (5, 2)


def test_waits_add_up_and_the_first_refusal_wins() -> None:
    rules = (
        FaultRule(FaultKind.SLOW_BEFORE, milliseconds=10),
        FaultRule(FaultKind.SLOW_BEFORE, milliseconds=5),
        FaultRule(FaultKind.SLOW_AFTER, milliseconds=7),
        FaultRule(FaultKind.THROTTLE, retry_after_seconds=3),
        FaultRule(FaultKind.DROP_BEFORE),
        FaultRule(FaultKind.STATUS_STUCK),
    )

    verdict = FaultPlan(Faults(rules)).draw("POST", BALANCES)

    assert (verdict.slow_before, verdict.slow_after) == (15, 7)
    assert verdict.refusal is rules[3]
    assert verdict.spoiling is None
    assert verdict.mark(FaultKind.STATUS_STUCK) is not None
    assert verdict.mark(FaultKind.APPLY_LATE) is None


def test_a_wait_is_drawn_between_its_bounds() -> None:
    rule = FaultRule(FaultKind.SLOW_BEFORE, milliseconds=10, milliseconds_max=12)
    plan = FaultPlan(Faults((rule,)))

    assert {plan.draw("GET", "/x").slow_before for _ in range(100)} == {10, 11, 12}


@pytest.mark.parametrize(
    "rule",
    [
        '{"kind": "explode"}',
        '{"kind": "throttle", "probability": 1.5}',
        '{"kind": "throttle", "propability": 1}',
        '{"kind": "error-after", "status": 200}',
        '{"kind": "slow-before", "milliseconds": -1}',
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(rule: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(f'{{"rules": [{rule}]}}', type=Faults)
