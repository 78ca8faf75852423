"""Which sessions of a run are replayed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.protocol.startup import GatewayConfig

if TYPE_CHECKING:  # loaded where something is replayed
    from pytest_dgbudget.gateway.targets.replay import Replays


def replays_of(config: GatewayConfig, events: Events) -> Replays | None:
    """Return what replays the sessions of a run, or those of a live one that have a cassette; None: all are dialled."""
    run_config = config.run_config
    beside_live = run_config.is_live and run_config.record == "once"
    if not beside_live and run_config.target != "replay":
        return None
    from pytest_dgbudget.gateway.clock import metering_loop
    from pytest_dgbudget.gateway.targets.cassette_peer import Scrubbing
    from pytest_dgbudget.gateway.targets.replay import Replays

    patterns = tuple(re.compile(pattern) for pattern in run_config.scrub)
    return Replays(metering_loop, Scrubbing(run_config.tag, config.secrets, patterns), events, beside_live=beside_live)
