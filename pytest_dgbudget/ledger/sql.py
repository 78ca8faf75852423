"""The ledger's statements, shared by every backend.

Named parameters are written ``:name``. What a statement selects is named as the field of the record that it becomes.
An INSERT names its columns: a ledger of a later version may have more.
"""

from __future__ import annotations


def _insert(table: str, *columns: str) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"


def _insert_once(table: str, *columns: str) -> str:
    """Insert nothing where there is such a row already: the first one counts."""
    return f"{_insert(table, *columns)} ON CONFLICT DO NOTHING"


def _insert_next(table: str, number: str, of: str, *columns: str) -> str:
    """Give a row the number after the highest one that ``of`` has: also where a row in between is gone."""
    return f"""INSERT INTO {table} ({of}, {", ".join(columns)}, {number})
        VALUES (:{of}, {", ".join(f":{name}" for name in columns)},
            (SELECT COALESCE(MAX({number}), -1) + 1 FROM {table} WHERE {of} = :{of}))"""


_STATED_MS = "(SELECT stated.ms FROM stated WHERE stated.lease = lease.id ORDER BY stated.seq DESC LIMIT 1)"
_CHARGED_MS = f"COALESCE({_STATED_MS}, lease_end.ms)"

# What a lease costs: by its end. A statement corrects its time alone, so its cost is a share of what was set aside,
# unless that was less than all of its time may cost.
_CHARGED_MICRO_USD = f"""CASE WHEN {_STATED_MS} IS NULL OR lease.currency = 'money' THEN lease_end.micro_usd
    ELSE (lease.micro_usd * {_STATED_MS} + lease.ms - 1) / lease.ms END"""

# What windows count of it: as the vendor has billed it, where its statement says so.
_BILLED = "(SELECT billed.{} FROM billed WHERE billed.lease = lease.id ORDER BY billed.seq DESC LIMIT 1)"
_IN_WINDOW_MS = f"COALESCE({_BILLED.format('ms')}, {_CHARGED_MS})"
_IN_WINDOW_MICRO_USD = f"COALESCE({_BILLED.format('micro_usd')}, {_CHARGED_MICRO_USD})"


# What was recorded last of a session's end.
_LAST = "NOT EXISTS (SELECT 1 FROM usage AS newer WHERE newer.supersedes = usage.id)"
# What was recorded first of a session's end. Not IS NULL: PostgreSQL would look that up instead of the dial.
_FIRST = "COALESCE(usage.supersedes, '') = ''"


def _cut_budget(scope: str, currency: str) -> str:
    """The budget by which a lease's sessions were cut. Nested, or SQLite looks through all usage first."""
    return f"""(SELECT MAX((SELECT usage.cut_allowed FROM usage WHERE usage.dial = dial.id AND {_FIRST}
        AND usage.closed_by = '{scope}-budget' AND usage.cut_currency = '{currency}'))
        FROM dial WHERE dial.lease = lease.id)"""


def _sums(scope: str, where: str, ms: str = _CHARGED_MS, micro_usd: str = _CHARGED_MICRO_USD) -> str:
    """How much of a scope is settled and leased. COALESCE: a sum over nothing is zero, not unknown."""
    is_open = "lease_end.lease IS NULL"
    cuts = [f"MAX({_cut_budget(scope, currency)})" if scope != "window" else "NULL" for currency in ("time", "money")]
    return f"""SELECT COUNT(*) AS leases,
        COALESCE(SUM({ms}), 0) AS settled_ms,
        COALESCE(SUM(CASE WHEN {is_open} THEN lease.ms ELSE 0 END), 0) AS leased_ms,
        COALESCE(SUM({micro_usd}), 0) AS settled_micro_usd,
        COALESCE(SUM(CASE WHEN {is_open} THEN COALESCE(lease.micro_usd, 0) ELSE 0 END), 0) AS leased_micro_usd,
        COALESCE(SUM(CASE WHEN {is_open} OR {micro_usd} IS NOT NULL THEN 0 ELSE {ms} END), 0) AS unpriced_ms,
        {cuts[0]} AS cut_budget_ms, {cuts[1]} AS cut_budget_micro_usd
    FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id
    JOIN attempt ON attempt.id = lease.attempt JOIN run ON run.id = lease.run WHERE {where}"""


