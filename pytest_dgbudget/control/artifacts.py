"""Keep what was recorded of an attempt beside the report, or have it dropped: who knows the outcome decides."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.protocol.operations import (
    AttemptRecordings,
    ReleaseRecordings,
    TakeAudioRoom,
    WriteRecordings,
)
from pytest_dgbudget.report.artifact_folders import TestAttempt
from pytest_dgbudget.report.artifacts import Artifacts, RecordedAttempt, Scrub, write_artifacts

if TYPE_CHECKING:
    from pytest_dgbudget.control.client import GatewayClient

STILL_OPEN = "it was still open"
GATEWAY_DIED = "the gateway died"
_SLOW_DISK = "the disk did not take the rest of the recording in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAttempt:
    """An attempt, and where it was recorded. ``unended``: why the end of a session would be missing there."""

    test: TestAttempt
    recordings: AttemptRecordings
    unended: str


class NotKept(Exception):
    """An attempt's files can't be written; ``tail`` has the end of its transcript."""

    def __init__(self, why: str, tail: tuple[str, ...]) -> None:
        super().__init__(why)
        self.tail = tail


class ArtifactKeeper:
    """Keeps attempts of one run. ``scrub`` is applied to each text before it is written."""

    def __init__(self, run_config: RunConfig, scrub: Scrub | None = None) -> None:
        self._run_config = run_config
        self._scrub = scrub

    def write(self, gateway: GatewayClient, attempt: KeptAttempt) -> Artifacts | None:
        """Write the texts of what was recorded by now; None where there was no session. Raises OSError."""
        return write_artifacts(self._run_config.report_dir, _recorded(gateway, attempt), scrub=self._scrub)

    def keep_at_once(self, attempt: KeptAttempt) -> Artifacts | None:
        """Write the texts of what is on the disk by now, whatever the gateway does; None where there is nothing."""
        return write_artifacts(self._run_config.report_dir, _recorded_by_now(attempt), scrub=self._scrub)

    def keep(self, gateway: GatewayClient, attempt: KeptAttempt) -> Artifacts | None:
        """Write all that is kept of an attempt whose sessions are over, and have its recordings dropped.

        None where there was no session. Raises NotKept.
        """
        take_room = partial(_take_room, gateway) if self._run_config.artifacts_audio else None
        recorded = _recorded(gateway, attempt)
        try:
            return write_artifacts(self._run_config.report_dir, recorded, scrub=self._scrub, take_room=take_room)
        except OSError as error:
            raise NotKept(str(error), self._tail(recorded)) from error
        finally:
            gateway.send(ReleaseRecordings(attempt=attempt.test.id, is_kept=True))

    def _tail(self, recorded: RecordedAttempt) -> tuple[str, ...]:
        """Return the end of a transcript that can't be kept."""
        with contextlib.suppress(OSError), TemporaryDirectory() as folder:
            artifacts = write_artifacts(Path(folder), recorded, scrub=self._scrub)
            return () if artifacts is None else artifacts.tail
        return ()


def drop(gateway: GatewayClient, attempt: str) -> None:
    """Have the recordings of an attempt dropped, whose sessions are over; nobody waits for it."""
    gateway.send(ReleaseRecordings(attempt=attempt, is_kept=False))


def _take_room(gateway: GatewayClient, size: int) -> int:
    try:
        return gateway.ask(TakeAudioRoom(size=size))
    except DgBudgetError:
        return 0


def _recorded(gateway: GatewayClient, attempt: KeptAttempt) -> RecordedAttempt:
    """Return what was recorded, once it is on the disk; of a gateway that is gone, what it has left there."""
    recorded = _recorded_by_now(attempt)
    try:
        is_written = gateway.ask(WriteRecordings(attempt=attempt.test.id))
    except DgBudgetError:
        return replace(recorded, unended=GATEWAY_DIED)
    return recorded if is_written else replace(recorded, unended=_SLOW_DISK)


def _recorded_by_now(attempt: KeptAttempt) -> RecordedAttempt:
    folder, target = Path(attempt.recordings.folder), attempt.recordings.target
    return RecordedAttempt(test=attempt.test, folder=folder, target=target, unended=attempt.unended)
