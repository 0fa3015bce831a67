"""The rooms of the own server that need no server: settings, accounts, locks, pid files."""

import os
from pathlib import Path

import pytest

from ledger.postgres import Profile
from ledger.postgres.account import Account
from ledger.postgres.connection import plain_dsn
from ledger.postgres.locks import FileLock, is_free
from ledger.postgres.memory import memory_of_machine, memory_settings
from ledger.postgres.postmaster import PidFile, read_pid_file
from ledger.postgres.settings import configuration

GIBIBYTE = 2**30


def files(profile: Profile, *users: str) -> dict[str, str]:
    return {file.name: file.text for file in configuration(profile, 2 * GIBIBYTE, users)}


def test_only_the_tests_profile_does_not_wait_for_the_disk() -> None:
    assert "\nfsync = on\n" in files(Profile.DURABLE, "someone")["postgresql.conf"]
    assert "\nfsync = off\n" in files(Profile.TESTS, "someone")["postgresql.conf"]
    for profile in Profile:
        assert "\nlisten_addresses = ''\n" in files(profile, "someone")["postgresql.conf"]


@pytest.mark.parametrize(
    ("gibibytes", "buffers", "cached"),
    [
        (1, "256MB", "512MB"),
        (2, "512MB", "1024MB"),
        (16, "4096MB", "8192MB"),
        (512, "8192MB", "262144MB"),
    ],
)
def test_the_server_may_have_a_quarter_of_the_memory_within_bounds(
    gibibytes: int, buffers: str, cached: str
) -> None:
    found = memory_settings(gibibytes * GIBIBYTE)
    assert found == {"shared_buffers": buffers, "effective_cache_size": cached}
    assert "\nshared_buffers = 128MB\n" in files(Profile.TESTS)["postgresql.conf"]


@pytest.mark.parametrize(
    ("limit", "known"), [("max\n", False), ("1048576\n", True), ("9223372036854771712\n", False)]
)
def test_a_container_may_have_less_memory_than_the_machine(
    tmp_path: Path, limit: str, *, known: bool
) -> None:
    (tmp_path / "limit").write_text(limit)
    whole = memory_of_machine(())
    found = memory_of_machine((tmp_path / "none", tmp_path / "limit"))
    assert found == (1048576 if known else whole)


def test_nobody_is_trusted() -> None:
    for profile in Profile:
        assert files(profile, "someone")["pg_hba.conf"] == "local all all peer map=pointmaster\n"


def test_an_account_is_mapped_once_to_each_role_whatever_its_name() -> None:
    assert files(Profile.DURABLE, 'a "b" c', 'a "b" c')["pg_ident.conf"].splitlines() == [
        'pointmaster "a ""b"" c" postgres',
        'pointmaster "a ""b"" c" pointmaster_owner',
        'pointmaster "a ""b"" c" pointmaster_service',
    ]


@pytest.mark.parametrize(
    ("mode", "account", "may_read"),
    [
        (0o400, Account(1, 9, "owner"), True),
        (0o040, Account(1, 9, "owner"), False),  # the owner is asked as the owner, nothing else
        (0o040, Account(8, 2, "of the group"), True),
        (0o004, Account(8, 2, "of the group"), False),
        (0o004, Account(8, 9, "another"), True),
        (0o440, Account(8, 9, "another"), False),
        (0o000, Account(0, 0, "root"), True),
    ],
)
def test_mode_bits_say_who_may_read(mode: int, account: Account, *, may_read: bool) -> None:
    status = os.stat_result((0o100000 | mode, 0, 0, 1, 1, 2, 0, 0, 0, 0))
    assert account.may(4, status) is may_read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", None),
        ("\n", None),
        ("12", PidFile(12, "starting")),
        ("12\n/data\n1700000000\n5432\n/socket\n\n  1 2\nready   \n", PidFile(12, "ready")),
        ("12\n/data\n1700000000\n5432\n/socket\n\n  1 2\nstopping\n", PidFile(12, "stopping")),
    ],
)
def test_a_pid_file_may_be_half_written(tmp_path: Path, text: str, said: PidFile | None) -> None:
    assert read_pid_file(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text(text)
    assert read_pid_file(tmp_path) == said


def test_a_lock_is_shared_or_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    one, other = FileLock(path), FileLock(path)
    assert one.take(shared=True)
    assert other.take(shared=True)
    assert not is_free(path)
    assert not one.take()  # the other shares it
    other.release()
    assert one.take()
    assert not other.take(shared=True)
    one.close()
    assert is_free(path)
    assert other.is_at(path)
    path.unlink()
    assert not other.is_at(path)
    other.close()


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("postgresql://a@b/c", "postgresql://a@b/c"),
        ("postgres://a@b/c?x=1", "postgresql://a@b/c?x=1"),
        ("postgresql+asyncpg://a@b/c", "postgresql://a@b/c"),
        ("mysql://a@b/c", "mysql://a@b/c"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_connection_string_loses_the_driver_in_its_scheme(given: str, plain: str) -> None:
    assert plain_dsn(given) == plain
