"""The gateway: the one process per run and machine that owns every billed socket.

``process`` is what runs in it. ``server`` takes connections; ``control`` serves the owners and ``run`` holds what they
were granted; ``admission`` is the queue; ``sessions`` dials a target by ``upstream`` and relays by ``relay``;
``ledger_thread`` keeps the ledger. ``closing`` ends the run and reports it, after ``statement`` has asked the vendor.
"""

from __future__ import annotations


def main() -> None:
    """Run a gateway; everything it needs comes on stdin."""
    from pytest_dgbudget.gateway.process import main as run_gateway

    run_gateway()
