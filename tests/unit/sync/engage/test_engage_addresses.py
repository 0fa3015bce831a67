"""Which addresses may call."""

import pytest

from sync.engage.addresses import may_call


@pytest.mark.parametrize(
    ("address", "networks", "may"),
    [
        (None, (), True),
        ("203.0.113.9", (), True),
        ("10.1.2.3", ("10.0.0.0/8",), True),
        ("11.1.2.3", ("10.0.0.0/8",), False),
        ("11.1.2.3", ("10.0.0.0/8", "11.1.2.3"), True),
        ("::ffff:10.1.2.3", ("10.0.0.0/8",), True),
        ("2a05:d028:17:8000::7", ("2a05:d028:17:8000::/56",), True),
        ("2a05:d028:17:8100::7", ("2a05:d028:17:8000::/56",), False),
        ("10.1.2.3", ("2a05:d028:17:8000::/56",), False),
        (None, ("10.0.0.0/8",), False),
        ("testclient", ("0.0.0.0/0",), False),
    ],
)
def test_an_allow_list_holds(address: str | None, networks: tuple[str, ...], may: bool) -> None:  # noqa: FBT001 - a table of cases
    assert may_call(address, networks) is may
