"""${message}

What a revision must do, and this one does (delete what does not apply):

* run beside the old code: add first; remove in a later revision, when nothing uses it any more
  (a test looks; what can't be done so says how to roll services in a paragraph "Not beside the old code: …");
* hold no lock for long: fill new columns in batches, add constraints NOT VALID and validate them afterwards, create
  indexes on full tables CONCURRENTLY (`with op.get_context().autocommit_block():`);
* declare each new table with `facts` or `state` of `migrations.privileges`.

There is no way down: a mistake is repaired by the next revision.

Revision: ${up_revision}, after ${down_revision | comma,n}. Written ${create_date.date()}.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
from migrations.privileges import facts, state

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    ${upgrades if upgrades else "pass"}
