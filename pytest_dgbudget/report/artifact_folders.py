"""The folders of artifacts in a report folder: one for each attempt, with a file that says whose it is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_dgbudget.folder_names import folder_name

FOLDER = "artifacts"
# Names the run, the attempt and the files that we wrote: nothing else is ever removed.
MARKER = ".dgbudget.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestAttempt:
    """One attempt of a test: ``id`` is the ledger's, ``worker`` that of a worker where each runs every test."""

    __test__ = False  # for pytest

    run: str
    id: str
    nodeid: str
    worker: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Marker:
    folder: Path
    run: str
    attempt: str
    files: tuple[str, ...]


def folder_of(report_dir: Path, test: TestAttempt) -> Path:
    """Return the folder of an attempt: the same one in each run, unless another attempt of this run is there."""
    folder = report_dir / FOLDER / _name(test, test.worker)
    taken = _marker_in(folder)
    if taken is not None and taken.run == test.run and taken.attempt != test.id:
        return report_dir / FOLDER / _name(test, test.worker, test.id)
    return folder


def marker_of(test: TestAttempt, files: Sequence[str]) -> bytes:
    """Return what the marker of a folder says."""
    return json.dumps({"run": test.run, "attempt": test.id, "files": list(files)}, indent=1).encode() + b"\n"


def artifacts_of(report_dir: Path, run: str) -> Mapping[str, list[str]]:
    """Return the artifacts of a run by its attempts' ids, as paths relative to the report folder."""
    return {
        marker.attempt: [f"{FOLDER}/{marker.folder.name}/{file}" for file in marker.files]
        for marker in _markers(report_dir)
        if marker.run == run
    }


def remove_artifacts(report_dir: Path, is_kept: Callable[[str], bool]) -> None:
    """Remove the artifacts of other runs than those that are kept, by their ids; what isn't ours stays."""
    for marker in list(_markers(report_dir)):
        if not is_kept(marker.run):
            clear_folder(marker.folder)
            with contextlib.suppress(OSError):  # something of somebody else's is in it
                marker.folder.rmdir()
    with contextlib.suppress(OSError):
        (report_dir / FOLDER).rmdir()


def clear_folder(folder: Path) -> None:
    """Remove from a folder what we wrote into it."""
    marker = _marker_in(folder)
    for name in () if marker is None else (*marker.files, MARKER):
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def _name(test: TestAttempt, *others: str) -> str:
    attempt = "" if test.number == 1 else f"-attempt-{test.number}"
    return folder_name(test.nodeid, *others) + attempt


def _markers(report_dir: Path) -> Iterator[_Marker]:
    for path in sorted((report_dir / FOLDER).glob(f"*/{MARKER}")):
        marker = _marker_in(path.parent)
        if marker is not None:
            yield marker


def _marker_in(folder: Path) -> _Marker | None:
    """Return a folder's marker; None where there is none, or it is not ours."""
    path = folder / MARKER
    try:
        if folder.is_symlink() or path.is_symlink():
            return None
        found = json.loads(path.read_bytes())
        files = tuple(name for name in found["files"] if isinstance(name, str) and Path(name).name == name)
        return _Marker(folder=folder, run=str(found["run"]), attempt=str(found["attempt"]), files=files)
    except (OSError, ValueError, LookupError, TypeError):
        return None
