"""A gateway is killed as its interpreter starts, as many times as MOST_DEATHS says."""

import os
import signal
import sys
from pathlib import Path

if any("gateway import main" in argument for argument in sys.orig_argv):
    deaths = Path("deaths")
    with deaths.open("a", encoding="utf-8") as file:
        file.write("x")
    if deaths.stat().st_size <= int(os.environ["MOST_DEATHS"]):
        os.kill(os.getpid(), signal.SIGKILL)
