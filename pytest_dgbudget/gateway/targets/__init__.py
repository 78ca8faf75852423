"""Where a session is dialled: the vendor, or an emulator of the gateway's own. One module per target."""

from __future__ import annotations

import asyncio

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.targets.emulator import EmulatorTarget, start_emulator
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.gateway.targets.target import Target
from pytest_dgbudget.model import ApiAccess, OtherTarget


class Targets:
    """The targets of a run: its own, and an emulator for the tests of a live run that ask for one."""

    def __init__(self, run_config: RunConfig, api_key: str | None) -> None:
        self._live = _live_target(run_config, api_key or "") if run_config.is_live else None
        self._starting: asyncio.Future[EmulatorTarget] | None = None

    def start(self) -> None:
        """Begin to start what the run needs in any case."""
        if self._live is None:
            self._start_emulator()

    async def find(self, instead: OtherTarget | None = None) -> Target:
        """Return the run's own target, or what is used instead; raises TargetLost."""
        if self._live is not None and instead is None:
            return self._live
        return await self.emulator()

    async def emulator(self) -> EmulatorTarget:
        """Return the emulator, started if need be; raises TargetLost when it is gone or never came up."""
        target = await asyncio.shield(self._start_emulator())
        target.process.check()
        return target

    async def stop(self) -> None:
        """End what was started."""
        if self._starting is not None and _has_started(self._starting):
            await self._starting.result().stop()

    def _start_emulator(self) -> asyncio.Future[EmulatorTarget]:
        if self._starting is None:
            self._starting = asyncio.ensure_future(_emulator_target())
            self._starting.add_done_callback(_has_started)  # else it would be a failure that nobody looked at
        return self._starting


def _has_started(starting: asyncio.Future[EmulatorTarget]) -> bool:
    return starting.done() and not starting.cancelled() and starting.exception() is None


async def _emulator_target() -> EmulatorTarget:
    return EmulatorTarget(await start_emulator())


def _live_target(run_config: RunConfig, key: str) -> LiveTarget:
    api_url = run_config.api_url
    access = None if api_url is None else ApiAccess(api_url=api_url, project=run_config.project, key=key)
    return LiveTarget({DeepgramAgent.name: run_config.agent_url}, key, access)
