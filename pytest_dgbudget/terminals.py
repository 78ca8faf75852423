"""What is asked of a terminal before anything is drawn there."""

from __future__ import annotations

import os
from typing import TextIO


def is_foreground(descriptor: int) -> bool:
    """Return whether this is a terminal whose foreground we are in: a program that is a shell has jobs of its own."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def can_be_drawn(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal that understands how a line is drawn beside what others write."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