# Of the leases after a closed sum, up to a number.
_PART = "lease.number > :after AND lease.number <= :until AND attempt.target IS NULL"
RUN_SUMS = _sums("run", f"lease.run = :run AND {_PART}")
PATH_SUMS = _sums("path", f"lease.run = :run AND attempt.path = :path AND {_PART}")
TEST_SUMS = _sums(
    "test",
    # + 0: to be looked up by its attempt.
    """attempt.invocation = :invocation AND attempt.nodeid = :nodeid AND attempt.worker = :worker
    AND lease.number + 0 > :after AND lease.number + 0 <= :until""",
)
# Of a day, whoever began it.
DAY_SUMS = _sums(
    "window",
    f"lease.taken_at >= :since AND lease.taken_at < :before AND run.billed = 1 AND {_PART}",
    _IN_WINDOW_MS,
    _IN_WINDOW_MICRO_USD,
)

CLOSED_SUM = """SELECT until, ms, micro_usd, unpriced_ms, cut_budget_ms, cut_budget_micro_usd FROM closed_sum
    WHERE scope = :scope ORDER BY until DESC, seq DESC LIMIT 1"""
# Of each day the last one comes last.
CLOSED_DAYS = """SELECT scope, until, ms, micro_usd, unpriced_ms, cut_budget_ms, cut_budget_micro_usd FROM closed_sum
    WHERE scope >= :first AND scope <= :last ORDER BY scope, until, seq"""
INSERT_CLOSED_SUM = """INSERT INTO closed_sum
        (scope, until, ms, micro_usd, unpriced_ms, cut_budget_ms, cut_budget_micro_usd, at, seq)
    VALUES (:scope, :until, :ms, :micro_usd, :unpriced_ms, :cut_budget_ms, :cut_budget_micro_usd, :at,
        (SELECT COALESCE(MAX(seq), -1) + 1 FROM closed_sum WHERE scope = :scope AND until = :until))"""
CHARGE_OF_LEASE = f"""SELECT lease.run AS run, lease.number AS number, lease.taken_at AS taken_at,
        attempt.target AS target, attempt.path AS path, run.billed AS billed,
        {_CHARGED_MS} AS ms, {_CHARGED_MICRO_USD} AS micro_usd,
        {_IN_WINDOW_MS} AS window_ms, {_IN_WINDOW_MICRO_USD} AS window_micro_usd
    FROM lease JOIN attempt ON attempt.id = lease.attempt JOIN run ON run.id = lease.run
    LEFT JOIN lease_end ON lease_end.lease = lease.id
    WHERE lease.id = :lease"""
FIRST_OPEN_LEASE = """SELECT MIN(lease.number) AS number
    FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id
    WHERE lease.number > (SELECT COALESCE(MAX(number), 0) FROM swept) AND lease_end.lease IS NULL"""

FIND_RUN = "SELECT target FROM run WHERE id = :run"
BILLED_RUN = "SELECT id FROM run WHERE billed = 1 ORDER BY at DESC LIMIT 1"
RUN_IDS = "SELECT id FROM run ORDER BY at DESC, id DESC"
INSERT_RUN = "INSERT INTO run (id, target, billed, tag, at) VALUES (:run, :target, :billed, :tag, :at)"
FIND_INVOCATION = "SELECT id FROM invocation WHERE id = :id"
INSERT_INVOCATION = _insert(
    "invocation",
    *("id", "run", "host", "pid", "budget_ms", "cost_budget_micro_usd", "may_bypass", "prices_as_of", "pace", "at"),
)
# Once: if the gateway dies after it, its successor ends the invocation again.
END_INVOCATION = _insert_once("invocation_end", "invocation", "exit_status", "at")

# Each number follows the highest one, even if a row in between is gone.
NEXT_ATTEMPT = """SELECT COALESCE(MAX(number), 0) + 1 AS number FROM attempt
    WHERE invocation = :invocation AND nodeid = :nodeid AND worker = :worker"""
LAST_ATTEMPT = """SELECT id FROM attempt
    WHERE invocation = :invocation AND nodeid = :nodeid AND worker = :worker ORDER BY number DESC LIMIT 1"""
