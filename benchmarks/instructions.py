"""Instructions of a command, by valgrind's callgrind: they are the same however busy the machine is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.pytests import environment

CHECKOUT = Path(__file__).parent.parent
VALGRIND = "valgrind"


def missing() -> str:
    """What to say where it can't be measured; nothing where it can."""
    return "" if shutil.which(VALGRIND) else "needs valgrind, from the system's own packages"


@contextmanager
def environments(packages: Mapping[str, Sequence[str]]) -> Iterator[Mapping[str, Path]]:
    """Fresh environments by name, each with these packages; their interpreters."""
    with tempfile.TemporaryDirectory() as folder:
        yield {name: _made(Path(folder) / name, wanted) for name, wanted in packages.items()}


def _made(folder: Path, packages: Sequence[str]) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, stdout=subprocess.DEVNULL)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL, cwd=CHECKOUT)
    return python


def instructions(python: Path, arguments: Sequence[str], folder: Path) -> int:
    """Run pytest there and count; once without counting before, so that no bytecode is compiled meanwhile."""
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    environ = environment({"PYTHONHASHSEED": "0"})
    subprocess.run(command, cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL)
    counted = subprocess.run(
        [VALGRIND, "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
        cwd=folder,
        env=environ,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return int(re.findall(r"Collected\s*:\s*(\d+)", counted.stderr)[-1])
