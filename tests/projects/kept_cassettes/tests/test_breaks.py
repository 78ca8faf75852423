"""Cannot be imported where it is told so."""

from __future__ import annotations

import os

if "BREAK_COLLECTION" in os.environ:
    raise RuntimeError("it is broken on purpose")
