"""The files of a report: each written at once or not at all, and an earlier run's set aside."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_dgbudget.paths import make_folder, require_file
from pytest_dgbudget.report.rendering import RENDERINGS, rendered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_dgbudget.report.document import UsageDocument

FILE_NAME = "usage.json"
# The report of an earlier run, from the moment when another one begins.
EARLIER_FILE_NAME = "usage.earlier.json"


def usage_json(document: Mapping[str, object]) -> str:
    """Return a document as the file has it."""
    return json.dumps(document, indent=1) + "\n"


class WrittenReport(NamedTuple):
    """Where ``usage.json`` is, and a sentence for each file that could not be made of it."""

    path: Path
    notices: list[str]


def write_files(document: UsageDocument, folder: Path) -> WrittenReport:
    """Write ``usage.json`` and what is made of it; raises OSError where ``usage.json`` can't be written."""
    path = write_usage(document, folder)
    failures = [_not_rendered(document, folder, name) for name in RENDERINGS]
    return WrittenReport(path, [failure for failure in failures if failure is not None])


def write_usage(document: Mapping[str, object], folder: Path) -> Path:
    """Write the document at once or not at all, and return its path; raises OSError."""
    make_folder(folder)
    return _write(folder / FILE_NAME, usage_json(document))


def _not_rendered(document: UsageDocument, folder: Path, name: str) -> str | None:
    """Write one of the files that are made of the document; return why it could not be, None where it was.

    What was there of it is an earlier report's, so that it goes as well.
    """
    try:
        _write(folder / name, rendered(name, document))
    except Exception as error:
        _remove(folder / name)
        return f"{name} could not be written ({type(error).__name__}: {error}); {FILE_NAME} has all that would be in it"
    return None


def _write(path: Path, text: str) -> Path:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            if hasattr(os, "fchmod"):  # by its name, it could be a link that another user has put in its place
                os.fchmod(file.fileno(), 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def set_earlier_aside(folder: Path, run: str) -> None:
    """Rename the report of another run, which would be taken for this one's until this one is reported.

    What was made of it is removed, since it can be made anew.
    """
    path = folder / FILE_NAME
    with contextlib.suppress(OSError):
        if _of_run(path, run) is None:
            path.replace(folder / EARLIER_FILE_NAME)
            for name in RENDERINGS:
                _remove(folder / name)


def report_of(folder: Path, run: str) -> dict[str, Any] | None:
    """Return the document that is in a folder if it is this run's; None otherwise."""
    try:
        return _of_run(folder / FILE_NAME, run)
    except OSError:
        return None


def _of_run(path: Path, run: str) -> dict[str, Any] | None:
    require_file(path)
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        return document if document["run"]["id"] == run else None
    except (ValueError, LookupError, TypeError):
        return None