INSERT_ATTEMPT = _insert(
    "attempt",
    *("id", "invocation", "nodeid", "worker", "number", "at", "target", "path"),
    *("budget_ms", "left_ms", "cost_budget_micro_usd", "cost_left_micro_usd"),
)
INSERT_OUTCOME = _insert_next("outcome", "seq", "attempt", "outcome")
INSERT_WAIT = _insert_once("wait", "id", "attempt", "ms", "waits_for")
INSERT_BYPASS = _insert_once("bypass", "id", "run", "attempt", "host", "path", "how", "program", "at")
INSERT_REFUSAL = _insert_once(
    "refusal",
    *("id", "attempt", "scope", "label", "currency", "used_ms", "allowed_ms", "used_micro_usd", "allowed_micro_usd"),
    *("tolerated", "at", "times"),
)

INSERT_LEASE = """INSERT INTO lease
        (id, run, attempt, scope, ms, micro_usd, currency, taken_at, ends_at, gateway, number)
    VALUES (:id, :run, :attempt, :scope, :ms, :micro_usd, :currency, :taken_at, :ends_at, :gateway,
        (SELECT COALESCE(MAX(number), 0) + 1 FROM lease))"""
INSERT_DIAL = _insert("dial", "id", "lease", "at", "target", "run_key", "cassette")
INSERT_MADE_CASSETTE = _insert_once("made_cassette", "dial", "cassette", "at")
LEASE_OF_DIAL = """SELECT lease, (SELECT COUNT(*) FROM dial AS each WHERE each.lease = dial.lease) AS dials
    FROM dial WHERE id = :dial"""
# Of billed runs, where the run is dialled; ``first`` is the first lease that has not ended.
OPEN_DIALS = """SELECT MIN(lease.number) AS first, COUNT(dial.id) AS dials,
        (SELECT COALESCE(MAX(number), 0) FROM lease) AS last
    FROM lease JOIN run ON run.id = lease.run LEFT JOIN lease_end ON lease_end.lease = lease.id
    LEFT JOIN dial ON dial.lease = lease.id AND dial.target IS NULL AND run.billed = 1
        AND NOT EXISTS (SELECT 1 FROM usage WHERE usage.dial = dial.id)
    WHERE lease.number >= :since AND lease_end.lease IS NULL"""
# Who came first comes first. These rows alone are removed again: when their waiting is over.
WAITERS = "SELECT id, run, gateway, waits_for, at FROM waiter ORDER BY at, id"
INSERT_WAITER = _insert("waiter", "id", "run", "gateway", "waits_for", "at")
CHANGE_WAITER = "UPDATE waiter SET waits_for = :waits_for WHERE gateway = :gateway"
DELETE_WAITER = "DELETE FROM waiter WHERE id = :id"
INSERT_RUN_KEY = _insert("run_key", "id", "run", "invocation", "made_at")
# Once: whoever finds it gone notes it.
END_RUN_KEY = _insert_once("run_key_end", "run_key", "at")
_RUN_KEYS = """SELECT run_key.id AS id, run_key.run AS run, run_key.made_at AS made_at, run_key_end.at AS ended_at
    FROM run_key LEFT JOIN run_key_end ON run_key_end.run_key = run_key.id"""
RUN_KEYS = f"{_RUN_KEYS} WHERE run_key.run = :run ORDER BY run_key.made_at, run_key.id"
UNFINISHED_HOSTS = """SELECT DISTINCT invocation.host AS host
    FROM invocation LEFT JOIN invocation_end ON invocation_end.invocation = invocation.id
    WHERE invocation.run = :run AND invocation_end.at IS NULL"""
# Those that were made earlier have expired.
OPEN_RUN_KEYS = f"""{_RUN_KEYS} WHERE run_key_end.at IS NULL AND run_key.made_at >= :since
    ORDER BY run_key.made_at, run_key.id"""
RUN_KEYS_TO_END = f"""{_RUN_KEYS} WHERE run_key_end.at IS NULL AND run_key.invocation = :invocation
    ORDER BY run_key.made_at, run_key.id"""
