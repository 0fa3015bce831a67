"""The configuration: what it becomes, and every mistake in it at once."""

from pathlib import Path

import pytest

from api.configuration import Configuration, ConfigurationError, load
from api.configuration.file import PostingSection
from ledger.policies import Policy, Returns, RoundUp, Span, Validity
from sync.engage.settings import LogAuthentication

EXAMPLE = Path(__file__).parents[3] / "pointmaster.example.toml"

SECRETS = {
    "POINTMASTER_ACME_ENGAGE_API_KEY": "key-of-the-example",
    "POINTMASTER_ACME_ENGAGE_ENCRYPTION_KEY": "k" * 32,
    "POINTMASTER_ACME_ENGAGE_SIGNING_SECRET": "whsec_c2lnbmluZw==",
    "POINTMASTER_ACME_ENGAGE_POINTS_LOG_SECRET": "log-secret",
}

SMALL = """
[tenants.acme]
time_zone = "Europe/Stockholm"
definitions = [{ engage_id = 1, name = "Points" }]
"""

ENGAGE = """
[tenants.acme.engage]
base_url = "https://acme.voyado.com"
"""


def read(tmp_path: Path, text: str, variables: dict[str, str] | None = None) -> Configuration:
    path = tmp_path / "pointmaster.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, variables or {})


def mistakes(tmp_path: Path, text: str, variables: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text, variables)
    assert str(caught.value) == "\n".join(str(mistake) for mistake in caught.value.mistakes)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_the_example_can_be_used_as_it_is() -> None:
    configuration = load(EXAMPLE, SECRETS)
    (acme,) = configuration.tenants
    points, studio = acme.declaration.definitions
    assert points.policy == Policy(
        validity=Validity(span=Span.MONTHS, length=24, round_up=RoundUp.YEAR),
        returns=Returns.UNLIMITED,
        debt_limit=5000,
    )
    assert (studio.scale, studio.policy.returns) == (2, Returns.WITHIN_BALANCE)
    assert acme.engage is not None
    assert acme.engage.options.points_log.authentication is LogAuthentication.HEADER
    assert acme.engage.secrets.api_key.reveal() == "key-of-the-example"
    assert configuration.database.folder == EXAMPLE.parent / "var" / "postgres"
    assert configuration.warnings == ()


def test_no_secret_shows_in_what_is_printed_of_a_configuration() -> None:
    url = "postgresql://pointmaster:hidden-word@db.internal/pointmaster"
    shown = repr(load(EXAMPLE, {**SECRETS, "DATABASE_URL": url}))
    assert "hidden-word" not in shown
    assert not [value for value in SECRETS.values() if value in shown]


def test_the_smallest_configuration(tmp_path: Path) -> None:
    configuration = read(tmp_path, SMALL)
    assert configuration.database.url is None
    assert configuration.service.open_documentation is False
    assert configuration.tenants[0].engage is None


def test_how_postings_are_gathered_can_be_said(tmp_path: Path) -> None:
    assert read(tmp_path, SMALL).posting == PostingSection()
    said = "[posting]\ncoalescing = false\nlanes = 2\nqueue_max = 5000\nwait_seconds = 3\n"
    posting = PostingSection(coalescing=False, lanes=2, queue_max=5000, wait_seconds=3)
    assert read(tmp_path, SMALL + said).posting == posting
    # A batch of a thousand must always find room, and whoever reads a connection.
    assert mistakes(tmp_path, SMALL + "[posting]\nqueue_max = 999\n") == [
        "posting.queue_max: must be 1000 to 1000000"
    ]
    crowded = "[database]\nconnections = 6\n[posting]\nlanes = 4\n"
    assert mistakes(tmp_path, SMALL + crowded) == [
        "posting.lanes: must be at most 3, half of database.connections: the others read"
    ]


