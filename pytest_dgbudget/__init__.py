"""A budget for Deepgram Voice Agent sessions in pytest: metered, cut in time, closed for certain.

What it offers is in ``public``, loaded when the first name is used: every start of pytest imports this package, and
pytest reads a module that it rewrites many times slower than Python does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    return getattr(import_module(f"{__name__}.public"), name)
