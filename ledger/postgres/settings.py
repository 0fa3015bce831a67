"""What the own server is told: its configuration, and who may connect.

Written anew before every start, so that a new release brings its settings with it; what an operator
wants otherwise goes into `local.conf` beside it, which is read last and never written. Nobody is
trusted: the server listens on a socket in a private folder only, and asks the kernel who is calling
(peer authentication), so there are no passwords to keep or to leak.
"""

from dataclasses import dataclass
from enum import StrEnum

from ledger.postgres.memory import memory_settings

SUPERUSER_ROLE = "postgres"
OWNER_ROLE = "pointmaster_owner"
"""Owns the schemas and migrates them."""
SERVICE_ROLE = "pointmaster_service"
"""What the service runs as: may do what a migration granted, and nothing else."""
DATABASE = "pointmaster"


class Profile(StrEnum):
    """How much the server is to care."""

    DURABLE = "durable"
    """What was committed is on the disk."""
    TESTS = "tests"
    """Fast, and lost when the machine stops. For the test suite only."""


SETTINGS: dict[str, str] = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "superuser_reserved_connections": "3",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "datestyle": "'ISO, YMD'",
    "lc_messages": "'C'",
    # Durability: an answered purchase is on the disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # A small machine: two cores, a few gigabytes, one service. How much it keeps in memory of its
    # own is said by `memory`.
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "wal_buffers": "16MB",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_parallel_workers_per_gather": "1",
    # A caller that vanished or forgot its transaction must not hold locks for ever.
    "idle_in_transaction_session_timeout": "'5min'",
    "client_connection_check_interval": "'10s'",
    # Seven files, by weekday, each overwritten a week later.
    "logging_collector": "on",
    "log_directory": "'log'",
    "log_filename": "'postgresql-%a.log'",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "'%m [%p] %q%u@%d '",
    "log_checkpoints": "off",
    "log_lock_waits": "on",
    "log_min_messages": "warning",
    # What statements and details quote could be personal.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}

TESTS_SETTINGS: dict[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "128MB",
    "min_wal_size": "80MB",
    "max_wal_size": "1GB",
    "max_connections": "200",
    "logging_collector": "off",
    "log_min_messages": "fatal",
}


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """One of the files a server reads at its start."""

    name: str
    text: str


def configuration(
    profile: Profile, memory: int, system_users: tuple[str, ...]
) -> tuple[ConfigurationFile, ...]:
    """The server's configuration.

    Args:
        profile: durable, or fast for tests.
        memory: bytes that the machine has.
        system_users: names of the operating system's accounts that may connect, as any of the three
            roles.
    """
    chosen = SETTINGS | memory_settings(memory)
    if profile is Profile.TESTS:
        chosen |= TESTS_SETTINGS
    lines = [
        "# Written by Pointmaster before every start. Your own settings go into local.conf.",
        *(f"{name} = {value}" for name, value in chosen.items()),
        "include_if_exists = 'local.conf'",
    ]
    maps = [
        f"pointmaster {_quoted(user)} {role}"
        for user in dict.fromkeys(system_users)
        for role in (SUPERUSER_ROLE, OWNER_ROLE, SERVICE_ROLE)
    ]
    return (
        ConfigurationFile("postgresql.conf", _lines(lines)),
        ConfigurationFile("pg_hba.conf", "local all all peer map=pointmaster\n"),
        ConfigurationFile("pg_ident.conf", _lines(maps)),
    )


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


ROLES_AND_DATABASE = f"""\
CREATE ROLE {OWNER_ROLE} LOGIN;

CREATE ROLE {SERVICE_ROLE} LOGIN;

CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE};

REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;

GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO {SERVICE_ROLE};
"""
"""What a new cluster is given once; blank lines separate the statements (see `cluster`)."""
