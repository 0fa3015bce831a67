"""The relay in `pointmaster.toml`: what can be used, and every mistake under its key."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from api.configuration import Configuration, ConfigurationError, load
from sync.relay.authentication import AuthenticationKind
from sync.relay.channels.opening import MissingExtraError, open_pick_ups
from sync.relay.vendors.protocol import Vendor

BASE = """
[tenants.acme]
time_zone = "Europe/Stockholm"
definitions = [{ engage_id = 1, name = "Points" }]
"""
MAIN = """
[relay.destinations.main]
data_centre = "02"
workspace = "WORKSPACE"
"""
PUNCHH = """
[relay.sources.shop-punchh]
vendor = "punchh"
destination = "main"
authentication = { kind = "hmac", client = "acme" }
"""
SECRETS = {
    "POINTMASTER_RELAY_DESTINATION_MAIN_KEY": "key",
    "POINTMASTER_RELAY_SOURCE_SHOP_PUNCHH_SECRET": "new",
    "POINTMASTER_RELAY_SOURCE_SHOP_PUNCHH_SECRET_PREVIOUS": "old",
}


def loaded(tmp_path: Path, text: str, secrets: dict[str, str] | None = None) -> Configuration:
    path = tmp_path / "pointmaster.toml"
    path.write_text(BASE + text)
    return load(path, SECRETS if secrets is None else secrets)


def test_a_source_and_a_destination(tmp_path: Path) -> None:
    relay = loaded(tmp_path, MAIN + PUNCHH).relay
    destination, source = relay.destinations["main"], relay.sources["shop-punchh"]
    assert destination.address == "https://api-02.moengage.com"
    assert (destination.tenant, source.tenant) == ("acme", "acme"), "there is but one"
    assert (destination.events_per_minute, destination.customers_per_minute) == (54_000, 54_000)
    assert source.vendor is Vendor.PUNCHH
    assert source.authentication is not None
    assert source.authentication.kind is AuthenticationKind.HMAC
    assert (source.authentication.header, source.authentication.signed) == (
        "authorization", "{uri}{body}",
    )  # fmt: skip
    assert [secret.reveal() for secret in source.secrets] == ["new", "old"]
    assert "old" not in repr(source)


def test_without_a_relay_there_is_none(tmp_path: Path) -> None:
    assert not loaded(tmp_path, "").relay


MISTAKES = [
    (
        '[relay.destinations.main]\nworkspace = "W"\ndata_centre = "07"',
        "relay.destinations.main.data_centre: is none of MoEngage's data centres",
    ),
    (
        '[relay.destinations.main]\nworkspace = "W"',
        "relay.destinations.main.data_centre: must be one of 01, 02",
    ),
    (
        '[relay.destinations.main]\nworkspace = "W"\naddress = "http://example.com"',
        "relay.destinations.main.address: must begin with https",
    ),
    ('[relay.destinations.other]\nworkspace = "W"\ndata_centre = "01"', "OTHER_KEY: is not set"),
    (
        '[relay.destinations."Main"]\nworkspace = "W"\ndata_centre = "01"',
        "relay.destinations.Main: a name has lower case letters",
    ),
    (
        MAIN + PUNCHH.replace('"main"', '"nowhere"'),
        "destination: is no destination; there are: main",
    ),
    (
        MAIN + PUNCHH.replace('"punchh"', '"pinch"'),
        "shop-punchh.vendor: must be one of punchh, passkit",
    ),
    (
        MAIN + PUNCHH.replace('authentication = { kind = "hmac", client = "acme" }', ""),
        "relay.sources.shop-punchh: needs exactly one of the sections authentication, kafka",
    ),
    (
        MAIN + PUNCHH.replace('client = "acme"', 'signed = "{timestamp}"'),
        "shop-punchh.authentication.signed: must hold {body}",
    ),
    (MAIN + PUNCHH + 'tenant = "nobody"', "shop-punchh.tenant: is none of the tenants"),
    (MAIN + PUNCHH + 'time_zone = "Nowhere"', "shop-punchh.time_zone: is no time zone"),
    (MAIN + PUNCHH + 'shares_with = "another"', "shop-punchh.shares_with: must be another source"),
    (
        MAIN + PUNCHH + '[relay.sources.shop-punchh.mapping]\ncustomer = ["user.id"]',
        "relay.sources.shop-punchh.mapping.customer[0]: must begin with a slash",
    ),
    (
        MAIN + PUNCHH + '[relay.sources.shop-punchh.mapping]\ntypes = { a = "money" }',
        "relay.sources.shop-punchh.mapping.types.a: must be one of text, number",
    ),
    (
        MAIN + '[relay.sources.points]\nvendor = "ledger"\ndestination = "main"\n'
        'books = { events = ["earnt"], definitions = [7] }',
        "relay.sources.points.books.definitions: names 7",
    ),
    (
        MAIN + '[relay.sources.points]\nvendor = "perx"\ndestination = "main"\nbooks = {}',
        "relay.sources.points.vendor: is ledger where there is a section books",
    ),
    (
        MAIN + '[relay.sources.points]\nvendor = "ledger"\ndestination = "main"\n'
        'books = { customer = "member_number" }',
        "relay.sources.points.books.customer: needs an Engage that knows the numbers",
    ),
    ("[relay.retention]\ndedupe_days = 2", "relay.retention.dedupe_days: must be 7 to 3650"),
    (
        '[relay.retention]\nschedule = { cron = "often" }',
        "relay.retention.schedule: is no cron line",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_said_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        loaded(tmp_path, text)
    assert message in str(told.value)


def test_a_missing_secret_is_named_and_a_secret_never_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as told:
        loaded(tmp_path, MAIN + PUNCHH, {"POINTMASTER_RELAY_DESTINATION_MAIN_KEY": " spaced "})
    said = str(told.value)
    assert "POINTMASTER_RELAY_SOURCE_SHOP_PUNCHH_SECRET: is needed" in said
    assert "POINTMASTER_RELAY_DESTINATION_MAIN_KEY: must be printable" in said
    assert "spaced" not in said


def test_names_whose_secrets_would_be_one_are_refused(tmp_path: Path) -> None:
    other = PUNCHH.replace("shop-punchh", "shop_punchh")
    with pytest.raises(ConfigurationError, match="is too like shop-punchh"):
        loaded(tmp_path, MAIN + PUNCHH + other)


def test_a_missing_library_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        MAIN + '[relay.sources.shop-punchh]\nvendor = "perx"\ndestination = "main"\n'
        'sftp = { host = "h", username = "u", host_key = ["ssh-ed25519 AAAA"] }'
    )
    relay = loaded(tmp_path, text).relay
    monkeypatch.setattr("sync.relay.channels.opening.find_spec", lambda _: None)

    registered = SimpleNamespace(
        sources={"s": SimpleNamespace(settings=relay.sources["shop-punchh"])}
    )

    with pytest.raises(MissingExtraError, match=r"pip install 'pointmaster\[sftp\]'"):
        open_pick_ups(registered, None, None, None)  # type: ignore[arg-type]  # never used
