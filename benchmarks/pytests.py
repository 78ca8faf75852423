"""Pytests in processes of their own, in folders of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
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
    """A folder with one test file."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder)
        (path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        (path / "test_it.py").write_text(source)
        yield path


@contextmanager
def running(folder: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A pytest that runs; killed when the block ends."""
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
        process.kill()
        process.wait()
