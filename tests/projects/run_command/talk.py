"""Talks for as many seconds as its first argument says, and exits with its second."""

from __future__ import annotations

import sys
import time

from application import session

with session():
    print("talking", flush=True)
    time.sleep(float(sys.argv[1]))
sys.exit(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
