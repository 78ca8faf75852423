"""The file ``usage.json``: written at once or not at all, and an earlier run's set aside."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.paths import make_folder, require_file

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME = "usage.json"
# The report of an earlier run, from the moment when another one begins.
EARLIER_FILE_NAME = "usage.earlier.json"


def usage_json(document: Mapping[str, object]) -> str:
    """Return a document as the file has it."""
    return json.dumps(document, indent=1) + "\n"


def write_usage(document: Mapping[str, object], folder: Path) -> Path:
    """Write the document at once or not at all, and return its path; raises OSError."""
    make_folder(folder)
    path = folder / FILE_NAME
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{FILE_NAME}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(usage_json(document))
            file.flush()
            os.fsync(file.fileno())
            if hasattr(os, "fchmod"):  # by its name, it could be a link that another user has put in its place
                os.fchmod(file.fileno(), 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def set_earlier_aside(folder: Path, run: str) -> None:
    """Rename the report of another run, which would be taken for this one's until this one is reported."""
    path = folder / FILE_NAME
    with contextlib.suppress(OSError):
        if _of_run(path, run) is None:
            path.replace(folder / EARLIER_FILE_NAME)


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