INSERT_WELCOME = _insert_once("welcome", "dial", "request_id", "handshake_ms")
INSERT_USAGE = _insert_once(
    "usage",
    *("id", "dial", "supersedes", "request_id", "closed_at", "ms", "handshake_ms"),
    *("closing_ms", "audio_in_ms", "audio_out_ms"),
    *("tier", "micro_usd", "estimated", "greeting_ms", "skipped_ms", "forecast_micro_usd", "forecast_cut"),
    *("closed_by", "close_code", "confirmed", "tagged", "reason"),
    *("cut_currency", "cut_label", "cut_used", "cut_allowed", "cut_also_used", "vendor_reports"),
    *("cassette", "cassette_recorded_at", "mismatch"),
)
LAST_USAGE = f"SELECT id, closed_at, ms, closed_by FROM usage WHERE dial = :dial AND {_LAST}"
INSERT_TIER_SPAN = _insert("tier_span", "dial", "number", "from_ms", "ms", "tier", "micro_usd_per_minute", "estimated")
INSERT_TURN = _insert(
    "turn",
    *("dial", "number", "started_ms", "since", "answered_ms", "overlapped", "unpaced", "continued", "function_ms"),
)
INSERT_VENDOR_LATENCY = _insert("vendor_latency", "dial", "number", "ms")
INSERT_VIOLATION = _insert("violation", "dial", "number", "rule", "at_ms", "what")
INSERT_RECONCILIATION = _insert_next("reconciliation", "seq", "run", "verdict", "at", "document")
INSERT_BILLED = _insert_next("billed", "seq", "lease", "ms", "micro_usd", "at")
LAST_BILLED = "SELECT ms, micro_usd FROM billed WHERE lease = :lease ORDER BY seq DESC LIMIT 1"
INSERT_STATED = _insert_next("stated", "seq", "lease", "ms", "at")
END_LEASE = _insert_once("lease_end", "lease", "how", "ms", "micro_usd", "at")

OPEN_LEASES = """SELECT lease.id AS id, lease.run AS run, lease.attempt AS attempt, lease.ms AS allowance_ms,
        lease.micro_usd AS micro_usd, lease.number AS number, lease.ends_at AS ends_at, lease.gateway AS gateway,
        invocation.host AS host
    FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id JOIN attempt ON attempt.id = lease.attempt
    JOIN invocation ON invocation.id = attempt.invocation
    WHERE lease.number > (SELECT COALESCE(MAX(number), 0) FROM swept) AND lease_end.lease IS NULL"""
OPEN_OF_INVOCATION = """SELECT lease.attempt AS attempt, SUM(lease.ms) AS ms
    FROM lease JOIN attempt ON attempt.id = lease.attempt LEFT JOIN lease_end ON lease_end.lease = lease.id
    WHERE attempt.invocation = :invocation AND lease_end.lease IS NULL GROUP BY lease.attempt"""
LAST_LEASE = "SELECT COALESCE(MAX(number), 0) AS number FROM lease"
INSERT_SWEPT = _insert_once("swept", "number")
DIALS_OF_LEASE = f"""SELECT dial.id AS dial, usage.id AS usage, usage.ms AS ms, usage.micro_usd AS micro_usd,
        welcome.request_id AS request_id, welcome.handshake_ms AS handshake_ms
    FROM dial LEFT JOIN usage ON usage.dial = dial.id AND {_FIRST}
    LEFT JOIN welcome ON welcome.dial = dial.id
    WHERE dial.lease = :lease"""

RUN = "SELECT id, target, billed, tag FROM run WHERE id = :run"
INVOCATIONS = """SELECT invocation.id AS id, invocation.budget_ms AS budget_ms, invocation.at AS started_at,
        invocation_end.at AS finished_at, invocation_end.exit_status AS exit_status,
        invocation.may_bypass AS may_bypass, invocation.prices_as_of AS prices_as_of,
        invocation.pace AS pace, invocation.cost_budget_micro_usd AS cost_budget_micro_usd
    FROM invocation LEFT JOIN invocation_end ON invocation_end.invocation = invocation.id
    WHERE invocation.run = :run ORDER BY invocation.at, invocation.id"""
