"""Pytests in processes of their own, in folders of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_SCRUBBED = ("DEEPGRAM_", "DG_", "DGBUDGET_", "PYTEST_", "PYTHON")


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what would change how a pytest runs or whom it reaches."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SCRUBBED)}
    return {**{name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}, **more}


@contextmanager
def project(source: str) -> Iterator[Path]:
    """A folder with one test file. It is removed when nobody works there any more."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve()
        (path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        (path / "test_it.py").write_text(source)
        try:
            yield path
        finally:
            until_nobody_works_in(path)


def until_nobody_works_in(folder: Path) -> None:
    """A gateway outlives its pytest to write the report."""
    give_up = time.monotonic() + 20
    while any(works_in(folder, process) for process in Path("/proc").glob("[0-9]*")):
        if time.monotonic() > give_up:
            raise RuntimeError(f"somebody still works in {folder}")
        time.sleep(0.02)


def works_in(folder: Path, process: Path) -> bool:
    with contextlib.suppress(OSError):
        return (process / "cwd").readlink().is_relative_to(folder)
    return False


@contextmanager
def running(folder: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A pytest that runs; killed with its workers when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
