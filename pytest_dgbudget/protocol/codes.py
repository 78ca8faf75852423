"""Names and numbers that both ends of a connection know."""

from __future__ import annotations

CONTROL_PATH = "/control"
CONTROL_UPGRADE = "dgbudget-control"

# Why the gateway closed a session; the reason in the Close says it in words.
IDLE = 4408
