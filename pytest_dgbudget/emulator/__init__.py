"""A local server that speaks the Voice Agent protocol: a program of its own, imported by nothing but its commands.

``server`` has its two ports. Behind one of them is ``agent``, which uses ``audio`` and may follow ``scenarios``; behind
the other ``management``, and ``own_api`` beside it. Both share an ``account`` and suffer ``faults``.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the emulator until SIGINT or SIGTERM (``--tied``: until stdin ends) and return 0.

    The first line on stdout is JSON: ``agent_url``, ``api_url``, ``api_key``, ``project_id``; nothing follows it.
    Leaves with SystemExit(2) and one line on stderr when an argument is bad or a port is taken.
    """
    from pytest_dgbudget.emulator.command import run

    return run(argv)
