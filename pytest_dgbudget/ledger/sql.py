"""The ledger's tables and statements, shared by every backend.

Rows are only ever inserted (an upgrade fills new columns); "once" is a UNIQUE. Named parameters are written ``:name``.
What a statement selects is named as the field of the record that it becomes. The ``target`` of an attempt and of a dial
is where it went; NULL: where its run did.
"""

from __future__ import annotations

VERSION = 4

_RECONCILIATION = """CREATE TABLE reconciliation (
    run TEXT NOT NULL REFERENCES run, seq INTEGER NOT NULL, verdict TEXT NOT NULL, at TEXT NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (run, seq))"""

# What the vendor's statement says of a lease whose end nobody here saw.
_STATED = """CREATE TABLE stated (
    lease TEXT NOT NULL REFERENCES lease, seq INTEGER NOT NULL, ms BIGINT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (lease, seq))"""

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
        how TEXT NOT NULL, program TEXT NOT NULL, at TEXT NOT NULL)""",
    "CREATE INDEX bypass_of_run ON bypass (run)",
    "CREATE INDEX bypass_of_attempt ON bypass (attempt)",
)

TABLES = (
    "CREATE TABLE schema (version INTEGER NOT NULL)",
    """CREATE TABLE run (
        id TEXT PRIMARY KEY, target TEXT NOT NULL, billed INTEGER NOT NULL, tag TEXT NOT NULL, at TEXT NOT NULL)""",
    """CREATE TABLE invocation (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, host TEXT NOT NULL, pid INTEGER NOT NULL,
        budget_ms BIGINT, at TEXT NOT NULL, may_bypass INTEGER)""",
    """CREATE TABLE invocation_end (
        invocation TEXT PRIMARY KEY REFERENCES invocation, exit_status INTEGER, at TEXT NOT NULL)""",
    """CREATE TABLE attempt (
        id TEXT PRIMARY KEY, invocation TEXT NOT NULL REFERENCES invocation, nodeid TEXT NOT NULL,
        worker TEXT NOT NULL, number INTEGER NOT NULL, budget_ms BIGINT, left_ms BIGINT, at TEXT NOT NULL,
        target TEXT, UNIQUE (invocation, nodeid, worker, number))""",
    "CREATE TABLE outcome (attempt TEXT NOT NULL REFERENCES attempt, outcome TEXT NOT NULL, seq INTEGER NOT NULL)",
    "CREATE INDEX outcome_of_attempt ON outcome (attempt)",
    "CREATE TABLE wait (attempt TEXT NOT NULL REFERENCES attempt, ms BIGINT NOT NULL)",
    "CREATE INDEX wait_of_attempt ON wait (attempt)",
    """CREATE TABLE refusal (
        attempt TEXT NOT NULL REFERENCES attempt, scope TEXT NOT NULL, used_ms BIGINT NOT NULL,
        allowed_ms BIGINT NOT NULL, tolerated INTEGER NOT NULL, at TEXT NOT NULL, times INTEGER NOT NULL DEFAULT 1)""",
    "CREATE INDEX refusal_of_attempt ON refusal (attempt)",
    """CREATE TABLE lease (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, attempt TEXT NOT NULL REFERENCES attempt,
        scope TEXT NOT NULL, ms BIGINT NOT NULL, taken_at TEXT NOT NULL, ends_at TEXT NOT NULL, number INTEGER)""",
    "CREATE INDEX lease_of_run ON lease (run)",
    "CREATE INDEX lease_of_attempt ON lease (attempt)",
    "CREATE TABLE dial (id TEXT PRIMARY KEY, lease TEXT NOT NULL REFERENCES lease, at TEXT NOT NULL, target TEXT)",
    "CREATE INDEX dial_of_lease ON dial (lease)",
    "CREATE TABLE welcome (dial TEXT PRIMARY KEY REFERENCES dial, request_id TEXT, handshake_ms BIGINT NOT NULL)",
    """CREATE TABLE usage (
        id TEXT PRIMARY KEY, dial TEXT NOT NULL REFERENCES dial, supersedes TEXT UNIQUE REFERENCES usage,
        request_id TEXT, closed_at TEXT, ms BIGINT, handshake_ms BIGINT, audio_in_ms BIGINT, audio_out_ms BIGINT,
        closed_by TEXT NOT NULL, close_code INTEGER, confirmed INTEGER NOT NULL, tagged INTEGER, reason TEXT)""",
    "CREATE UNIQUE INDEX usage_once ON usage (dial) WHERE supersedes IS NULL",
    """CREATE TABLE lease_end (
        lease TEXT PRIMARY KEY REFERENCES lease, how TEXT NOT NULL CHECK (how IN ('settled', 'orphaned')),
        ms BIGINT NOT NULL, at TEXT NOT NULL)""",
    _RECONCILIATION,
    _STATED,
    _SWEPT,
    *_INDICES_OF_VERSION_3,
    *_BYPASS,
)

# What upgrades a ledger of each earlier version to the next.
UPGRADES = {
    1: ("ALTER TABLE usage ADD COLUMN tagged INTEGER", _RECONCILIATION, _STATED),
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
    3: ("ALTER TABLE invocation ADD COLUMN may_bypass INTEGER", *_BYPASS),
}

_STATED_MS = "(SELECT stated.ms FROM stated WHERE stated.lease = lease.id ORDER BY stated.seq DESC LIMIT 1)"

# A subquery of its own, or SQLite looks through all usage first.
_CUT = """EXISTS (SELECT 1 FROM dial WHERE dial.lease = lease.id AND lease.scope || '-budget' = (
    SELECT usage.closed_by FROM usage WHERE usage.dial = dial.id AND usage.supersedes IS NULL))"""

# How much of a scope is settled and leased. COALESCE: a sum over nothing is zero, not unknown.
_SUMS = f"""SELECT COALESCE(SUM(COALESCE({_STATED_MS}, lease_end.ms)), 0) AS settled_ms,
                  COALESCE(SUM(CASE WHEN lease_end.lease IS NULL THEN lease.ms ELSE 0 END), 0) AS leased_ms,
                  COALESCE(SUM(CASE WHEN {{counts}} AND {_CUT} THEN 1 ELSE 0 END), 0) AS cuts
           FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id
           JOIN attempt ON attempt.id = lease.attempt"""
# A run may be given more by a later invocation: what cut a session of an earlier one is not its budget.
_OF_THIS_BUDGET = """lease.scope = 'run' AND :budget_ms <= (
    SELECT invocation.budget_ms FROM invocation WHERE invocation.id = attempt.invocation)"""
RUN_SUMS = f"{_SUMS.format(counts=_OF_THIS_BUDGET)} WHERE lease.run = :run AND attempt.target IS NULL"
TEST_SUMS = f"""{_SUMS.format(counts="lease.scope = 'test'")}
    WHERE attempt.invocation = :invocation AND attempt.nodeid = :nodeid AND attempt.worker = :worker"""

FIND_RUN = "SELECT target FROM run WHERE id = :run"
INSERT_RUN = "INSERT INTO run VALUES (:run, :target, :billed, :tag, :at)"
FIND_INVOCATION = "SELECT id FROM invocation WHERE id = :id"
INSERT_INVOCATION = "INSERT INTO invocation VALUES (:id, :run, :host, :pid, :budget_ms, :at, :may_bypass)"
# Once: if the gateway dies after it, its successor ends the invocation again.
END_INVOCATION = """INSERT INTO invocation_end SELECT :invocation, :exit_status, :at
    WHERE NOT EXISTS (SELECT 1 FROM invocation_end WHERE invocation = :invocation)"""

# Each number follows the highest one, even if a row in between is gone.
NEXT_ATTEMPT = """SELECT COALESCE(MAX(number), 0) + 1 AS number FROM attempt
    WHERE invocation = :invocation AND nodeid = :nodeid AND worker = :worker"""
INSERT_ATTEMPT = """INSERT INTO attempt
    VALUES (:id, :invocation, :nodeid, :worker, :number, :budget_ms, :left_ms, :at, :target)"""
INSERT_OUTCOME = """INSERT INTO outcome
    SELECT :attempt, :outcome, COALESCE(MAX(seq), -1) + 1 FROM outcome WHERE attempt = :attempt"""
INSERT_WAIT = "INSERT INTO wait VALUES (:attempt, :ms)"
INSERT_BYPASS = "INSERT INTO bypass VALUES (:run, :attempt, :host, :path, :how, :program, :at)"
INSERT_REFUSAL = "INSERT INTO refusal VALUES (:attempt, :scope, :used_ms, :allowed_ms, :tolerated, :at, :times)"

INSERT_LEASE = """INSERT INTO lease SELECT :id, :run, :attempt, :scope, :ms, :taken_at, :ends_at,
    COALESCE(MAX(number), 0) + 1 FROM lease"""
INSERT_DIAL = "INSERT INTO dial VALUES (:id, :lease, :at, :target)"
INSERT_WELCOME = "INSERT INTO welcome VALUES (:dial, :request_id, :handshake_ms)"
INSERT_USAGE = """INSERT INTO usage VALUES (:id, :dial, NULL, :request_id, :closed_at, :ms, :handshake_ms,
    :audio_in_ms, :audio_out_ms, :closed_by, :close_code, :confirmed, :tagged, :reason)"""
INSERT_RECONCILIATION = """INSERT INTO reconciliation
    SELECT :run, COALESCE(MAX(seq), -1) + 1, :verdict, :at, :document FROM reconciliation WHERE run = :run"""
INSERT_STATED = """INSERT INTO stated
    SELECT :lease, COALESCE(MAX(seq), -1) + 1, :ms, :at FROM stated WHERE lease = :lease"""
END_LEASE = "INSERT INTO lease_end VALUES (:lease, :how, :ms, :at)"

OPEN_LEASES = """SELECT lease.id AS lease, lease.run AS run, lease.ms AS allowance_ms, lease.number AS number FROM lease
    LEFT JOIN lease_end ON lease_end.lease = lease.id
    WHERE lease.number > (SELECT COALESCE(MAX(number), 0) FROM swept) AND lease_end.lease IS NULL"""
LAST_LEASE = "SELECT COALESCE(MAX(number), 0) AS number FROM lease"
INSERT_SWEPT = "INSERT INTO swept SELECT :number WHERE NOT EXISTS (SELECT 1 FROM swept WHERE number = :number)"
DIALS_OF_LEASE = """SELECT dial.id AS dial, usage.id AS usage, usage.ms AS ms,
        welcome.request_id AS request_id, welcome.handshake_ms AS handshake_ms
    FROM dial LEFT JOIN usage ON usage.dial = dial.id AND usage.supersedes IS NULL
    LEFT JOIN welcome ON welcome.dial = dial.id
    WHERE dial.lease = :lease"""

RUN = "SELECT id, target, billed, tag FROM run WHERE id = :run"
INVOCATIONS = """SELECT invocation.id AS id, invocation.budget_ms AS budget_ms, invocation.at AS started_at,
        invocation_end.at AS finished_at, invocation_end.exit_status AS exit_status,
        invocation.may_bypass AS may_bypass
    FROM invocation LEFT JOIN invocation_end ON invocation_end.invocation = invocation.id
    WHERE invocation.run = :run ORDER BY invocation.at, invocation.id"""
ATTEMPTS = """SELECT attempt.id AS id, attempt.invocation AS invocation, attempt.nodeid AS nodeid,
        attempt.number AS number, attempt.target AS target, attempt.left_ms AS left_ms,
        (SELECT outcome FROM outcome WHERE outcome.attempt = attempt.id ORDER BY seq DESC LIMIT 1) AS outcome,
        (SELECT COALESCE(SUM(ms), 0) FROM wait WHERE wait.attempt = attempt.id) AS waited_ms,
        (SELECT COALESCE(SUM(times), 0) FROM refusal WHERE refusal.attempt = attempt.id) AS refused,
        (SELECT COALESCE(SUM(times), 0) FROM refusal
            WHERE refusal.attempt = attempt.id AND tolerated = 0) AS refused_untolerated
    FROM attempt JOIN invocation ON invocation.id = attempt.invocation
    WHERE invocation.run = :run ORDER BY attempt.at, attempt.nodeid, attempt.number"""
LEASES = f"""SELECT lease.id AS id, lease.attempt AS attempt, lease.ms AS allowance_ms, lease_end.how AS how,
        lease_end.ms AS ended_ms, {_STATED_MS} AS stated_ms
    FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id WHERE lease.run = :run"""
_SESSIONS = """SELECT dial.id AS id, dial.target AS target, dial.at AS opened_at, lease.id AS lease,
        lease.attempt AS attempt, usage.id AS usage, COALESCE(usage.request_id, welcome.request_id) AS request_id,
        usage.closed_at AS closed_at, usage.ms AS ms,
        COALESCE(usage.handshake_ms, welcome.handshake_ms) AS handshake_ms,
        usage.audio_in_ms AS audio_in_ms, usage.audio_out_ms AS audio_out_ms, usage.closed_by AS closed_by,
        usage.close_code AS close_code, usage.confirmed AS confirmed, usage.tagged AS tagged, usage.reason AS reason
    FROM dial JOIN lease ON lease.id = dial.lease
    LEFT JOIN welcome ON welcome.dial = dial.id
    LEFT JOIN usage ON usage.dial = dial.id
        AND NOT EXISTS (SELECT 1 FROM usage AS newer WHERE newer.supersedes = usage.id)"""
SESSIONS = f"{_SESSIONS} WHERE lease.run = :run ORDER BY dial.at, dial.id"
SESSIONS_OF_ATTEMPT = f"{_SESSIONS} WHERE lease.attempt = :attempt ORDER BY dial.at, dial.id"
# One attempt, for a gateway that takes over.
ATTEMPT = "SELECT id, nodeid, worker, number, target, budget_ms, left_ms FROM attempt WHERE id = :attempt"
LEASE_ENDS = """SELECT lease.id AS lease, lease_end.how AS how, lease_end.ms AS ms, lease.scope AS scope,
        lease.ms AS allowance_ms
    FROM lease JOIN lease_end ON lease_end.lease = lease.id WHERE lease.attempt = :attempt ORDER BY lease.taken_at"""
# Of each scope the first one, and how many there were.
REFUSALS = """SELECT scope, MIN(used_ms) AS used_ms, MIN(allowed_ms) AS allowed_ms, SUM(times) AS times FROM refusal
    WHERE attempt = :attempt GROUP BY scope ORDER BY MIN(at)"""
BYPASSES = "SELECT host, path, how, program FROM bypass WHERE run = :run ORDER BY at"
BYPASSES_OF_ATTEMPT = "SELECT host, path, how, program FROM bypass WHERE attempt = :attempt ORDER BY at"
RECONCILIATION = "SELECT document FROM reconciliation WHERE run = :run ORDER BY seq DESC LIMIT 1"