ATTEMPTS = """SELECT attempt.id AS id, attempt.invocation AS invocation, attempt.nodeid AS nodeid,
        attempt.number AS number, attempt.target AS target, attempt.left_ms AS left_ms, attempt.path AS path,
        attempt.cost_left_micro_usd AS cost_left_micro_usd,
        (SELECT outcome FROM outcome WHERE outcome.attempt = attempt.id ORDER BY seq DESC LIMIT 1) AS outcome,
        (SELECT COALESCE(SUM(ms), 0) FROM wait WHERE wait.attempt = attempt.id) AS waited_ms,
        (SELECT waits_for FROM wait WHERE wait.attempt = attempt.id
            GROUP BY waits_for ORDER BY SUM(ms) DESC, waits_for LIMIT 1) AS waited_for,
        (SELECT COALESCE(SUM(times), 0) FROM refusal WHERE refusal.attempt = attempt.id) AS refused,
        (SELECT COALESCE(SUM(times), 0) FROM refusal
            WHERE refusal.attempt = attempt.id AND tolerated = 0) AS refused_untolerated
    FROM attempt JOIN invocation ON invocation.id = attempt.invocation
    WHERE invocation.run = :run ORDER BY attempt.at, attempt.nodeid, attempt.number"""
LEASES = f"""SELECT lease.id AS id, lease.attempt AS attempt, lease.ms AS allowance_ms, lease_end.how AS how,
        lease_end.ms AS ended_ms, {_STATED_MS} AS stated_ms, lease.micro_usd AS micro_usd,
        lease_end.micro_usd AS ended_micro_usd, lease.currency AS currency
    FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id WHERE lease.run = :run"""
# The tier that a session had from beginning to end; NULL where that changed, is an estimate, or isn't known.
_ONLY_TIER = """CASE WHEN usage.estimated = 0 THEN (
            SELECT CASE WHEN MIN(COALESCE(tier_span.tier, '')) = MAX(COALESCE(tier_span.tier, ''))
                THEN MIN(tier_span.tier) END
            FROM tier_span WHERE tier_span.dial = dial.id) END"""
_SESSIONS = f"""SELECT dial.id AS id, dial.target AS target, dial.at AS opened_at, lease.id AS lease,
        lease.attempt AS attempt, usage.id AS usage, COALESCE(usage.request_id, welcome.request_id) AS request_id,
        usage.closed_at AS closed_at, usage.ms AS ms,
        COALESCE(usage.handshake_ms, welcome.handshake_ms) AS handshake_ms,
        usage.audio_in_ms AS audio_in_ms, usage.audio_out_ms AS audio_out_ms, usage.closed_by AS closed_by,
        usage.close_code AS close_code, usage.confirmed AS confirmed, usage.tagged AS tagged, usage.reason AS reason,
        usage.closing_ms AS closing_ms, usage.tier AS tier, usage.micro_usd AS micro_usd,
        usage.estimated AS estimated, usage.greeting_ms AS greeting_ms, usage.skipped_ms AS skipped_ms,
        usage.forecast_micro_usd AS forecast_micro_usd, usage.forecast_cut AS forecast_cut,
        {_ONLY_TIER} AS only_tier, dial.run_key AS run_key, usage.cut_currency AS cut_currency,
        usage.cut_label AS cut_label, usage.cut_used AS cut_used, usage.cut_allowed AS cut_allowed,
        usage.cut_also_used AS cut_also_used, usage.vendor_reports AS vendor_reports, dial.cassette AS replayed_from,
        COALESCE(usage.cassette, made_cassette.cassette) AS cassette,
        usage.cassette_recorded_at AS cassette_recorded_at, usage.mismatch AS mismatch
    FROM dial JOIN lease ON lease.id = dial.lease
    LEFT JOIN made_cassette ON made_cassette.dial = dial.id
    LEFT JOIN welcome ON welcome.dial = dial.id
    LEFT JOIN usage ON usage.dial = dial.id AND {_LAST}"""
SESSIONS = f"{_SESSIONS} WHERE lease.run = :run ORDER BY dial.at, dial.id"
SESSIONS_OF_ATTEMPT = f"{_SESSIONS} WHERE lease.attempt = :attempt ORDER BY dial.at, dial.id"
_TURNS = """SELECT turn.dial AS session, lease.attempt AS attempt, turn.started_ms AS started_ms, turn.since AS since,
        turn.answered_ms AS answered_ms, turn.overlapped AS overlapped, turn.unpaced AS unpaced,
        turn.continued AS continued, turn.function_ms AS function_ms
    FROM lease JOIN dial ON dial.lease = lease.id JOIN turn ON turn.dial = dial.id"""
