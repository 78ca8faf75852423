"""Where a session is dialled: the vendor, or the emulator of this run. One module per target."""

from __future__ import annotations

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.targets.emulator import EmulatorTarget, start_emulator
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.gateway.targets.target import Target
from pytest_dgbudget.model import ApiAccess


async def find_target(run_config: RunConfig, api_key: str | None) -> Target:
    """Return the target of a run, started where it is the gateway's own; raises TargetLost."""
    if not run_config.is_live:
        return EmulatorTarget(await start_emulator())
    key, api_url = api_key or "", run_config.api_url
    access = None if api_url is None else ApiAccess(api_url=api_url, project=run_config.project, key=key)
    return LiveTarget({DeepgramAgent.name: run_config.agent_url}, key, access)
