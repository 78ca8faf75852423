"""What a ledger says to a PostgreSQL server itself: how a connection is set up, and its own statements."""

from __future__ import annotations

from collections.abc import Mapping

WAIT_SECONDS = 10

# A connection that is cut without a word is noticed within half a minute. What the URL says comes before these.
CONNECT: Mapping[str, str] = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "application_name": "pytest-dgbudget",
}
# Whatever a database or a user has as defaults: who has waited for a lock must see what was written meanwhile, and
# waits as long as we say. Whoever stops in the middle of a transaction must not keep the ledger from all others.
SESSION = (
    ("synchronous_commit", "on"),
    ("lock_timeout", f"{WAIT_SECONDS}s"),
    ("idle_in_transaction_session_timeout", f"{2 * WAIT_SECONDS}s"),
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("TimeZone", "UTC"),
    # The server notices as well that a machine is gone without a word: what it held would be held for hours.
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "20000"),
    # As long as the server has no statistics it takes every table for a small one. A lease is decided in a millisecond.
    ("enable_seqscan", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
)
# What this version of the server knows of these.
SET = """SELECT set_config(wanted.name, wanted.value, false)
    FROM unnest(%s::text[], %s::text[]) AS wanted (name, value) JOIN pg_settings ON pg_settings.name = wanted.name"""

TABLES = """SELECT relname AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = current_schema() AND relkind IN ('r', 'p')"""
# Whoever excludes others doesn't keep them waiting for the disk as well: what was committed is flushed afterwards.
EXCLUDE = """SELECT set_config('lock_timeout', :wait, true), set_config('synchronous_commit', 'off', true),
    pg_advisory_xact_lock(:key), clock_timestamp() AS now"""
FLUSH = "SELECT pg_logical_emit_message(true, 'dgbudget', '')"
COMMIT = "COMMIT"
HOLD = "SELECT pg_advisory_lock_shared(:key)"
SIZE = """SELECT CAST(COALESCE(SUM(pg_total_relation_size(quote_ident(tablename)::regclass)), 0) AS BIGINT) AS bytes
    FROM pg_tables WHERE schemaname = current_schema()"""
HELD = """SELECT classid::bigint AS high, objid::bigint AS low FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
LISTEN = "LISTEN dgbudget"
NOTIFY = "NOTIFY dgbudget"
