"""The statements that add up what all runs of a period have spent; see ``sql``.

A session belongs to the period in which its lease was taken, as it does in windows. What a lease is charged is what its
run is charged for it: while it is open, all of it.
"""

from __future__ import annotations

from pytest_dgbudget.ledger.sql import _CHARGED_MICRO_USD, _CHARGED_MS

_TARGET = "COALESCE(attempt.target, run.target) AS target"
_DAY = "SUBSTR(lease.taken_at, 1, 10) AS day"
_OF_LEASES = """FROM lease JOIN attempt ON attempt.id = lease.attempt JOIN run ON run.id = lease.run
        {more} WHERE lease.taken_at >= :since AND lease.taken_at < :before"""
_WITH_END = "LEFT JOIN lease_end ON lease_end.lease = lease.id"
_WITH_SESSIONS = """JOIN dial ON dial.lease = lease.id LEFT JOIN welcome ON welcome.dial = dial.id
        LEFT JOIN usage ON usage.dial = dial.id
            AND NOT EXISTS (SELECT 1 FROM usage AS newer WHERE newer.supersedes = usage.id)"""
_MS = f"COALESCE({_CHARGED_MS}, lease.ms)"
_MICRO_USD = f"CASE WHEN lease_end.lease IS NULL THEN lease.micro_usd ELSE {_CHARGED_MICRO_USD} END"
_STATED_MICRO_USD = """(SELECT billed.micro_usd FROM billed
    WHERE billed.lease = lease.id ORDER BY billed.seq DESC LIMIT 1)"""


def _charges(*by: str) -> str:
    """What leases are charged. Of what nobody saw being used, ``unseen_unpriced`` leases have no price."""
    return f"""SELECT {", ".join(by)}, SUM(ms) AS ms, COALESCE(SUM(micro_usd), 0) AS micro_usd,
        COUNT(*) - COUNT(micro_usd) AS unpriced, SUM(is_unseen * ms) AS unseen_ms,
        COALESCE(SUM(is_unseen * micro_usd), 0) AS unseen_micro_usd,
        SUM(is_unseen) - SUM(CASE WHEN micro_usd IS NULL THEN 0 ELSE is_unseen END) AS unseen_unpriced,
        COALESCE(SUM(stated_micro_usd), 0) AS vendor_micro_usd, COUNT(*) - COUNT(stated_micro_usd) AS unstated
    FROM (SELECT {_TARGET}, {_DAY}, lease.run AS run, attempt.nodeid AS nodeid, {_MS} AS ms,
            {_MICRO_USD} AS micro_usd, {_STATED_MICRO_USD} AS stated_micro_usd,
            CASE WHEN lease_end.how = 'settled' THEN 0 ELSE 1 END AS is_unseen
        {_OF_LEASES.format(more=_WITH_END)}) AS charged
    GROUP BY {", ".join(by)}"""


def _sessions(*by: str) -> str:
    """How many sessions opened, how many were metered, and what these were: emulated ones what they would be live."""
    return f"""SELECT {", ".join(by)}, COUNT(handshake_ms) AS sessions, COUNT(ms) AS metered,
        COALESCE(SUM(ms), 0) AS ms, COALESCE(SUM(micro_usd), 0) AS micro_usd, COUNT(ms) - COUNT(micro_usd) AS unpriced,
        COALESCE(SUM(estimated), 0) AS estimated
    FROM (SELECT {_TARGET}, {_DAY}, lease.run AS run, attempt.nodeid AS nodeid, usage.tier AS tier,
            usage.estimated AS estimated,
            COALESCE(usage.ms + usage.skipped_ms, usage.ms) AS ms,
            COALESCE(usage.forecast_micro_usd, usage.micro_usd) AS micro_usd,
            COALESCE(usage.handshake_ms, welcome.handshake_ms) AS handshake_ms
        {_OF_LEASES.format(more=_WITH_SESSIONS)}) AS opened
    GROUP BY {", ".join(by)}"""


CHARGES_BY_RUN = _charges("target", "run", "day")
SESSIONS_BY_RUN = _sessions("target", "run", "day")
CHARGES_BY_TEST = _charges("target", "nodeid")
SESSIONS_BY_TEST = _sessions("target", "nodeid")
SESSIONS_BY_TIER = _sessions("target", "tier")
# An archived run counts whole where it began; its tests and tiers are in the archive.
ARCHIVED_OF_PERIOD = """SELECT run.target AS target, archived.run AS run, SUBSTR(archived.began_at, 1, 10) AS day,
        SUM(archived.sessions) AS sessions, SUM(archived.ms) AS ms, COALESCE(SUM(archived.micro_usd), 0) AS micro_usd,
        COUNT(*) - COUNT(archived.micro_usd) AS unpriced
    FROM archived JOIN run ON run.id = archived.run
    WHERE archived.ended_at >= :since AND archived.began_at >= :since AND archived.began_at < :before
    GROUP BY run.target, archived.run, SUBSTR(archived.began_at, 1, 10)"""
