"""Where the sessions of a run are recorded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_dgbudget.gateway.run_ledger import RunLedger
from pytest_dgbudget.ledger.spool import remove_dead_spools, spool_of
from pytest_dgbudget.protocol.startup import GatewayConfig

if TYPE_CHECKING:  # loaded where something is recorded
    from pytest_dgbudget.gateway.recording import Recordings


def recordings_of(config: GatewayConfig, ledger: RunLedger) -> Recordings | None:
    """Remove what dead gateways have left, and return where sessions are recorded; None: nowhere. It blocks."""
    run_config = config.run_config
    remove_dead_spools(ledger.folder, ledger.name, takes_over=config.takes_over)
    if run_config.recording_dir is None and run_config.artifacts == "off" and not run_config.records:
        return None
    from pytest_dgbudget.gateway.recording import Recordings

    return Recordings(
        run_config.recording_dir or spool_of(ledger.folder, ledger.name),
        tag=run_config.tag,
        secrets=config.secrets,
        patterns=tuple(re.compile(pattern) for pattern in run_config.scrub),
        keeps_audio=run_config.recording_dir is not None or run_config.artifacts_audio or run_config.records,
        passing=run_config.recording_dir is None,
    )
