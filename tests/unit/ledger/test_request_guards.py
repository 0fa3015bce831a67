"""What no door lets through is refused to the program's own callers too, as a mistake of theirs."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from ledger.amounts import Points
from ledger.identity import ContactId, DefinitionId, TenantId
from ledger.policies import RoundUp, Span, Validity
from ledger.requests import Cancel, Return, Reverses


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
