"""The gateway's log, which is its stderr. On a full disk nothing can be written there, and all else must go on."""

from __future__ import annotations

import contextlib
import traceback


def log(error: BaseException) -> None:
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
