"""Which idempotency keys are in the books already: a look from outside a posting.

The one hard idea: a key that is there stays for ever, so "known" can be trusted without a lock;
"unknown" can't, and only posting decides.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ledger.connection import Connection
from ledger.entries import Known
from ledger.identity import HolderId

KNOWN_KEYS: Final = """
    -- Index: idempotency_pk, holder_pk.
    select idempotency.*, holder.salt from ledger.idempotency
    left join ledger.holder on holder.id = idempotency.holder_id
    where key_hash = any($1::uuid[])
"""


async def known_keys(connection: Connection, keys: Sequence[UUID]) -> dict[UUID, Known]:
    """Those of these keys (`ledger.identity.key_hash`) that are booked, and for what."""
    return {
        row["key_hash"]: Known(
            HolderId(row["holder_id"]), row["number"], row["fingerprint"], row["salt"]
        )
        for row in await connection.fetch(KNOWN_KEYS, list(keys))
    }
