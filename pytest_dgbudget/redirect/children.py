"""What brings the redirect into Python children: variables of their environment."""

from __future__ import annotations

import os

from . import VARIABLE
from .settings import RedirectSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

# It holds nothing but a ``sitecustomize``.
CHILD_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child")


def children_environment(environ: Mapping[str, str], settings: RedirectSettings) -> dict[str, str]:
    """Return the variables to set so that Python children are redirected; the user's PYTHONPATH follows ours."""
    return {VARIABLE: settings.to_json(), "PYTHONPATH": _with_ours_first(environ.get("PYTHONPATH", ""))}


def _with_ours_first(path: str) -> str:
    """Return a PYTHONPATH that begins with our folder. An empty entry of the user's is the current folder."""
    others = [entry for entry in path.split(os.pathsep) if entry != CHILD_FOLDER] if path else []
    return os.pathsep.join([CHILD_FOLDER, *others])
