"""The numbers that are stored and hashed into every chain: published once, and for ever."""

from ledger.kinds import BUCKETS, LOT_BUCKETS, PROGRAM_ACCOUNTS, Kind, LedgerAccount


def test_a_ledger_account_keeps_its_number_for_ever() -> None:
    assert {account.word: account.value for account in LedgerAccount} == {
        "available": 1,
        "pending": 2,
        "held": 3,
        "debt": 4,
        "issued": 11,
        "redeemed": 12,
        "expired": 13,
        "adjusted": 14,
        "opening": 15,
        "moved": 16,
        "closed": 17,
    }


def test_a_kind_keeps_its_number_for_ever() -> None:
    assert {kind.word: kind.value for kind in Kind} == {
        "earn": 1,
        "redeem": 2,
        "hold": 3,
        "capture": 4,
        "release": 5,
        "return": 6,
        "cancel": 7,
        "adjust": 8,
        "move": 9,
        "activate": 10,
        "extend": 11,
        "close": 12,
        "open": 13,
        "receive": 14,
        "activation": 20,
        "expiry": 21,
        "timeout": 22,
    }


def test_a_holder_s_side_and_the_program_s_side_are_told_apart() -> None:
    assert [account.word for account in BUCKETS] == ["available", "pending", "held", "debt"]
    assert (*BUCKETS, *PROGRAM_ACCOUNTS) == tuple(LedgerAccount)
    assert {account.word for account in LOT_BUCKETS} == {"available", "pending"}
