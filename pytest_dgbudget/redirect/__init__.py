"""What makes clients that would dial the vendor dial the gateway instead, and refuses those that can't be made to.

It also runs in children of any interpreter, where our package need not be installed: it imports nothing of ours and
nothing but the standard library, its own files by relative names, and its syntax is Python 3.7's.
Installing imports no module of a client: those that are loaded are patched at once, others when they are imported.
"""

from __future__ import annotations

import sys

from .settings import RedirectSettings, installed

TYPE_CHECKING = False  # the module typing would be most of what this costs
if TYPE_CHECKING:
    from typing import Any

# One line of JSON (``RedirectSettings.to_json``), by which a child knows that it is to be redirected, and where to.
VARIABLE = "DGBUDGET_REDIRECT"
# What a child's sitecustomize loads this package as, so that a project's own pytest_dgbudget stays to be imported.
NAME_IN_CHILDREN = "_dgbudget_redirect"

__all__ = ["NAME_IN_CHILDREN", "VARIABLE", "Redirect", "RedirectSettings", "install"]


class Redirect:
    """One installation; ``uninstall`` ends it, and puts the settings of the one before it back."""

    def __init__(self, settings: RedirectSettings | str) -> None:
        self._entry = [settings]

    def uninstall(self) -> None:
        """Undo it; what somebody else has replaced since then is left to them."""
        if not any(entry is self._entry for entry in installed):
            return
        installed[:] = [entry for entry in installed if entry is not self._entry]
        if not installed:
            from .finder import uninstall_patches

            uninstall_patches()

    def _install(self) -> Redirect:
        installed.append(self._entry)
        from .finder import install_patches

        install_patches()
        return self


def install(settings: RedirectSettings | str) -> Any:
    """Redirect this process's clients; ``settings`` may be their JSON, which is read when the first client is loaded.

    A child has had the package loaded at its start, under another name: there, that one is asked.
    """
    at_start = sys.modules.get(NAME_IN_CHILDREN)
    if at_start is not None and at_start.__name__ != __name__:
        return at_start.install(settings)
    return Redirect(settings)._install()
