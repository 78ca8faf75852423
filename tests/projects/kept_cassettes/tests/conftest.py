"""Breaks the collection where it is told to."""

from __future__ import annotations

import os

if "BREAK_COLLECTION" in os.environ:
    raise RuntimeError("it is broken on purpose")