def test_every_mistake_of_form_is_named_at_once(tmp_path: Path) -> None:
    text = """
        port = 8080
        [service]
        port = 70000
        host = ""
        [database]
        postgres = "18"
        [tenants.acme]
        [[tenants.acme.definitions]]
        engage_id = 1
        scale = 5
        [[tenants.acme.definitions]]
        engage_id = 0
        name = "Points"
        scale = 1.5
        validity = { months = 0, round_up = "decade" }
        returns = "always"
        [tenants.acme.engage]
        base_url = "https://acme.voyado.com"
        rate_per_second = 50
        api_key = "secret in the wrong place"
        schedule = { push = { every_seconds = "often" } }
    """
    found = mistakes(tmp_path, text)
    assert found[0].startswith("port: is no setting; there are: tenants, service, database,")
    assert found[1:] == [
        "tenants.acme.time_zone: is missing",
        "tenants.acme.definitions[0].name: is missing",
        "tenants.acme.definitions[0].scale: must be 0 to 4",
        "tenants.acme.definitions[1].engage_id: must be 1 to 2147483647",
        "tenants.acme.definitions[1].scale: must be a whole number",
        "tenants.acme.definitions[1].validity.months: must be 1 to 1220",
        "tenants.acme.definitions[1].validity.round_up: must be one of none, month, quarter, year",
        (
            "tenants.acme.definitions[1].returns: "
            "must be one of only_pending, within_balance, unlimited"
        ),
        found[9],
        "tenants.acme.engage.rate_per_second: must be above 0 and below 50",
        "tenants.acme.engage.schedule.push.every_seconds: must be a number, not text",
        "service.host: must be text of length >= 1",
        "service.port: must be 0 to 65535",
        "database.postgres: must be a whole number, not text",
    ]
    assert found[9].startswith("tenants.acme.engage.api_key: is no setting; there are: base_url")
    assert not [line for line in found if "wrong place" in line]