TURNS = f"{_TURNS} WHERE lease.run = :run ORDER BY dial.at, dial.id, turn.number"
TURNS_OF_ATTEMPT = f"{_TURNS} WHERE lease.attempt = :attempt ORDER BY dial.at, dial.id, turn.number"
_VENDOR_LATENCIES = """SELECT vendor_latency.dial AS session, lease.attempt AS attempt, vendor_latency.ms AS ms
    FROM lease JOIN dial ON dial.lease = lease.id JOIN vendor_latency ON vendor_latency.dial = dial.id"""
VENDOR_LATENCIES = f"{_VENDOR_LATENCIES} WHERE lease.run = :run ORDER BY dial.at, dial.id, vendor_latency.number"
VENDOR_LATENCIES_OF_ATTEMPT = f"""{_VENDOR_LATENCIES} WHERE lease.attempt = :attempt
    ORDER BY dial.at, dial.id, vendor_latency.number"""
VIOLATIONS = """SELECT violation.dial AS session, violation.rule AS rule, violation.at_ms AS at_ms,
        violation.what AS what
    FROM lease JOIN dial ON dial.lease = lease.id JOIN violation ON violation.dial = dial.id
    WHERE lease.run = :run ORDER BY dial.at, dial.id, violation.number"""
# One attempt, for a gateway that takes over.
ATTEMPT = """SELECT id, nodeid, worker, number, target, budget_ms, left_ms, path, cost_budget_micro_usd,
        cost_left_micro_usd
    FROM attempt WHERE id = :attempt"""
LEASE_ENDS = """SELECT lease.id AS lease, lease_end.how AS how, lease_end.ms AS ms,
        lease_end.micro_usd AS micro_usd, lease.scope AS scope, lease.ms AS allowance_ms
    FROM lease JOIN lease_end ON lease_end.lease = lease.id WHERE lease.attempt = :attempt ORDER BY lease.taken_at"""
# Of each budget the first one, and how many there were.
_REFUSALS = """SELECT attempt, scope, label, currency, MIN(used_ms) AS used_ms, MIN(allowed_ms) AS allowed_ms,
        MIN(used_micro_usd) AS used_micro_usd, MIN(allowed_micro_usd) AS allowed_micro_usd, SUM(times) AS times
    FROM refusal WHERE {} GROUP BY attempt, scope, label, currency ORDER BY MIN(at)"""
REFUSALS = _REFUSALS.format("attempt = :attempt")
REFUSALS_OF_RUN = _REFUSALS.format(
    """attempt IN (SELECT attempt.id FROM attempt JOIN invocation ON invocation.id = attempt.invocation
        WHERE invocation.run = :run)"""
)
BYPASSES = "SELECT host, path, how, program FROM bypass WHERE run = :run ORDER BY at"
BYPASSES_OF_ATTEMPT = "SELECT host, path, how, program FROM bypass WHERE attempt = :attempt ORDER BY at"
ARCHIVED_PARTS = """SELECT file, at, ended_at, sessions, ms, micro_usd, COALESCE(replays, 0) AS replays,
        COALESCE(saved_ms, 0) AS saved_ms, COALESCE(saved_micro_usd, 0) AS saved_micro_usd
    FROM archived WHERE run = :run ORDER BY seq"""
RECONCILIATION = "SELECT document FROM reconciliation WHERE run = :run ORDER BY seq DESC LIMIT 1"
_VERDICT = """(SELECT reconciliation.verdict FROM reconciliation
    WHERE reconciliation.run = run.id ORDER BY reconciliation.seq DESC LIMIT 1)"""
PENDING_RUNS = f"""SELECT id FROM run WHERE {_VERDICT} = 'pending' OR ({_VERDICT} IS NULL AND EXISTS (
        SELECT 1 FROM lease JOIN dial ON dial.lease = lease.id
        WHERE lease.run = run.id AND dial.target IS NULL AND dial.cassette IS NULL))
    ORDER BY at, id"""
# Runs of which somebody still has the statement, and that were compared with a part of it at most.
INCONCLUSIVE_RUNS = """SELECT run.id AS id, reconciliation.document AS document
    FROM run JOIN reconciliation ON reconciliation.run = run.id
    WHERE run.at >= :since AND run.target IN ('live', 'rehearsal') AND reconciliation.verdict = 'inconclusive'
        AND reconciliation.seq = (SELECT MAX(seq) FROM reconciliation AS newer WHERE newer.run = run.id)
    ORDER BY run.at, run.id"""
