"""PostgreSQL as the books meet it: a server of our own, or the one that was given.

With no `DATABASE_URL` the service runs PostgreSQL itself, from the programs that come with a Python
package, and keeps its data in a folder. With one, it uses that server and checks it first. Either
way the rest of the project sees a `Database`: two connection strings and a version. How the own
server is started, shared and stopped is `server`; what it is told is `settings`; a docs/decisions
page says why it is so.
"""

from ledger.postgres.connection import connect, engine
from ledger.postgres.database import Database, UnsuitableDatabaseError, open_database
from ledger.postgres.server import Server, start
from ledger.postgres.settings import OWNER_ROLE, SERVICE_ROLE, SUPERUSER_ROLE, Profile

__all__ = [
    "OWNER_ROLE",
    "SERVICE_ROLE",
    "SUPERUSER_ROLE",
    "Database",
    "Profile",
    "Server",
    "UnsuitableDatabaseError",
    "connect",
    "engine",
    "open_database",
    "start",
]
