"""The demo's proofs fail where something is wrong, and its folder keeps its secrets."""

import stat
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.configuration import load
from api.demonstration import proofs
from api.demonstration.doors import Balance, effect
from api.demonstration.engage import LogsAsked, adjustments_of
from api.demonstration.folder import DemoFolder, FolderInUseError
from api.demonstration.shop import Customer, Kind, Shop, ShopPosting, open_shop
from api.documents.finance import TrialBalanceDocument
from api.documents.transactions import OutcomeDocument, TransactionDocument
from ledger.auditing import Finding

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ANY_ID = "019aa5c4-3f1e-7c3a-9d52-6f0b8d5a2c11"
CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"
MEMBER = Customer("17850", CONTACT)

EARN = ShopPosting("1", CONTACT, Kind.EARN, 100, b"{}")
RETURN = ShopPosting("C1:1", CONTACT, Kind.RETURN, -30, b"{}")


def transaction(*transfers: tuple[str, str, int], **fields: Any) -> TransactionDocument:
    """A transaction as the service answers it."""
    zero = msgspec.Raw(b"0")
    document = {
        "transactionId": ANY_ID,
        "contactId": CONTACT,
        "kind": "earn",
        "definitionId": 1,
        "amount": zero,
        "effectiveAt": NOW,
        "recordedAt": NOW,
        "source": "shop",
        "transfers": [
            {"debit": debit, "credit": credit, "amount": amount, "effectiveAt": NOW}
            for debit, credit, amount in transfers
        ],
        "balance": dict.fromkeys(("available", "pending", "held", "debt"), zero),
        **fields,
    }
    return msgspec.json.decode(msgspec.json.encode(document), type=TransactionDocument)


def booked(*transfers: tuple[str, str, int], **fields: Any) -> OutcomeDocument:
    return OutcomeDocument("booked", transaction=transaction(*transfers, **fields))


def shop(*postings: ShopPosting) -> Shop:
    return Shop((MEMBER,), postings, len(postings), 0, NOW, NOW)


def posted(*outcomes: tuple[ShopPosting, OutcomeDocument]) -> proofs.Posted:
    found = proofs.Posted()
    for posting, outcome in outcomes:
        found.note(posting, outcome)
    return found


@pytest.mark.parametrize(
    ("transfers", "moved"),
    [
        ([("issued", "available", 100)], 100),
        ([("available", "issued", 30)], -30),
        ([("available", "issued", 20), ("debt", "issued", 10)], -30),
        ([("issued", "debt", 10), ("issued", "available", 5)], 15),
        ([("available", "held", 40)], 0),
        ([], 0),
    ],
)
def test_an_effect_is_what_enters_and_leaves_a_customers_buckets(
    transfers: list[tuple[str, str, int]], moved: int
) -> None:
    assert effect(transaction(*transfers)) == moved


def test_postings_hold_where_each_moved_what_the_shop_expects() -> None:
    back = {"reversed": 30, "notReversed": 0}
    found = posted(
        (EARN, booked(("issued", "available", 100))),
        (RETURN, booked(("available", "issued", 30), **back)),
    )
    assert (found.booked, found.known) == (2, 0)
    assert proofs.postings_are_booked(shop(EARN, RETURN), found).holds
    assert proofs.returns_take_back_their_part(shop(EARN, RETURN), found).holds


@pytest.mark.parametrize(
    ("posting", "outcome"),
    [
        (EARN, booked(("issued", "available", 99))),
        (EARN, OutcomeDocument("refused")),
        (RETURN, booked(("available", "issued", 29), reversed=29, notReversed=1)),
        (RETURN, booked(("available", "issued", 30), reversed=29, notReversed=0)),
        (RETURN, booked(("available", "issued", 30), reversed=30, notReversed=1)),
        (RETURN, booked(("available", "issued", 30))),
    ],
)
def test_a_posting_that_went_otherwise_is_named(
    posting: ShopPosting, outcome: OutcomeDocument
) -> None:
    proof = proofs.postings_are_booked(shop(posting), posted((posting, outcome)))
    assert not proof.holds
    assert proof.against[0].startswith(f"{posting.key}: ")


def test_a_posting_without_an_answer_is_missed() -> None:
    found = posted((EARN, booked(("issued", "available", 100))))
    assert proofs.postings_are_booked(shop(EARN, RETURN), found).against == (
        "1 postings were not answered",
    )


@pytest.mark.parametrize(
    ("net", "others", "holds"), [(70, 0, True), (75, 5, True), (70, 5, False), (71, 0, False)]
)
def test_the_books_are_held_against_the_shops_own_sum(
    net: int, others: int, *, holds: bool
) -> None:
    expected = proofs.expected_points(shop(EARN, RETURN), [])
    proof = proofs.books_hold_what_happened(
        [MEMBER], expected, {CONTACT: others}, {CONTACT: Balance(net, net)}
    )
    assert proof.holds == holds