LAST_RECONCILIATIONS = """SELECT reconciliation.document AS document
    FROM run JOIN reconciliation ON reconciliation.run = run.id
    WHERE run.at >= :since AND run.target = :target AND run.id <> :run
        AND reconciliation.seq = (SELECT MAX(seq) FROM reconciliation AS newer WHERE newer.run = run.id)
    ORDER BY run.at DESC, run.id DESC LIMIT :most"""

# A period of all runs, for an audit: a range of leases at a time, since a ledger may hold more than fits into memory.
ALL_RUNS = "SELECT id, target, tag FROM run ORDER BY at"
KEYS_OF_ALL_RUNS = "SELECT id, run FROM run_key"
RECONCILIATIONS_OF_PERIOD = """SELECT run.id AS run, reconciliation.document AS document
    FROM run JOIN reconciliation ON reconciliation.run = run.id
    WHERE run.at >= :since AND run.target = :target
        AND reconciliation.seq = (SELECT MAX(seq) FROM reconciliation AS newer WHERE newer.run = run.id)"""
ARCHIVED_SINCE = "SELECT run FROM archived WHERE ended_at >= :since"
ARCHIVED_REQUESTS = """SELECT request_id, run FROM archived_request
    WHERE run IN (SELECT archived.run FROM archived WHERE ended_at >= :since)"""
FIRST_LEASE_SINCE = "SELECT number FROM lease WHERE taken_at >= :since ORDER BY taken_at LIMIT 1"
_IN_RANGE = "lease.number >= :first AND lease.number < :end"
SESSIONS_OF_PERIOD = f"""SELECT dial.id AS id, lease.run AS run, lease.id AS lease, dial.at AS opened_at,
        usage.closed_at AS closed_at, COALESCE(usage.request_id, welcome.request_id) AS request_id, usage.ms AS ms,
        COALESCE(usage.handshake_ms, welcome.handshake_ms) AS handshake_ms, usage.closing_ms AS closing_ms,
        usage.tagged AS tagged, usage.micro_usd AS micro_usd, {_ONLY_TIER} AS only_tier
    FROM lease JOIN run ON run.id = lease.run JOIN dial ON dial.lease = lease.id
    LEFT JOIN welcome ON welcome.dial = dial.id
    LEFT JOIN usage ON usage.dial = dial.id AND {_LAST}
    WHERE {_IN_RANGE} AND dial.at >= :since AND dial.target IS NULL AND run.target = :target"""
# Of all sessions of a lease: what was metered.
_SEEN = f"""(SELECT COALESCE(SUM(usage.{{}}), 0) FROM dial JOIN usage ON usage.dial = dial.id AND {_LAST}
    WHERE dial.lease = lease.id)"""
# Those of which nobody saw everything: orphaned, or without an end.
UNSEEN_LEASES = f"""SELECT lease.id AS id, lease.run AS run, lease.taken_at AS taken_at, lease.ms AS allowance_ms,
        lease.micro_usd AS micro_usd, lease_end.how AS how, lease_end.ms AS ended_ms,
        lease_end.micro_usd AS ended_micro_usd, {_STATED_MS} AS stated_ms,
        {_SEEN.format("ms")} AS seen_ms, {_SEEN.format("micro_usd")} AS seen_micro_usd
    FROM lease JOIN run ON run.id = lease.run JOIN attempt ON attempt.id = lease.attempt
    LEFT JOIN lease_end ON lease_end.lease = lease.id
    WHERE {_IN_RANGE} AND lease.taken_at >= :since AND attempt.target IS NULL AND run.target = :target
        AND (lease_end.how IS NULL OR lease_end.how = 'orphaned')
    ORDER BY lease.number"""
# What is never billed, and what another API has: by where it went.
OTHER_SESSIONS = f"""SELECT COALESCE(dial.target, run.target) AS target, COUNT(*) AS sessions
    FROM lease JOIN run ON run.id = lease.run JOIN dial ON dial.lease = lease.id
    WHERE {_IN_RANGE} AND dial.at >= :since AND (dial.target IS NOT NULL OR run.target <> :target)
    GROUP BY COALESCE(dial.target, run.target)"""
