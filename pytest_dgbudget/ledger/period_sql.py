"""The statements that add up what all runs of a period have spent; see ``sql``.

A session belongs to the period in which its lease was taken, as it does in windows. What a lease is charged is what its
run is charged for it: while it is open, all of it.
"""

from __future__ import annotations

from pytest_dgbudget.ledger.sql import _CHARGED_MICRO_USD, _CHARGED_MS, _LAST, _SEEN, _STATED_MS

_TARGET = "COALESCE(attempt.target, run.target) AS target"
_DAY = "SUBSTR(lease.taken_at, 1, 10) AS day"
# A replay's lease sets nothing aside, and is no spending.
_OF_LEASES = """FROM lease JOIN attempt ON attempt.id = lease.attempt JOIN run ON run.id = lease.run
        {more} WHERE lease.taken_at >= :since AND lease.taken_at < :before AND lease.ms > 0"""
_WITH_END = "LEFT JOIN lease_end ON lease_end.lease = lease.id"
_WITH_SESSIONS = f"""JOIN dial ON dial.lease = lease.id LEFT JOIN welcome ON welcome.dial = dial.id
        LEFT JOIN usage ON usage.dial = dial.id AND {_LAST}"""
_MS = f"COALESCE({_CHARGED_MS}, lease.ms)"
_MICRO_USD = f"CASE WHEN lease_end.lease IS NULL THEN lease.micro_usd ELSE {_CHARGED_MICRO_USD} END"
_IS_LOST = "COALESCE(lease_end.how, '') <> 'settled'"
_MAY_BE_AT_RISK = f"{_IS_LOST} AND {_STATED_MS} IS NULL"
_STATED_MICRO_USD = """(SELECT billed.micro_usd FROM billed
    WHERE billed.lease = lease.id ORDER BY billed.seq DESC LIMIT 1)"""


def _charges(*by: str) -> str:
    """What leases are charged, and what of it is at risk, as ``report.charged`` has it of a run.

    ``estimated`` counts those whose end nobody saw; the statement corrects their time, and no price.
    """
    return f"""SELECT {", ".join(by)}, SUM(ms) AS ms, COALESCE(SUM(micro_usd), 0) AS micro_usd,
        COUNT(*) - COUNT(micro_usd) AS unpriced, SUM(is_lost) AS estimated,
        SUM(CASE WHEN ms > seen_ms THEN ms - seen_ms ELSE 0 END) AS unseen_ms,
        SUM(CASE WHEN ms > seen_ms AND micro_usd > seen_micro_usd THEN micro_usd - seen_micro_usd ELSE 0 END)
            AS unseen_micro_usd,
        COALESCE(SUM(stated_micro_usd), 0) AS vendor_micro_usd, COUNT(*) - COUNT(stated_micro_usd) AS unstated
    FROM (SELECT {_TARGET}, {_DAY}, lease.run AS run, attempt.nodeid AS nodeid, {_MS} AS ms,
            {_MICRO_USD} AS micro_usd, {_STATED_MICRO_USD} AS stated_micro_usd,
            CASE WHEN {_IS_LOST} THEN 1 ELSE 0 END AS is_lost,
            CASE WHEN {_MAY_BE_AT_RISK} THEN {_SEEN.format("ms")} END AS seen_ms,
            CASE WHEN {_MAY_BE_AT_RISK} THEN {_SEEN.format("micro_usd")} END AS seen_micro_usd
        {_OF_LEASES.format(more=_WITH_END)}) AS charged
    GROUP BY {", ".join(by)}"""


# Of what was metered: what emulated sessions would have been live beyond that.
_SKIPPED = """COALESCE(SUM(live_ms - ms), 0) AS skipped_ms,
        COALESCE(SUM(live_micro_usd - micro_usd), 0) AS skipped_micro_usd"""
# What was metered, of emulated sessions what they would have been live.
_LIVE = """COALESCE(SUM(live_ms), 0) AS ms, COALESCE(SUM(live_micro_usd), 0) AS micro_usd,
        COUNT(live_ms) - COUNT(live_micro_usd) AS unpriced"""


def _sessions(figures: str, *by: str) -> str:
    """How many sessions opened, how many were metered, and these figures of them."""
    return f"""SELECT {", ".join(by)}, COUNT(handshake_ms) AS sessions, COUNT(ms) AS metered, {figures},
        COALESCE(SUM(estimated), 0) AS estimated
    FROM (SELECT {_TARGET}, {_DAY}, lease.run AS run, attempt.nodeid AS nodeid, usage.tier AS tier,
            usage.estimated AS estimated,
            usage.ms AS ms, COALESCE(usage.ms + usage.skipped_ms, usage.ms) AS live_ms, usage.micro_usd AS micro_usd,
            COALESCE(usage.forecast_micro_usd, usage.micro_usd) AS live_micro_usd,
            COALESCE(usage.handshake_ms, welcome.handshake_ms) AS handshake_ms
        {_OF_LEASES.format(more=_WITH_SESSIONS)}) AS opened
    GROUP BY {", ".join(by)}"""


CHARGES_BY_RUN = _charges("target", "run", "day")
SESSIONS_BY_RUN = _sessions(_SKIPPED, "target", "run", "day")
CHARGES_BY_TEST = _charges("target", "nodeid")
SESSIONS_BY_TEST = _sessions(_SKIPPED, "target", "nodeid")
SESSIONS_BY_TIER = _sessions(_LIVE, "target", "tier")
# An archived run counts whole where it began; its tests and tiers are in the archive.
ARCHIVED_OF_PERIOD = """SELECT run.target AS target, archived.run AS run, SUBSTR(archived.began_at, 1, 10) AS day,
        SUM(archived.sessions) AS sessions, SUM(archived.ms) AS ms, COALESCE(SUM(archived.micro_usd), 0) AS micro_usd,
        COUNT(*) - COUNT(archived.micro_usd) AS unpriced
    FROM archived JOIN run ON run.id = archived.run
    WHERE archived.ended_at >= :since AND archived.began_at >= :since AND archived.began_at < :before
        AND (archived.sessions > 0 OR archived.ms > 0)
    GROUP BY run.target, archived.run, SUBSTR(archived.began_at, 1, 10)"""
# What replays would have used live, as far as that is known; also those of runs that are archived.
_REPLAYS = f"""SELECT lease.run AS run, 1 AS sessions, usage.ms + usage.skipped_ms AS ms,
        usage.forecast_micro_usd AS micro_usd
    FROM lease JOIN dial ON dial.lease = lease.id LEFT JOIN usage ON usage.dial = dial.id AND {_LAST}
    WHERE {{}} AND dial.cassette IS NOT NULL"""
_ARCHIVED_REPLAYS = """SELECT run, replays AS sessions, saved_ms AS ms, saved_micro_usd AS micro_usd FROM archived
    WHERE ended_at >= :since AND began_at >= :since AND began_at < :before AND replays > 0"""
_SUM_OF_REPLAYS = """SELECT COUNT(DISTINCT run) AS runs, COALESCE(SUM(sessions), 0) AS sessions,
        COALESCE(SUM(ms), 0) AS ms, COALESCE(SUM(micro_usd), 0) AS micro_usd
    FROM ({}) AS replayed"""
REPLAYS_OF_RUN = _SUM_OF_REPLAYS.format(_REPLAYS.format("lease.run = :run"))
REPLAYS_OF_PERIOD = _SUM_OF_REPLAYS.format(
    f"""{_REPLAYS.format("lease.taken_at >= :since AND lease.taken_at < :before")}
    UNION ALL {_ARCHIVED_REPLAYS}"""
)
