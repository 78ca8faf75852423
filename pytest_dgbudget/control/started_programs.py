"""Whether programs were started, and whether any of them has loaded the redirect.

Each that loads it leaves a file beside the init script for pages, and so does an xdist worker that has started some.
"""

from __future__ import annotations

from contextlib import suppress

from pytest_dgbudget.control.browser_scripts import BROWSER_SCRIPTS
from pytest_dgbudget.paths import file_exists, open_file

# ``redirect/child/sitecustomize`` and ``redirect/node/preload.cjs`` write it.
_LOADED = "redirect-loaded"
_STARTED = "programs-started"

_WHAT_THEY_LACK = (
    "programs were started, and none of them loaded the redirect: Python and Node programs need PYTHONPATH, "
    "NODE_OPTIONS and the variables that begin with DGBUDGET_, which env -i and sudo take away, and which python -E, "
    "-I and -S ignore; programs in another language need the gateway's address"
)


class StartedPrograms:
    """Those that this process starts from now on."""

    def __init__(self) -> None:
        self._before = _children_page_faults()

    def note(self) -> None:
        """Leave word if one has been started and has ended."""
        if _children_page_faults() > self._before:
            with suppress(OSError):  # the run has ended: nobody asks any more
                open_file(BROWSER_SCRIPTS.folder / _STARTED, "a", encoding="utf-8").close()


def what_programs_lack() -> str | None:
    """Return what to say where some were started and none has loaded the redirect; None elsewhere."""
    folder = BROWSER_SCRIPTS.folder
    return _WHAT_THEY_LACK if file_exists(folder / _STARTED) and not file_exists(folder / _LOADED) else None


def _children_page_faults() -> int:
    """Return a count that grows with each child that has ended and was waited for, however short it was."""
    import resource  # here: Windows lacks it

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
