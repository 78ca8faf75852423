"""The ledger's tables, shared by every backend, and how a ledger of an earlier version gets them.

Rows are only ever inserted (an upgrade fills new columns; those of ``waiter`` go again); "once" is a UNIQUE. The
``target`` of an attempt and of a dial is where it went; NULL: where its run did. ``micro_usd`` are millionths of a
dollar; NULL: not known.
"""

from __future__ import annotations

from collections.abc import Mapping

VERSION = 8
# The oldest version whose writers may go on writing into a ledger of this one: they know all that they must write.
WRITABLE_FROM = 6

_RECONCILIATION = """CREATE TABLE reconciliation (
    run TEXT NOT NULL REFERENCES run, seq INTEGER NOT NULL, verdict TEXT NOT NULL, at TEXT NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (run, seq))"""

# What the vendor's statement says of a lease whose end nobody here saw.
_STATED = """CREATE TABLE stated (
    lease TEXT NOT NULL REFERENCES lease, seq INTEGER NOT NULL, ms BIGINT NOT NULL, at TEXT NOT NULL,
    {more}PRIMARY KEY (lease, seq))"""

# Up to which number every lease has ended: the next run looks at later ones only.
_SWEPT = "CREATE TABLE swept (number INTEGER PRIMARY KEY)"
_INDICES_OF_VERSION_3 = (
    "CREATE INDEX invocation_of_run ON invocation (run)",
    "CREATE UNIQUE INDEX lease_in_order ON lease (number)",
    "CREATE INDEX usage_of_dial ON usage (dial)",
)

# Sessions past the gateway; ``attempt`` is NULL where no test ran.
_BYPASS = (
    """CREATE TABLE bypass (
        run TEXT NOT NULL REFERENCES run, attempt TEXT REFERENCES attempt, host TEXT NOT NULL, path TEXT NOT NULL,
        how TEXT NOT NULL, program TEXT NOT NULL, {more}at TEXT NOT NULL)""",
    "CREATE INDEX bypass_of_run ON bypass (run)",
    "CREATE INDEX bypass_of_attempt ON bypass (attempt)",
)

# What a session was made of. Milliseconds from its dial.
_PARTS_OF_SESSIONS = (
    """CREATE TABLE tier_span (
        dial TEXT NOT NULL REFERENCES dial, number INTEGER NOT NULL, from_ms BIGINT NOT NULL, ms BIGINT NOT NULL,
        tier TEXT, micro_usd_per_minute BIGINT NOT NULL, estimated INTEGER NOT NULL, PRIMARY KEY (dial, number))""",
    """CREATE TABLE turn (
        dial TEXT NOT NULL REFERENCES dial, number INTEGER NOT NULL, started_ms BIGINT NOT NULL, since TEXT NOT NULL,
        answered_ms BIGINT, overlapped INTEGER NOT NULL, unpaced INTEGER NOT NULL, continued INTEGER NOT NULL,
        function_ms BIGINT NOT NULL, PRIMARY KEY (dial, number))""",
    """CREATE TABLE violation (
        dial TEXT NOT NULL REFERENCES dial, number INTEGER NOT NULL, rule TEXT NOT NULL, at_ms BIGINT NOT NULL,
        what TEXT NOT NULL, PRIMARY KEY (dial, number))""",
)

# Keys that were made for a run, by their ids at the vendor, and who waits for a budget that another run holds.
_KEYS_AND_WAITERS = (
    """CREATE TABLE run_key (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, invocation TEXT NOT NULL REFERENCES invocation,
        made_at TEXT NOT NULL)""",
    "CREATE TABLE run_key_end (run_key TEXT PRIMARY KEY REFERENCES run_key, at TEXT NOT NULL)",
    """CREATE TABLE waiter (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, gateway TEXT NOT NULL, {more}at TEXT NOT NULL)""",
)

# The sum of a scope's leases up to a number: of one that is shared for years, only later ones are added up.
# ``cut_budget_ms`` is the largest budget by which a session was cut, ``unpriced_ms`` what has no price.
_CLOSED_SUM = """CREATE TABLE closed_sum (
    scope TEXT NOT NULL, until BIGINT NOT NULL, seq INTEGER NOT NULL, ms BIGINT NOT NULL, micro_usd BIGINT NOT NULL,
    unpriced_ms BIGINT NOT NULL, cut_budget_ms BIGINT, {more}at TEXT NOT NULL, PRIMARY KEY (scope, until, seq))"""

