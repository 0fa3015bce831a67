"""When the server tidies up the large tables: by their use, not by a fifth of their size.

A fifth of fifty million accounts is ten million dead rows before the server looks, and a queue that
is emptied as fast as it fills is mostly dead rows whatever its size.

Revision: 0012, after 0011. Written 2026-11-21.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CHANGING = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05"
GROWING = "autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05"
QUEUE = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000"

OPTIONS = {
    "holder": CHANGING,
    "account": CHANGING,
    "lot": CHANGING,
    "transaction": GROWING,
    "transfer": GROWING,
    "allocation": GROWING,
    "idempotency": GROWING,
    "outbox": QUEUE,
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for table, options in OPTIONS.items():
        op.execute(f"alter table ledger.{table} set ({options})")
