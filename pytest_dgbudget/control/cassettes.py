"""Make cassettes of what was recorded of a test that passed."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dgbudget.cassette.making import cassette_of
from pytest_dgbudget.cassette.store import add_cassettes, write_cassettes
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import CassetteError, DgBudgetError
from pytest_dgbudget.paths import require_writable, shown_path
from pytest_dgbudget.protocol.operations import RecordCassette, WriteRecordings
from pytest_dgbudget.recording.reading import RecordedSession, read_recording, sessions_in
from pytest_dgbudget.units import counted

if TYPE_CHECKING:
    from pytest_dgbudget.control.client import GatewayClient

# How often the gateway is asked to write: it waits for a disk as long as a failed test should, and this was paid for.
_TRIES = 10
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTest:
    """An attempt that passed, with so many sessions that were dialled and opened.

    ``spool`` has the gateway's recordings of these and of what was replayed, ``cassettes`` is the test's folder.
    """

    attempt: str
    sessions: int
    spool: Path
    cassettes: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCassettes:
    """How many sessions became cassettes, and how long they are together."""

    count: int
    ms: int


class NotMade(Exception):
    """A test's sessions became no cassettes: why, and what to do, in a sentence with nothing in it that was said."""


class CassetteKeeper:
    """Makes the cassettes of one run. ``scrub`` is applied to each text before it is written."""

    def __init__(self, run_config: RunConfig, rootdir: Path, scrub: Callable[[str], str] | None) -> None:
        self._write = write_cassettes if run_config.record == "rewrite" else add_cassettes
        self._rootdir = rootdir
        self._scrub = scrub

    def keep(self, gateway: GatewayClient, test: RecordedTest) -> MadeCassettes | None:
        """Make cassettes of all sessions that were dialled, or of none: then it raises NotMade.

        None where each was replayed.
        """
        dialled = _dialled(gateway, test)
        if not dialled:
            return None
        try:
            cassettes = [cassette_of(session) for session in dialled.values()]
            folders = self._write(test.cassettes, cassettes, self._scrub)
        except CassetteError as error:
            raise NotMade(str(error)) from error
        except OSError as error:
            raise NotMade(_unwritable(test.cassettes, error, self._rootdir)) from error
        for session, folder in zip(dialled, folders, strict=True):
            gateway.send(RecordCassette(session=session, cassette=shown_path(folder, self._rootdir)))
        return MadeCassettes(count=len(folders), ms=sum(cassette.facts.ms for cassette in cassettes))


def why_no_place(folder_of_test: Path, rootdir: Path) -> str | None:
    """Say why a test's cassettes could not be written, before anything is paid for; None where they can be."""
    try:
        require_writable(folder_of_test.parent)
        if folder_of_test.is_file():
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory")
    except OSError as error:
        return _unwritable(folder_of_test, error, rootdir)
    return None


def _unwritable(folder_of_test: Path, error: OSError, rootdir: Path) -> str:
    """Say that cassettes can't be written there, and what to do."""
    in_the_way = next((each for each in (folder_of_test, *folder_of_test.parents) if each.is_file()), None)
    if in_the_way is not None:
        to_do = f"{shown_path(in_the_way, rootdir)} is a file: move it away"
    else:
        to_do = "free some space" if error.errno in _FULL else "make it writable"
    why = error.strerror or type(error).__name__
    where = shown_path(folder_of_test.parent, rootdir)
    return f"cassettes can't be written in {where} ({why}): {to_do}, or name another folder with --dg-cassette-dir"


def _dialled(gateway: GatewayClient, test: RecordedTest) -> Mapping[str, RecordedSession]:
    """Return the recordings of what was dialled by the sessions' ids, in that order; raises NotMade where one lacks."""
    try:
        is_written = any(gateway.ask(WriteRecordings(attempt=test.attempt)) for _ in range(_TRIES))
    except DgBudgetError as error:
        raise NotMade("the gateway died") from error
    if not is_written:
        raise NotMade("the disk did not take the recording in time")
    try:
        recorded = {folder.name: read_recording(folder) for folder in sessions_in(test.spool)}
    except OSError as error:
        raise NotMade(f"the recording can't be read ({error.strerror or type(error).__name__})") from error
    dialled = {id_: session for id_, session in recorded.items() if not _was_replayed(session)}
    if len(dialled) < test.sessions:
        missing = test.sessions - len(dialled)
        raise NotMade(f"of its {counted(test.sessions, 'session')} {missing} could not be recorded")
    return dialled


def _was_replayed(session: RecordedSession) -> bool:
    return any(_is_replay(line.payload) for line in session.lines if line.direction == "gateway")


def _is_replay(payload: Mapping[str, object]) -> bool:
    usage = payload.get("usage")
    return isinstance(usage, Mapping) and usage.get("replay") is not None