_INDICES_OF_VERSION_5 = (
    "CREATE INDEX lease_in_run ON lease (run, number)",
    "CREATE INDEX lease_by_time ON lease (taken_at)",
    "CREATE INDEX run_by_time ON run (at)",
    "CREATE INDEX attempt_of_test ON attempt (nodeid, at)",
    "CREATE INDEX run_key_of_run ON run_key (run)",
    "CREATE INDEX run_key_of_invocation ON run_key (invocation)",
    "CREATE INDEX run_key_by_time ON run_key (made_at)",
)

# What version 6 knows more of each: the budget that cut a session (``used`` and ``allowed`` in its currency), which of
# several refused one, what an attempt has waited for, and what a waiter waits for.
_MORE_IN_VERSION_6 = {
    "refusal": ("label TEXT",),
    "usage": (
        "cut_currency TEXT",
        "cut_label TEXT",
        "cut_used BIGINT",
        "cut_allowed BIGINT",
        "cut_also_used BIGINT",
    ),
    "wait": ("waits_for TEXT",),
    "waiter": ("waits_for TEXT",),
    "closed_sum": ("cut_budget_micro_usd BIGINT",),
}

# What version 7 knows more of each: by which id a row is there once, and how many of the vendor's LatencyReports had a
# total (NULL: nobody noted them).
_MORE_IN_VERSION_7 = {
    "wait": ("id TEXT",),
    "refusal": ("id TEXT",),
    "bypass": ("id TEXT",),
    "usage": ("vendor_reports INTEGER",),
}

# What version 8 knows more of each: of a session that was replayed, the cassette that its Settings chose, when that was
# recorded, and what its client did otherwise (NULL: nothing). Such a session's dial has the folder of its cassettes.
# Of a run that is archived: how many of its sessions were replayed, and what that saved.
_MORE_IN_VERSION_8 = {
    "usage": ("cassette TEXT", "cassette_recorded_at TEXT", "mismatch TEXT"),
    "archived": ("replays INTEGER", "saved_ms BIGINT", "saved_micro_usd BIGINT"),
}

# Of a session that was dialled: the cassette that was made of it.
_MADE_CASSETTE = """CREATE TABLE made_cassette (
    dial TEXT PRIMARY KEY REFERENCES dial, cassette TEXT NOT NULL, at TEXT NOT NULL)"""

# What the vendor's LatencyReports of a session have as total.
_VENDOR_LATENCY = """CREATE TABLE vendor_latency (
    dial TEXT NOT NULL REFERENCES dial, number INTEGER NOT NULL, ms BIGINT NOT NULL, PRIMARY KEY (dial, number))"""

_INDICES_OF_VERSION_7 = (
    "CREATE UNIQUE INDEX wait_once ON wait (id)",
    "CREATE UNIQUE INDEX refusal_once ON refusal (id)",
    "CREATE UNIQUE INDEX bypass_once ON bypass (id)",
)

# What the vendor has billed for a lease, as far as its statement says so: windows count it. NULL: as we do.
_BILLED = """CREATE TABLE billed (
    lease TEXT NOT NULL REFERENCES lease, seq INTEGER NOT NULL, ms BIGINT, micro_usd BIGINT, at TEXT NOT NULL,
    PRIMARY KEY (lease, seq))"""

# Runs whose details are in an archive file, with what they came to, and requests of theirs that may still be stated.
_ARCHIVED = (
    """CREATE TABLE archived (
        run TEXT NOT NULL REFERENCES run, seq INTEGER NOT NULL, file TEXT NOT NULL, at TEXT NOT NULL,
        began_at TEXT NOT NULL, ended_at TEXT NOT NULL, sessions INTEGER NOT NULL, ms BIGINT NOT NULL,
        micro_usd BIGINT, {more}PRIMARY KEY (run, seq))""",
    "CREATE INDEX archived_by_end ON archived (ended_at)",
    "CREATE TABLE archived_request (request_id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run)",
    "CREATE INDEX archived_request_of_run ON archived_request (run)",
)

