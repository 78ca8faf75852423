"""Says which signals it receives; SIGTERM ends it with status 3."""

from __future__ import annotations

import os
import signal
import sys


def say(number: int, _: object) -> None:
    os.write(1, f"{signal.Signals(number).name}\n".encode())
    if number == signal.SIGTERM:
        sys.exit(3)


for each in (
    signal.SIGCONT,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGWINCH,
):
    signal.signal(each, say)
os.write(1, b"ready\n")
while True:
    signal.pause()