def test_every_contradiction_is_named_at_once(tmp_path: Path) -> None:
    text = """
        [database]
        postgres = 17
        [tenants.Acme]
        time_zone = "Europe"
        [[tenants.Acme.definitions]]
        engage_id = 1
        name = "Points"
        validity = { days = 1, months = 2 }
        debt_limit = "1.5"
        [[tenants.Acme.definitions]]
        engage_id = 1
        name = "Points"
        validity = { round_up = "year" }
        debt_limit = -3
        [tenants.a-b]
        time_zone = "UTC"
        definitions = [{ engage_id = 1, name = "Points" }]
        [tenants.a_b]
        time_zone = "Mars/Olympus"
        definitions = [{ engage_id = 1, name = "Points" }]
    """
    assert mistakes(tmp_path, text, {"DATABASE_OWNER_URL": "postgresql://owner@db"}) == [
        "tenants.a_b: is too like a-b: both would have their secrets in POINTMASTER_A_B_…",
        "database.postgres: must be 16 or 18",
        "tenants.Acme: a tenant's name has lower case letters, digits, - and _ only",
        "tenants.Acme.time_zone: is no time zone such as Europe/Stockholm",
        "tenants.Acme.definitions[0].validity: counts either days or months",
        "tenants.Acme.definitions[0].debt_limit: has 1 decimals, the definition allows 0",
        "tenants.Acme.definitions[1].engage_id: is that of an earlier definition",
        "tenants.Acme.definitions[1].validity: says how to count, but neither days nor months",
        "tenants.Acme.definitions[1].debt_limit: must not be below zero",
        "tenants.a_b.time_zone: is no time zone such as Europe/Stockholm",
        "DATABASE_OWNER_URL: is set, but DATABASE_URL is not",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"POINTMASTER_ACME_ENGAGE_API_KEY": ""},
            (
                "POINTMASTER_ACME_ENGAGE_API_KEY: neither it nor "
                "POINTMASTER_ACME_ENGAGE_API_KEY_FILE is set"
            ),
        ),
        (
            {"POINTMASTER_ACME_ENGAGE_ENCRYPTION_KEY": "too short"},
            "POINTMASTER_ACME_ENGAGE_ENCRYPTION_KEY: must be exactly 32 characters",
        ),
        (
            {"POINTMASTER_ACME_ENGAGE_SIGNING_SECRET": "no whsec"},
            "POINTMASTER_ACME_ENGAGE_SIGNING_SECRET: must be whsec_ and Base64",
        ),
        (
            {"POINTMASTER_ACME_ENGAGE_POINTS_LOG_SECRET": ""},
            "POINTMASTER_ACME_ENGAGE_POINTS_LOG_SECRET: the authentication header needs a secret",
        ),
        (
            {"POINTMASTER_ACME_ENGAGE_API_KEY_FILE": "/nowhere"},
            (
                "POINTMASTER_ACME_ENGAGE_API_KEY: is set and "
                "POINTMASTER_ACME_ENGAGE_API_KEY_FILE too: only one of them may be"
            ),
        ),
    ],
)
def test_secrets_that_cannot_be_used_are_named_and_not_shown(
    changes: dict[str, str], expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(EXAMPLE, {**SECRETS, **changes})
    assert [str(mistake) for mistake in caught.value.mistakes] == [expected]


def test_a_setting_that_contradicts_another_is_named_with_its_key(tmp_path: Path) -> None:
    text = SMALL + ENGAGE.replace("https:", "http:") + "webhook = { allow_plain = true }\n"
    assert mistakes(tmp_path, text, {"POINTMASTER_ACME_ENGAGE_API_KEY": "k"}) == [
        (
            "tenants.acme.engage.base_url: must begin with https: "
            "the API key would be sent in the clear"
        ),
        (
            "tenants.acme.engage.webhook.allow_plain: "
            "needs a signing secret: anyone could book points otherwise"
        ),
    ]


def test_secrets_may_be_files_and_two_of_a_kind_while_they_are_rotated(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("o" * 32 + "\n", encoding="utf-8")
    variables = {
        "POINTMASTER_ACME_ENGAGE_API_KEY": "k",
        "POINTMASTER_ACME_ENGAGE_ENCRYPTION_KEY": "n" * 32,
        "POINTMASTER_ACME_ENGAGE_ENCRYPTION_KEY_PREVIOUS_FILE": str(old),
    }
    configuration = read(tmp_path, SMALL + ENGAGE, variables)
    engage = configuration.tenants[0].engage
    assert engage is not None
    assert [one.reveal() for one in engage.secrets.encryption_keys] == ["n" * 32, "o" * 32]
    assert configuration.warnings == (
        (
            "acme: no signing secret (POINTMASTER_ACME_ENGAGE_SIGNING_SECRET), so an adjustment is "
            "believed if it can be decrypted"
        ),
    )


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"\n")
    for path, message in ((tmp_path / "nowhere", "can't be read"), (empty, "is empty or too")):
        (found,) = mistakes(
            tmp_path, SMALL + ENGAGE, {"POINTMASTER_ACME_ENGAGE_API_KEY_FILE": str(path)}
        )
        assert found.startswith("POINTMASTER_ACME_ENGAGE_API_KEY_FILE: ")
        assert message in found


def test_a_tenant_whose_webhooks_can_only_be_refused_is_noted(tmp_path: Path) -> None:
    configuration = read(tmp_path, SMALL + ENGAGE, {"POINTMASTER_ACME_ENGAGE_API_KEY": "k"})
    assert configuration.warnings == (
        (
            "acme: neither a signing secret nor an encryption key, so every adjustment that Engage "
            "sends is refused"
        ),
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[tenants", "is no TOML"),
        (b"\xff", "is no TOML"),
        (b"", "tenants: is missing"),
        (b"tenants = {}", "tenants: must be a table of length >= 1"),
        (b"tenants = 3", "tenants: must be a table, not a whole number"),
        (b"tenants = { acme = 3 }", "tenants.acme: must be a table"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "pointmaster.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=expected):
        load(path, {})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        load(tmp_path / "pointmaster.toml", {})
