"""Opens a session while nothing but this file is being imported; application.py is beside it."""

import time
from pathlib import Path

import application

began = time.monotonic()
status, code = application.refusal()
Path("refused.txt").write_text(f"{status} {code} {time.monotonic() - began < 5}", encoding="utf-8")