@pytest.mark.parametrize(
    ("balance", "shown", "holds"),
    [
        (Balance(70, 70), {CONTACT: Decimal(70)}, True),
        (Balance(70, 70), {CONTACT: Decimal("70.5")}, False),
        (Balance(70, 70), {}, False),
        (Balance(0, -41), {CONTACT: Decimal(0)}, True),
        (Balance(0, -41), {CONTACT: Decimal(-41)}, False),
        (Balance(0, 0), {}, True),
    ],
    ids=["same", "other", "unknown", "debt shows as zero", "debt shows", "nothing ever"],
)
def test_engage_has_to_show_what_can_be_spent(
    balance: Balance, shown: dict[str, Decimal], *, holds: bool
) -> None:
    assert proofs.engage_follows([MEMBER], {CONTACT: balance}, shown).holds == holds


def test_an_adjustment_has_to_be_in_the_books_exactly_once() -> None:
    [made] = adjustments_of([MEMBER])
    assert adjustments_of([MEMBER]) == (made,), "the same event in every run"
    for times, holds in ((1, True), (0, False), (2, False)):
        assert proofs.adjustments_arrived([made], [], {made.event_id: times}).holds == holds
    assert not proofs.adjustments_arrived([made], ["401"], {made.event_id: 1}).holds


def test_points_logs_have_to_be_well_formed_and_add_up() -> None:
    logs = LogsAsked(1, 2, 1, (), {CONTACT: Decimal(70)})
    balances = {CONTACT: Balance(70, 70)}
    assert proofs.logs_add_up(logs, balances).holds
    assert not proofs.logs_add_up(logs, {CONTACT: Balance(71, 71)}).holds
    wrong = msgspec.structs.replace(logs, problems=("row 0: lacks amount",))
    assert not proofs.logs_add_up(wrong, balances).holds


@pytest.mark.parametrize(
    ("balanced", "difference", "holds"), [(True, 0, True), (False, 0, False), (True, 1, False)]
)
def test_a_trial_balance_has_to_be_zero_and_say_so(
    *, balanced: bool, difference: int, holds: bool
) -> None:
    document = {
        "at": NOW,
        "balanced": balanced,
        "definitions": [
            {
                "definitionId": 1,
                "name": "Points",
                "lines": [],
                "holdersSide": 70,
                "programSide": 70 - difference,
                "difference": difference,
            }
        ],
    }
    trial = msgspec.json.decode(msgspec.json.encode(document), type=TrialBalanceDocument)
    assert proofs.trial_balance_is_zero(trial).holds == holds


def test_a_finding_speaks_against_the_books_and_a_warning_does_not() -> None:
    finding = Finding(3, "holder 1", "available is 7, its transfers make 8")
    assert not proofs.verification_is_clean([finding], 2).holds
    assert proofs.verification_is_clean([replace(finding, is_warning=True)], 2).holds
    assert proofs.engage_is_content({}).holds
    assert not proofs.engage_is_content({"no-time": 1}).holds


def test_the_whole_shop_is_the_founding_one() -> None:
    whole = open_shop(10_000)
    assert (len(whole.customers), whole.invoices, whole.worthless) == (4372, 22_190, 34)
    points = proofs.expected_points(whole, [])
    assert sum(points.values()) == 8_306_958 - 13_207
    assert sum(net < 0 for net in points.values()) == 41


def test_a_part_of_the_shop_is_the_beginning_of_a_larger_part() -> None:
    few, more = open_shop(20), open_shop(40)
    assert more.customers[:20] == few.customers
    assert set(few.postings) < set(more.postings)


def test_the_folder_keeps_its_secrets(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "var" / "demo")
    with folder.opened():
        folder.write_engage_settings()
        known = folder.secrets()
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        holding = [
            path
            for path in folder.path.rglob("*")
            if path.is_file() and any(secret in path.read_text() for secret in vars_of(known))
        ]
        assert len(holding) == 5
        assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}
        with pytest.raises(FolderInUseError, match="another demo"), folder.opened():
            pass
    with folder.opened():
        assert folder.secrets() == known, "the same in the next run"


def vars_of(known: Any) -> list[str]:
    return [known.api_key, known.encryption_key, known.signing_secret, known.points_log]


def test_the_service_is_told_the_folders_secrets_and_nobody_elses_database(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "demo")
    inherited = {
        "PATH": "/bin",
        "DATABASE_URL": "postgresql://books",
        "DATABASE_OWNER_URL": "postgresql://books",
        "POINTMASTER_CONFIG": "/etc/pointmaster.toml",
    }
    with folder.opened():
        folder.write_configuration("http://127.0.0.1:7801", 16)
        environment = folder.environment(inherited)
        assert environment.items() >= {"PATH": "/bin"}.items()
        assert not environment.keys() & (inherited.keys() - {"PATH"})
        configuration = load(folder.configuration, environment)
        assert configuration.database.url is None
        assert configuration.database.folder == folder.books
        assert configuration.database.postgres == 16
        assert configuration.warnings == ()
        assert not [
            name for name, value in environment.items() if value in vars_of(folder.secrets())
        ]


def test_a_folder_remembers_the_most_customers_it_had(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    assert [folder.customers(asked) for asked in (20, 60, 20)] == [20, 60, 60]
