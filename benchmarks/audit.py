"""An audit of 100,000 sessions against as many requests: what it takes after the download, and its memory."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO

from benchmarks import peak_memory
from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.filled_ledgers import EVERY, Past, fill
from benchmarks.statement import Row, StaticStatement, served
from pytest_dgbudget.report.audit_document import AuditDocument

# Of an invocation every ten minutes, a thousand are a week.
WEEK, TENTH = Past(runs=1000, invocations=1, sessions=100), Past(runs=100, invocations=1, sessions=100)
KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"
AUDIT = "dgbudget audit"
_COMMAND = (sys.executable, "-c", "import sys; from pytest_dgbudget.cli import main; sys.exit(main())", "audit")
_USD_PER_SECOND = 0.00125
_SESSIONS = """SELECT dial.at, usage.request_id, run.tag, usage.ms FROM usage JOIN dial ON dial.id = usage.dial
    JOIN lease ON lease.id = dial.lease JOIN run ON run.id = lease.run ORDER BY dial.at"""


def benchmarks() -> Sequence[Benchmark]:
    return [_of(WEEK, smaller=_of(TENTH))]


def _of(past: Past, smaller: Benchmark | None = None) -> Benchmark:
    audited = Audited(past)
    title = f"an audit of {past.all_sessions:,} sessions against as many requests"
    return Benchmark(
        name="audit",
        title=title,
        subjects=[Subject(name=AUDIT, trial=audited.trial, setup=audited.is_there)],
        figures=[
            Figure(name="in all", unit="s"),
            Figure(name="after the last page", unit="s", reach=Reach(subject=AUDIT, limit=3)),
            Figure(name="resident", unit="MiB", statistic="max", reach=Reach(subject=AUDIT, limit=300)),
        ],
        trials=5,
        quick_trials=2,
        smaller=smaller,
    )


class Audited:
    """A project whose ledger has this past, up to now, and a statement that agrees with it."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._folder = Path()
        self._statement = StaticStatement([])

    @contextmanager
    def is_there(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory(prefix="dgbudget-audit-") as folder:
            self._folder = Path(folder)
            (self._folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
            fill_until_now(self._folder / "ledger.db", self._past)
            with served(StaticStatement(agreeing_rows(self._folder / "ledger.db"))) as self._statement:
                yield

    def trial(self) -> Figures:
        return self.audited()[0]

    def audited(self) -> tuple[Figures, AuditDocument]:
        """Audit all of it, and return what that took and what came of it."""
        since = f"{(self._past.runs * EVERY + timedelta(days=1)).total_seconds():.0f}"
        places = ("--ledger", "sqlite:///ledger.db", "--api-url", self._statement.url)
        with (self._folder / "audit.json").open("w+", encoding="utf-8") as output:
            began = time.monotonic()
            peak = _peak_mib([*_COMMAND, "--json", "--since", since, *places], self._folder, output)
            ended = time.monotonic()
            output.seek(0)
            document: AuditDocument = json.load(output)
        figures = {
            "in all": ended - began,
            "after the last page": ended - self._statement.last_page_at,
            "resident": peak,
        }
        return figures, document


def _peak_mib(command: Sequence[str], folder: Path, output: IO[str]) -> float:
    """Run it to its end, and return the most memory that it had resident."""
    peak = folder / "peak"
    measured = [sys.executable, str(Path(peak_memory.__file__)), str(peak), *command]
    subprocess.run(measured, cwd=folder, env={**os.environ, "DEEPGRAM_API_KEY": KEY}, stdout=output, check=True)
    return int(peak.read_text(encoding="utf-8")) / 1024


def fill_until_now(path: Path, past: Past) -> None:
    """Make a ledger in which all this has been by now."""
    fill(path, past, datetime.now(timezone.utc) - past.runs * past.invocations * EVERY - timedelta(hours=1))


def agreeing_rows(ledger: Path) -> list[Row]:
    """Return what the statement has of a ledger's sessions."""
    with closing(sqlite3.connect(ledger)) as connection:
        return [(at, _row(at, *session)) for at, *session in connection.execute(_SESSIONS)]


def _row(at: str, request_id: str, tag: str, ms: int) -> bytes:
    seconds = ms / 1000
    completed = datetime.fromisoformat(at.replace("Z", "+00:00")) + timedelta(seconds=seconds)
    details = {"usd": seconds * _USD_PER_SECOND, "duration": seconds, "method": "streaming", "tags": [tag]}
    row = {
        "request_id": request_id,
        "created": at,
        "path": "/v1/agent/converse",
        "api_key_id": "11111111-2222-3333-4444-555555555555",
        "response": {"details": details, "completed": completed.isoformat(), "code": 200},
    }
    return json.dumps(row).encode()
