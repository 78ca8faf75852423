"""Talks until a signal ends it."""

from __future__ import annotations

import signal

from application import session

with session():
    print("talking", flush=True)
    while True:
        signal.pause()
