"""Every form that the vendors document, and what MoEngage is sent for it, compared whole."""

import pytest

from sync.relay.intake import EventState
from sync.relay.mapping.mapper import Mapped
from tests.relaying.bench import Inspection, decoded, elements_of, received, sent, source
from tests.relaying.samples import SAMPLES, Sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_becomes_what_is_expected(sample: Sample) -> None:
    its_source = source(sample.vendor)
    events = received(its_source, sample.body)
    assert len(events) == len(sample.outcomes)
    for event, wanted in zip(events, sample.outcomes, strict=True):
        if wanted.held is not None:
            held = event.reason or f"waits for {event.learnable}"
            assert held == wanted.held
            continue
        assert event.state is EventState.WAITING
        found = sent(its_source, event)
        assert isinstance(found, Mapped)
        *profile, element = elements_of(event, found)
        assert decoded(element) == wanted.event
        assert [decoded(one) for one in profile] == ([wanted.profile] if wanted.profile else [])
        assert Inspection().of([*profile, element]) == {}


def test_what_is_on_the_deny_list_is_not_even_stored() -> None:
    for sample in SAMPLES:
        for event in received(source(sample.vendor), sample.body):
            kept = event.payload or b""
            for secret in (
                b"token=abc",
                b"LIVE-CODE",
                b"SECRET-1",
                b"912345",
                b"203.0.113.7",
                b'"655"',
            ):
                assert secret not in kept, f"{sample.name} keeps {secret!r}"