# Of what was cut by a ledger of version 5: by which budget of its time.
_CUTS_OF_VERSION_5 = """UPDATE usage SET cut_currency = 'time', cut_allowed = (
        SELECT CASE WHEN usage.closed_by = 'run-budget' THEN invocation.budget_ms ELSE attempt.budget_ms END
        FROM dial JOIN lease ON lease.id = dial.lease JOIN attempt ON attempt.id = lease.attempt
        JOIN invocation ON invocation.id = attempt.invocation WHERE dial.id = usage.dial)
    WHERE closed_by IN ('run-budget', 'test-budget')"""

# What version 5 knows more of each.
_MORE_IN_VERSION_5 = {
    "schema": ("writable_from INTEGER",),
    "invocation": ("cost_budget_micro_usd BIGINT", "prices_as_of TEXT", "pace TEXT", "plugin_version TEXT"),
    "attempt": ("path TEXT", "cost_budget_micro_usd BIGINT", "cost_left_micro_usd BIGINT"),
    "refusal": ("currency TEXT", "used_micro_usd BIGINT", "allowed_micro_usd BIGINT"),
    "lease": ("micro_usd BIGINT", "currency TEXT", "gateway TEXT"),
    "lease_end": ("micro_usd BIGINT",),
    "stated": ("micro_usd BIGINT",),
    "dial": ("run_key TEXT", "cassette TEXT"),
    "usage": (
        "closing_ms BIGINT",
        "tier TEXT",
        "micro_usd BIGINT",
        "estimated INTEGER",
        "greeting_ms BIGINT",
        "skipped_ms BIGINT",
        "forecast_micro_usd BIGINT",
        "forecast_cut INTEGER",
        "recording TEXT",
    ),
}


_MORE_BY_VERSION: tuple[Mapping[str, tuple[str, ...]], ...] = (
    _MORE_IN_VERSION_5,
    _MORE_IN_VERSION_6,
    _MORE_IN_VERSION_7,
    _MORE_IN_VERSION_8,
)


def _more(table: str) -> str:
    columns = (column for more in _MORE_BY_VERSION for column in more.get(table, ()))
    return "".join(f"{column}, " for column in columns)


