"""Processes: which one a process id means, and the environment in which ours are started."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from socket import gethostname
from types import ModuleType

from pytest_dgbudget.paths import read_text

_PR_SET_DUMPABLE = 4  # linux/prctl.h

# Which start of the system this is, and which of its networks a process has: together, which loopback it sees.
_BOOT, _NETWORK = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/net")

# Coverage's hook, or that of pytest-cov before 7, would measure our processes, and write their data into the project.
_NOT_INHERITED = ("DEEPGRAM_", "DG_", "DGBUDGET_", "COVERAGE_", "COV_CORE_")
_CHANGES_PYTHON = {"PYTHONWARNINGS", "PYTHONASYNCIODEBUG"}


def process_started(pid: int) -> str | None:
    """Return when a process started, in the system's own count, to distinguish it from a later one with the same id.

    None on systems without /proc.
    """
    try:
        return stat_of(pid)[19]
    except (OSError, IndexError):
        return None


def stat_of(pid: int) -> list[str]:
    """Return what /proc shows after a process's name, which may hold anything: its state, its parent and so on.

    Raises OSError.
    """
    return read_text(Path(f"/proc/{pid}/stat"), "replace").rpartition(")")[2].split()


def this_machine() -> str:
    """Return what is the same for two processes if they reach each other on loopback.

    Systems without /proc are told apart by their names.
    """
    try:
        return f"{read_text(_BOOT).strip()} {_NETWORK.readlink()}"
    except OSError:
        return gethostname()


def copy_of_module(name: str) -> ModuleType:
    """Load a module once more, for us alone: what a test replaces in the one that all others share is real in it."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# A module of the project under test must not shadow ours or the standard library's: what only our own path has (of a
# zipapp, of Bazel, of somebody's sys.path.insert) comes last.
_PROGRAM = """
import sys
sys.path[:] = sys.path[sys.path[0] == "":]
sys.path += [entry for entry in sys.argv[1:] if entry not in sys.path]
from pytest_dgbudget.{package} import main
sys.exit(main({arguments}))
"""


class Interpreter:
    """What processes of ours are started with. A test may change all of it, so it is taken before the first one."""

    def __init__(self, executable: str, path: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.executable = executable
        self.path = path
        self.environment = environment

    @classmethod
    def of_this_process(cls) -> Interpreter:
        path = tuple(map(os.path.abspath, sys.path))
        return cls(sys.executable, path, _clean_environment())

    def command(self, package: str, arguments: str = "") -> list[str]:
        """Return the command that calls ``main`` of a package of ours, with these arguments as source."""
        return [self.executable, "-c", _PROGRAM.format(package=package, arguments=arguments), *self.path]


def _clean_environment() -> dict[str, str]:
    """Return our environment without what is meant for tests or coverage, or changes how Python runs."""
    return {
        name: value
        for name in list(os.environ)
        if not name.startswith(_NOT_INHERITED) and name not in _CHANGES_PYTHON
        if (value := os.environ.get(name)) is not None  # another thread may have removed it meanwhile
    }


def leave_no_core() -> None:
    """Let this process leave no core file: its memory holds a key. Some systems pipe cores past the limit."""
    import resource  # here: Windows has none

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
