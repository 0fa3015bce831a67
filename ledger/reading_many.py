"""Balances of many contacts by one statement, for doors that many callers stand at.

The one hard idea: nearly always nothing is due, and then an account's row is the whole answer. So
the statement reads rows and whether something is due; only contacts where something is are read
again the long way (`ledger.reading`), which knows how to derive it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ledger.amounts import Points
from ledger.book import Contact
from ledger.connection import Connection
from ledger.facts import Balance
from ledger.identity import DefinitionId, HolderId
from ledger.reading import AccountBalance, balances

BALANCES_OF_CONTACTS = """
    -- What many contacts' accounts hold, and whether something is due that is not booked yet. The
    -- inner selects hide how many are asked about, or a statement for few would be planned anew
    -- each time, which takes longer than answering it.
    -- Index: contact_pk, account_pk.
    select asked.place, account.holder_id, account.definition_id, account.available,
           account.pending, account.held, account.debt, account.next_due_at, instant.now,
           account.next_due_at <= instant.now as is_due
    from unnest((select $1::smallint[]), (select $2::uuid[])) with ordinality
        as asked (tenant_id, contact_id, place)
    join ledger.contact using (tenant_id, contact_id)
    join ledger.account using (holder_id)
    cross join (select clock_timestamp() as now) as instant
    order by account.definition_id
"""


async def balances_of(
    connection: Connection, contacts: Sequence[Contact]
) -> Mapping[Contact, list[AccountBalance]]:
    """Each contact's accounts now, by definition; none for a contact without points."""
    rows = await connection.fetch(
        BALANCES_OF_CONTACTS,
        [tenant for tenant, _ in contacts],
        [contact for _, contact in contacts],
    )
    found: dict[Contact, list[AccountBalance]] = defaultdict(list)
    due: set[Contact] = set()
    for place, holder, definition, available, pending, held, debt, next_due_at, now, is_due in rows:
        contact = contacts[place - 1]
        if is_due:
            due.add(contact)
            continue
        balance = Balance(Points(available), Points(pending), Points(held), Points(debt))
        account = AccountBalance(
            HolderId(holder), DefinitionId(definition), balance, next_due_at, now
        )
        found[contact].append(account)
    for contact in due:
        found[contact] = await balances(connection, *contact)
    return {contact: found.get(contact, []) for contact in contacts}
