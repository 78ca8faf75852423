"""Names and numbers that both ends of a connection know."""

from __future__ import annotations

CONTROL_PATH = "/control"
CONTROL_UPGRADE = "dgbudget-control"
