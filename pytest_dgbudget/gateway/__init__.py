"""The gateway: the one process per run and machine that owns every billed socket.

``launch`` starts it, ``process`` is what runs in it. ``door`` takes connections; ``control`` serves the owners and
``run`` holds what they were granted; ``admission`` is the queue; ``sessions`` dials by ``upstream`` and relays by
``relay``; ``books`` keeps the ledger. ``closing`` ends the run and reports it, when ``statement`` has been asked for.
"""

from __future__ import annotations


def main() -> None:
    """Run a gateway; everything it needs comes on stdin."""
    from pytest_dgbudget.gateway.process import main as run_gateway

    run_gateway()