def _added(more: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(f"ALTER TABLE {table} ADD COLUMN {column}" for table, columns in more.items() for column in columns)


TABLES = (
    f"CREATE TABLE schema ({_more('schema')}version INTEGER NOT NULL)",
    """CREATE TABLE run (
        id TEXT PRIMARY KEY, target TEXT NOT NULL, billed INTEGER NOT NULL, tag TEXT NOT NULL, at TEXT NOT NULL)""",
    f"""CREATE TABLE invocation (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, host TEXT NOT NULL, pid INTEGER NOT NULL,
        budget_ms BIGINT, {_more("invocation")}at TEXT NOT NULL, may_bypass INTEGER)""",
    """CREATE TABLE invocation_end (
        invocation TEXT PRIMARY KEY REFERENCES invocation, exit_status INTEGER, at TEXT NOT NULL)""",
    f"""CREATE TABLE attempt (
        id TEXT PRIMARY KEY, invocation TEXT NOT NULL REFERENCES invocation, nodeid TEXT NOT NULL,
        worker TEXT NOT NULL, number INTEGER NOT NULL, budget_ms BIGINT, left_ms BIGINT, at TEXT NOT NULL,
        target TEXT, {_more("attempt")}UNIQUE (invocation, nodeid, worker, number))""",
    "CREATE TABLE outcome (attempt TEXT NOT NULL REFERENCES attempt, outcome TEXT NOT NULL, seq INTEGER NOT NULL)",
    "CREATE INDEX outcome_of_attempt ON outcome (attempt)",
    f"CREATE TABLE wait ({_more('wait')}attempt TEXT NOT NULL REFERENCES attempt, ms BIGINT NOT NULL)",
    "CREATE INDEX wait_of_attempt ON wait (attempt)",
    f"""CREATE TABLE refusal (
        attempt TEXT NOT NULL REFERENCES attempt, scope TEXT NOT NULL, used_ms BIGINT NOT NULL,
        allowed_ms BIGINT NOT NULL, tolerated INTEGER NOT NULL, at TEXT NOT NULL, {_more("refusal")}
        times INTEGER NOT NULL DEFAULT 1)""",
    "CREATE INDEX refusal_of_attempt ON refusal (attempt)",
    f"""CREATE TABLE lease (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, attempt TEXT NOT NULL REFERENCES attempt,
        scope TEXT NOT NULL, ms BIGINT NOT NULL, taken_at TEXT NOT NULL, ends_at TEXT NOT NULL, {_more("lease")}
        number INTEGER)""",
    "CREATE INDEX lease_of_attempt ON lease (attempt)",
    f"""CREATE TABLE dial (
        id TEXT PRIMARY KEY, lease TEXT NOT NULL REFERENCES lease, at TEXT NOT NULL, {_more("dial")}target TEXT)""",
    "CREATE INDEX dial_of_lease ON dial (lease)",
    "CREATE TABLE welcome (dial TEXT PRIMARY KEY REFERENCES dial, request_id TEXT, handshake_ms BIGINT NOT NULL)",
    f"""CREATE TABLE usage (
        id TEXT PRIMARY KEY, dial TEXT NOT NULL REFERENCES dial, supersedes TEXT UNIQUE REFERENCES usage,
        request_id TEXT, closed_at TEXT, ms BIGINT, handshake_ms BIGINT, audio_in_ms BIGINT, audio_out_ms BIGINT,
        closed_by TEXT NOT NULL, close_code INTEGER, confirmed INTEGER NOT NULL, tagged INTEGER, {_more("usage")}
        reason TEXT)""",
    "CREATE UNIQUE INDEX usage_once ON usage (dial) WHERE supersedes IS NULL",
    f"""CREATE TABLE lease_end (
        lease TEXT PRIMARY KEY REFERENCES lease, how TEXT NOT NULL CHECK (how IN ('settled', 'orphaned')),
        ms BIGINT NOT NULL, {_more("lease_end")}at TEXT NOT NULL)""",
    _RECONCILIATION,
    _STATED.format(more=_more("stated")),
    _SWEPT,
    *_INDICES_OF_VERSION_3,
    *(statement.format(more=_more("bypass")) for statement in _BYPASS),
    *_PARTS_OF_SESSIONS,
    *(statement.format(more=_more("waiter")) for statement in _KEYS_AND_WAITERS),
    _CLOSED_SUM.format(more=_more("closed_sum")),
    *_INDICES_OF_VERSION_5,
    _BILLED,
    *(statement.format(more=_more("archived")) for statement in _ARCHIVED),
    _VENDOR_LATENCY,
    *_INDICES_OF_VERSION_7,
    _MADE_CASSETTE,
)

# What upgrades a ledger of each earlier version to the next.
UPGRADES = {
    1: ("ALTER TABLE usage ADD COLUMN tagged INTEGER", _RECONCILIATION, _STATED.format(more="")),
    2: (
        "ALTER TABLE attempt ADD COLUMN target TEXT",
        "ALTER TABLE dial ADD COLUMN target TEXT",
        "ALTER TABLE lease ADD COLUMN number INTEGER",
        "UPDATE lease SET number = rowid",
        "ALTER TABLE refusal ADD COLUMN times INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE usage ADD COLUMN reason TEXT",
        _SWEPT,
        *_INDICES_OF_VERSION_3,
    ),
    3: ("ALTER TABLE invocation ADD COLUMN may_bypass INTEGER", *(statement.format(more="") for statement in _BYPASS)),
    4: (
        *_added(_MORE_IN_VERSION_5),
        *_PARTS_OF_SESSIONS,
        *(statement.format(more="") for statement in _KEYS_AND_WAITERS),
        _CLOSED_SUM.format(more=""),
        "DROP INDEX lease_of_run",
        *_INDICES_OF_VERSION_5,
    ),
    5: (
        *_added(_MORE_IN_VERSION_6),
        _BILLED,
        *(statement.format(more="") for statement in _ARCHIVED),
        _CUTS_OF_VERSION_5,
    ),
    6: (*_added(_MORE_IN_VERSION_7), _VENDOR_LATENCY, *_INDICES_OF_VERSION_7),
    7: (*_added(_MORE_IN_VERSION_8), _MADE_CASSETTE),
}
