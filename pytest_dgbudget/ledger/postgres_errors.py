"""What errors of a PostgreSQL server mean for a ledger, and what to do about them."""

from __future__ import annotations

LOCKED = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock timeout
NOT_WRITABLE = {"25006", "42501", "53100"}  # read-only transaction, insufficient privilege, disk full

REACH = (
    "see whether this machine reaches the server, and the user, password and database in DG_LEDGER, PGPASSWORD or "
    "~/.pgpass"
)
RIGHTS = (
    "its user needs the right to create tables in that schema for its first run, and after that to read and insert, "
    "and in its table waiter to update and delete"
)
