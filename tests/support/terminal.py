"""A terminal with a program in its foreground: what a user types reaches it, and what it shows can be awaited."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_COLUMNS = 100
_END_SECONDS = 120


class Terminal:
    """The program is the leader of the terminal's session, as a login shell is."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._controller, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 30, _COLUMNS, 0, 0))
        self.shown = ""
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm", **env},
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=lambda: _take(inner),
        )
        os.close(inner)

    def type(self, text: str) -> None:
        os.write(self._controller, text.encode())

    def wait_for(self, text: str, timeout: float = _END_SECONDS) -> None:
        """Wait until a text is shown that was not shown when this was called last."""
        deadline = time.monotonic() + timeout
        seen = ""
        while text not in seen:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.shown!r}"
            more = self._read(0.1)
            assert more is not None or text in seen, f"{text!r} is not in {self.shown!r}"
            seen += more or ""

    def end(self) -> int:
        """Read until the program has ended, and return its exit status."""
        deadline = time.monotonic() + _END_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.wait(1)

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._controller)

    def _read(self, timeout: float) -> str | None:
        """Return what is shown next, empty while nothing is; None when nobody has the terminal any more."""
        if not select.select([self._controller], [], [], timeout)[0]:
            return ""
        try:
            more = os.read(self._controller, 65536).decode("utf-8", "replace")
        except OSError:
            return None
        self.shown += more
        return more or None


def _take(inner: int) -> None:
    """Make it the controlling terminal of the session that has just begun."""
    fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
