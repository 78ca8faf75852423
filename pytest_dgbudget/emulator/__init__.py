"""A local server that speaks the Voice Agent protocol: a program of its own, imported by nothing but its commands.

``server`` opens a port that serves ``agent``, which uses ``audio`` and may follow ``scenarios``, ``management`` and
``own_api``. They share one ``project``, and ``faults`` apply to all.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the emulator until SIGINT or SIGTERM (``--tied``: until stdin ends) and return 0.

    The first line on stdout is JSON: ``agent_url``, ``api_url``, ``api_key``, ``project_id``; nothing follows it
    unless ``--write-bill`` asks for the bill.
    Raises SystemExit(2) after one line on stderr if an argument is invalid or a port is in use.
    """
    from pytest_dgbudget.emulator.command import run

    return run(argv)
