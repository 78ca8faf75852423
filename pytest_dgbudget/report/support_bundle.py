"""What goes to Deepgram's support about one run: request ids, times, both sides' figures, versions, and no secret.

It is made of the ledger's facts. What users or their machine could have put a secret into is left out: test ids,
reasons, paths, host names, the environment.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.credentials import without_credentials
from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.support_page import period_of, support_page
from pytest_dgbudget.report.support_sessions import sessions_csv
from pytest_dgbudget.units import seconds

_UNIX = 3
_PRIVATE_FILE = 0o100600 << 16
_FIRST_OF_ZIP = datetime(1980, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportBundle:
    """``members`` are texts by their file names, ``sessions`` is how many they tell of; ``ended_at`` dates them."""

    run: str
    sessions: int
    ended_at: datetime
    members: Mapping[str, str]

    def to_zip(self) -> bytes:
        """Return the archive; the same bundle is the same bytes."""
        file = io.BytesIO()
        with ZipFile(file, "w") as archive:
            for name, text in self.members.items():
                archive.writestr(self._entry(name), text.encode())
        return file.getvalue()

    def _entry(self, name: str) -> ZipInfo:
        entry = ZipInfo(f"dgbudget-support-{self.run}/{name}", self.ended_at.timetuple()[:6])
        entry.create_system, entry.external_attr, entry.compress_type = _UNIX, _PRIVATE_FILE, ZIP_DEFLATED
        return entry


def support_bundle(facts: RunFacts, run_config: RunConfig, versions: Mapping[str, str | None]) -> SupportBundle:
    """Return what is known of a run's own sessions; ``run_config`` is what holds here now, None a version unknown."""
    document = usage_document(facts.of_own_target())
    return SupportBundle(
        run=facts.id,
        sessions=len(document["sessions"]),
        ended_at=_end_of(document),
        members={
            "summary.txt": support_page(document, facts.tag),
            "sessions.csv": sessions_csv(document),
            "versions.json": _json(versions),
            "configuration.json": _json({"recorded": _recorded(document, facts), "now": _now(run_config)}),
        },
    )


def _end_of(document: UsageDocument) -> datetime:
    run = document["run"]
    known = (run["finished_at"], period_of(document)[1], run["started_at"])
    moments = (read_instant(at) for at in known if at is not None)
    return max(_FIRST_OF_ZIP, next((at for at in moments if at is not None), _FIRST_OF_ZIP))


def _recorded(document: UsageDocument, facts: RunFacts) -> dict[str, Any]:
    """Return what the run itself was given."""
    run, reconciliation = document["run"], document["reconciliation"]
    return {
        "target": run["target"],
        "billed": run["billed"],
        "tag": facts.tag,
        "budget_seconds": run["budget_seconds"],
        "prices_as_of": run["prices_as_of"],
        "pace": facts.invocations[-1].pace,
        "bypass": run["bypass"],
        "project": reconciliation["project"],
        "tolerance": reconciliation["tolerance"],
    }


def _now(run_config: RunConfig) -> dict[str, Any]:
    """Return what the ledger has not: as it is configured where the bundle is made."""
    api_url = run_config.api_url
    return {
        "agent_url": without_credentials(run_config.agent_url),
        "api_url": None if api_url is None else without_credentials(api_url),
        "project": run_config.project,
        "tolerance_seconds": seconds(run_config.tolerance_ms),
        "tolerance_share": run_config.tolerance_share,
        "drift_share": run_config.drift_share,
        "vendor_grace_seconds": seconds(run_config.vendor_grace_ms),
        "redirect": run_config.redirect,
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"
