"""How the two ends of a control connection know one another; what is said behind it stands in gateway/control.py."""

from __future__ import annotations

import hmac

CONTROL_PATH = "/control"
CONTROL_UPGRADE = "dgbudget-control"


class Secret(str):
    """Text that no traceback shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def proof(secret: str, side: str, challenge: str) -> str:
    """Return what proves that one knows the control secret; ``side`` keeps one end's proof from serving the other."""
    return hmac.new(secret.encode(), f"{side}:{challenge}".encode(), "sha256").hexdigest()


def process_started(pid: int) -> str | None:
    """Return when a process started, as the system counts it, to tell it from a later one of the same id.

    None where there is no /proc.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123 - a file of the system
            return stat.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
