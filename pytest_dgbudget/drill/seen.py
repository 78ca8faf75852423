"""What the stand-in for the vendor says of the sessions that it meters."""

from __future__ import annotations

AGENT_PATH = "/v1/agent/converse"

OPENED = "opened"
READY = "ready"  # it has its Settings
CLOSE_SEEN = "close-seen"
CLOSED = "closed"
