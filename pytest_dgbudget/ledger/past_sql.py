"""The statements that read what tests have spent in runs of the past; see ``sql``."""

from __future__ import annotations

# What a test spent in its last attempts, the last one first; ``unseen`` counts what nobody saw the end of. One that was
# replayed tells nothing of that.
_PAST = """SELECT attempt.invocation AS invocation, attempt.worker AS worker, attempt.number AS number,
        (SELECT COUNT(*) FROM outcome WHERE outcome.attempt = attempt.id) AS ended,
        (SELECT COUNT(*) FROM refusal WHERE refusal.attempt = attempt.id) AS refused,
        {spent}
    FROM attempt JOIN invocation ON invocation.id = attempt.invocation JOIN run ON run.id = invocation.run
    WHERE attempt.nodeid = :nodeid AND attempt.at >= :since AND {where} ORDER BY attempt.at DESC LIMIT :most"""
_OF_LEASES = "FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id WHERE lease.attempt = attempt.id"
_NOT_REPLAYED = """NOT EXISTS (SELECT 1 FROM lease AS taken JOIN dial AS replayed ON replayed.lease = taken.id
        WHERE taken.attempt = attempt.id AND replayed.cassette IS NOT NULL)"""
LIVE_PAST = _PAST.format(
    where=f"run.billed = 1 AND attempt.target IS NULL AND {_NOT_REPLAYED}",
    spent=f"""(SELECT COUNT(*) {_OF_LEASES} AND (lease_end.how IS NULL OR lease_end.how <> 'settled')) AS unseen,
        (SELECT COALESCE(SUM(lease_end.ms), 0) {_OF_LEASES}) AS ms,
        (SELECT CASE WHEN COUNT(*) = COUNT(lease_end.micro_usd) THEN COALESCE(SUM(lease_end.micro_usd), 0) END
            {_OF_LEASES}) AS micro_usd""",
)
_OF_SESSIONS = """FROM lease JOIN dial ON dial.lease = lease.id LEFT JOIN usage ON usage.dial = dial.id
            AND NOT EXISTS (SELECT 1 FROM usage AS newer WHERE newer.supersedes = usage.id)
            WHERE lease.attempt = attempt.id"""
EMULATED_PAST = _PAST.format(
    where="(attempt.target = 'emulator' OR run.target = 'emulator')",
    spent=f"""(SELECT COUNT(*) {_OF_SESSIONS} AND (usage.ms IS NULL OR usage.skipped_ms IS NULL)) AS unseen,
        (SELECT COALESCE(SUM(usage.ms + usage.skipped_ms), 0) {_OF_SESSIONS}) AS ms,
        (SELECT CASE WHEN COUNT(*) = COUNT(usage.forecast_micro_usd)
            THEN COALESCE(SUM(usage.forecast_micro_usd), 0) END {_OF_SESSIONS}) AS micro_usd""",
)

COMPARED_RUN = "SELECT at, target FROM run WHERE id = :run"
_TESTS_OF = """FROM invocation JOIN attempt ON attempt.invocation = invocation.id
            WHERE invocation.run = {} AND attempt.target IS NULL"""
_OWN = _TESTS_OF.format(":run")
_SHARED = f"{_TESTS_OF.format('run.id')} AND attempt.nodeid IN (SELECT attempt.nodeid {_OWN})"
# The last runs of the same target before one that came to their end and share at least half of its tests: those of
# other jobs or projects in the ledger take no places. Of what vacuum has taken out, only sums are left.
_RUNS_BEFORE = f"""SELECT {{}} FROM run
    WHERE run.at < :before AND run.at >= :since AND run.target = :target
        AND NOT EXISTS (SELECT 1 FROM archived WHERE archived.run = run.id)
        AND NOT EXISTS (SELECT 1 FROM invocation
            LEFT JOIN invocation_end ON invocation_end.invocation = invocation.id
            WHERE invocation.run = run.id AND COALESCE(invocation_end.exit_status, -1) NOT IN (0, 1))
        AND 2 * (SELECT COUNT(DISTINCT attempt.nodeid) {_SHARED}) >= (SELECT COUNT(DISTINCT attempt.nodeid) {_OWN})
    ORDER BY run.at DESC, run.id DESC LIMIT :most"""
RUNS_BEFORE = _RUNS_BEFORE.format("run.id AS id, run.at AS started_at")
_OF_RUNS = f"(invocation.run = :run OR invocation.run IN ({_RUNS_BEFORE.format('run.id')}))"
# A row for each session of their tests, and for each attempt that had none.
SESSIONS_OF_RUNS_BEFORE = f"""SELECT invocation.run AS run, attempt.nodeid AS nodeid, attempt.invocation AS invocation,
        attempt.worker AS worker, attempt.id AS attempt, attempt.number AS number,
        (SELECT outcome FROM outcome WHERE outcome.attempt = attempt.id ORDER BY seq DESC LIMIT 1) AS outcome,
        (SELECT COUNT(*) FROM refusal WHERE refusal.attempt = attempt.id) AS refused,
        dial.id AS dial, dial.cassette AS replayed_from, usage.handshake_ms AS handshake_ms,
        usage.closed_by AS closed_by,
        CASE WHEN :target = 'emulator' THEN usage.ms + usage.skipped_ms ELSE usage.ms END AS ms,
        CASE WHEN :target = 'emulator' THEN usage.forecast_micro_usd ELSE usage.micro_usd END AS micro_usd
    FROM invocation JOIN attempt ON attempt.invocation = invocation.id
    LEFT JOIN lease ON lease.attempt = attempt.id LEFT JOIN dial ON dial.lease = lease.id
    LEFT JOIN usage ON usage.dial = dial.id
        AND NOT EXISTS (SELECT 1 FROM usage AS newer WHERE newer.supersedes = usage.id)
    WHERE {_OF_RUNS} AND attempt.target IS NULL"""
# At pace max an emulator's latencies are those of the machine. LEFT JOIN: to be looked up from there.
TURNS_OF_RUNS_BEFORE = f"""SELECT turn.dial AS session, attempt.id AS attempt, turn.started_ms AS started_ms,
        turn.since AS since, turn.answered_ms AS answered_ms, turn.overlapped AS overlapped, turn.unpaced AS unpaced,
        turn.continued AS continued, turn.function_ms AS function_ms
    FROM invocation JOIN attempt ON attempt.invocation = invocation.id
    JOIN lease ON lease.attempt = attempt.id JOIN dial ON dial.lease = lease.id JOIN turn ON turn.dial = dial.id
    WHERE {_OF_RUNS} AND attempt.target IS NULL AND (:target <> 'emulator' OR invocation.pace = 'vendor')
        AND dial.cassette IS NULL"""
