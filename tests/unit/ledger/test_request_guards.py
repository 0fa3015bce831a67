"""What no door lets through is refused to the program's own callers too, as a mistake of theirs."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from ledger.amounts import AMOUNT_MAX, BUCKET_MAX, SCALE_MAX, Points
from ledger.chain import SALT_LENGTH
from ledger.draft import ALLOCATIONS_MAX
from ledger.identity import KEY_LENGTH_MAX, ContactId, DefinitionId, TenantId
from ledger.policies import VALIDITY_DAYS_MAX, RoundUp, Span, Validity
from ledger.requests import (
    SOURCE_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    Cancel,
    Open,
    Return,
    Reverses,
    needs_lots,
    refers_to,
)
from tests.bookkeeping.asking import Till
from tests.bookkeeping.paper import DEFINITION, MEMBER, TENANT


@pytest.mark.parametrize("kind", [Return, Cancel])
@pytest.mark.parametrize(
    ("share", "said"),
    [
        ({"part": 1}, "go together"),
        ({"whole": 1}, "go together"),
        ({"part": 1, "whole": 0}, "above zero"),
        ({"part": 0, "whole": 1}, "above zero"),
        ({"part": -1, "whole": 1}, "above zero"),
        ({"part": 1, "whole": 2, "amount": Points(1)}, "twice"),
        ({"amount": Points(0)}, "above zero"),
    ],
)
def test_a_share_of_nothing_cannot_be_asked_for(
    kind: type[Return | Cancel], share: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        kind(
            tenant=TenantId(1),
            contact=ContactId(uuid4()),
            definition=DefinitionId(1),
            idempotency_key="return 1",
            fingerprint=b"",
            source="pos",
            reverses=Reverses(idempotency_key="purchase 1"),
            **share,
        )


@pytest.mark.parametrize(
    ("span", "length"), [(Span.DAYS, 0), (Span.MONTHS, -1), (Span.NONE, 1), (Span.NONE, -1)]
)
def test_a_validity_has_a_length_if_it_is_counted(span: Span, length: int) -> None:
    with pytest.raises(ValueError, match="length"):
        Validity(span=span, length=length)
    stored = msgspec.json.encode({"span": span, "length": length, "round_up": RoundUp.NONE})
    with pytest.raises(msgspec.ValidationError, match="length"):
        msgspec.json.decode(stored, type=Validity)


def test_what_brings_new_points_in_needs_to_know_none_that_are_there() -> None:
    till = Till(TENANT, DEFINITION)
    common = till.common(MEMBER, None, None)
    for request in (
        till.earn(MEMBER, 1),
        till.adjust(MEMBER, 1),
        Open(**common, amount=Points(1)),
    ):
        assert needs_lots(request) is False
    for other in (
        till.redeem(MEMBER, 1),
        till.adjust(MEMBER, -1),
        Open(**common, amount=Points(-1)),
        till.close(MEMBER),
        till.move(MEMBER, 1, to=MEMBER),
    ):
        assert needs_lots(other) is True


def test_a_request_about_another_says_which() -> None:
    till = Till(TENANT, DEFINITION)
    for request in (
        till.give_back(MEMBER, of="order 7"),
        till.cancel(MEMBER, of="order 7"),
        till.capture(MEMBER, of="order 7"),
        till.release(MEMBER, of="order 7"),
        till.activate(MEMBER, of="order 7"),
        till.extend(MEMBER, of="order 7"),
    ):
        assert refers_to(request) == Reverses(None, "order 7")
    assert refers_to(till.redeem(MEMBER, 1)) is None


def test_limits_are_those_that_callers_were_told() -> None:
    assert (KEY_LENGTH_MAX, TEXT_LENGTH_MAX, SOURCE_LENGTH_MAX) == (200, 500, 50)
    assert (SCALE_MAX, AMOUNT_MAX, BUCKET_MAX) == (4, 10**15, 4 * 10**18)
    assert (ALLOCATIONS_MAX, VALIDITY_DAYS_MAX, SALT_LENGTH) == (10_000, 36_600, 16)
