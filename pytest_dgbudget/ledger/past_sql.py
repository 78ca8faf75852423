"""The statements that read what tests have spent in runs of the past; see ``sql``."""

from __future__ import annotations

# What a test spent in its last attempts, the last one first; ``unseen`` counts what nobody saw the end of.
_PAST = """SELECT attempt.invocation AS invocation, attempt.worker AS worker, attempt.number AS number,
        (SELECT COUNT(*) FROM outcome WHERE outcome.attempt = attempt.id) AS ended,
        (SELECT COUNT(*) FROM refusal WHERE refusal.attempt = attempt.id) AS refused,
        {spent}
    FROM attempt JOIN invocation ON invocation.id = attempt.invocation JOIN run ON run.id = invocation.run
    WHERE attempt.nodeid = :nodeid AND attempt.at >= :since AND {where} ORDER BY attempt.at DESC LIMIT :most"""
_OF_LEASES = "FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id WHERE lease.attempt = attempt.id"
LIVE_PAST = _PAST.format(
    where="run.billed = 1 AND attempt.target IS NULL",
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
