"""What a failed test leaves beside the report: written when a phase of it has failed, and again when it is over."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dgbudget.control.artifacts import GATEWAY_DIED, STILL_OPEN, ArtifactKeeper, KeptAttempt, NotKept, drop
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.plugin.attempt import RunningTest
from pytest_dgbudget.plugin.junit import TRANSCRIPT_PROPERTY
from pytest_dgbudget.report.artifact_folders import TestAttempt
from pytest_dgbudget.report.header import TRANSCRIPT_IS_AT

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.control.client import GatewayClient
    from pytest_dgbudget.report.artifacts import Artifacts, Scrub


class TestArtifacts:
    """Keeps what the run's settings say of each attempt, and names it in the reports of its test."""

    __test__ = False  # for pytest

    def __init__(self, run_config: RunConfig, rootdir: Path, scrub: Scrub | None) -> None:
        self._run_config = run_config
        self._rootdir = rootdir
        self._keeper = ArtifactKeeper(run_config, scrub)
        # Sessions may be recorded for their cassettes alone.
        self._keeps_any = run_config.artifacts != "off"

    def phase_ended(self, gateway: GatewayClient, running: RunningTest, report: pytest.TestReport, worker: str) -> None:
        """Keep or drop what was recorded, as far as that is decided by now."""
        recordings = running.attempt.recordings
        if recordings is None:
            return
        keeps = self._keeps_any and (running.has_failed or self._run_config.artifacts == "always")
        is_over = report.when == "teardown"
        if is_over and not keeps:
            drop(gateway, running.attempt.id)
        elif keeps and (is_over or report.failed):
            unended = GATEWAY_DIED if running.gateway_lost or is_over else STILL_OPEN
            attempt = KeptAttempt(
                test=self.test(report.nodeid, running.attempt.id, running.attempt.number, worker),
                recordings=recordings,
                unended=unended,
            )
            self._end(gateway, running, attempt, report) if is_over else self._tell(gateway, running, attempt, report)

    def test(self, nodeid: str, attempt: str, number: int, worker: str) -> TestAttempt:
        return TestAttempt(run=self._run_config.run_id, id=attempt, nodeid=nodeid, worker=worker, number=number)

    def test_crashed(self, gateway: GatewayClient, attempt: KeptAttempt, report: pytest.TestReport) -> None:
        """Keep what was recorded of a test whose process is gone."""
        if not self._keeps_any:
            drop(gateway, attempt.test.id)
            return
        artifacts = self._kept(gateway, attempt, report)
        if artifacts is not None:
            _add_section(report, self._told(artifacts))

    def interrupted(self, running: RunningTest, nodeid: str, worker: str) -> None:
        """Keep what was recorded of a test that Ctrl-C ends in its midst: it has no report, and nobody waits."""
        if running.attempt.recordings is not None and self._keeps_any:
            test = self.test(nodeid, running.attempt.id, running.attempt.number, worker)
            attempt = KeptAttempt(test=test, recordings=running.attempt.recordings, unended=STILL_OPEN)
            with contextlib.suppress(Exception, KeyboardInterrupt):
                self._keeper.keep_at_once(attempt)

    def _tell(
        self, gateway: GatewayClient, running: RunningTest, attempt: KeptAttempt, report: pytest.TestReport
    ) -> None:
        """Write what there is in the midst of a test; what it has replaced may keep that from working."""
        with contextlib.suppress(Exception):
            artifacts = self._keeper.write(gateway, attempt)
            if artifacts is not None:
                _add_section(report, self._told(artifacts))
                running.has_told = True

    def _end(
        self, gateway: GatewayClient, running: RunningTest, attempt: KeptAttempt, report: pytest.TestReport
    ) -> None:
        artifacts = self._kept(gateway, attempt, report)
        if artifacts is None or not running.has_failed:
            return
        if report.failed or not running.has_told:
            _add_section(report, self._told(artifacts))
        elif artifacts.audio:
            _add_section(report, self._audio(artifacts))

    def _kept(self, gateway: GatewayClient, attempt: KeptAttempt, report: pytest.TestReport) -> Artifacts | None:
        """Keep an attempt, and name its transcript to reporters; what keeps it from being written fails no test."""
        try:
            artifacts = self._keeper.keep(gateway, attempt)
        except NotKept as error:
            _add_section(report, [f"the transcript can't be written: {error}; its end:", "", *error.tail])
            return None
        except Exception as error:
            _add_section(report, [f"the transcript can't be written: {error or type(error).__name__}"])
            return None
        if artifacts is not None:
            transcript = artifacts.transcript.relative_to(self._run_config.report_dir).as_posix()
            report.user_properties.append((TRANSCRIPT_PROPERTY, transcript))
        return artifacts

    def _told(self, artifacts: Artifacts) -> Iterator[str]:
        yield f"{TRANSCRIPT_IS_AT}{shown_path(artifacts.transcript, self._rootdir)}"
        yield from self._audio(artifacts)
        yield ""
        yield from artifacts.tail

    def _audio(self, artifacts: Artifacts) -> Iterator[str]:
        return (f"audio: {shown_path(path, self._rootdir)}" for path in artifacts.audio)


def _add_section(report: pytest.TestReport, lines: Iterable[str]) -> None:
    """Add a section under the title that pytest gives those of ``item.add_report_section``."""
    phase = f" {report.when}" if report.when in ("setup", "call", "teardown") else ""  # else its worker crashed
    report.sections.append((f"Captured dgbudget{phase}", "\n".join(lines)))
