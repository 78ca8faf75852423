"""Where a session is dialled: the vendor, or an emulator of the gateway's own. One module per target."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.targets.emulator import EmulatorLost, EmulatorProcess, EmulatorTarget, start_emulator
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.gateway.targets.target import NoTarget, Target
from pytest_dgbudget.model import ApiAccess, OtherTarget


class Targets:
    """The targets of a run: its own, and an emulator for the tests of another run that ask for one.

    ``restarted`` is called with how an emulator has ended in whose place another one was started; once in a run.
    """

    def __init__(self, run_config: RunConfig, api_key: str | None, restarted: Callable[[str], None]) -> None:
        self._restarted = restarted
        self._may_restart = True
        self._own = _own_target(run_config, api_key or "")
        self._starting: asyncio.Future[EmulatorTarget] | None = None

    def start(self) -> None:
        """Begin to start what the run needs in any case."""
        if self._own is None:
            self._start_emulator()

    @property
    def live_access(self) -> ApiAccess | None:
        """The management API of a live run."""
        return None if self._own is None else self._own.access

    async def find(self, instead: OtherTarget | None = None) -> Target:
        """Return the run's own target, or what is used instead; raises TargetLost."""
        if self._own is not None and instead is None:
            return self._own
        return await self.emulator()

    async def emulator(self) -> EmulatorTarget:
        """Return the emulator, started if need be; raises TargetLost when it is gone or never came up."""
        while True:
            starting = self._start_emulator()
            target = await asyncio.shield(starting)
            how = target.process.how_ended
            if how is None:
                return target
            if starting is self._starting:
                self._start_again(target, how)

    def _start_again(self, target: EmulatorTarget, how: str) -> None:
        """Begin to start another emulator in the place of this one; raises TargetLost the second time."""
        if not self._may_restart:
            raise EmulatorLost(f"the emulator of this run has ended ({how}); a run starts it again only once")
        self._may_restart = False
        self._restarted(how)
        self._begin(self._emulator_target(target.process))

    async def stop(self) -> None:
        """End what was started."""
        self._may_restart = False
        if self._starting is not None and _has_started(self._starting):
            await self._starting.result().stop()

    def _start_emulator(self) -> asyncio.Future[EmulatorTarget]:
        return self._starting or self._begin(self._emulator_target())

    async def _emulator_target(self, before: EmulatorProcess | None = None) -> EmulatorTarget:
        return EmulatorTarget(await start_emulator(before), self.emulator)

    def _begin(self, start: Coroutine[Any, Any, EmulatorTarget]) -> asyncio.Future[EmulatorTarget]:
        self._starting = asyncio.ensure_future(start)
        self._starting.add_done_callback(_has_started)  # else it would be a failure that nobody looked at
        return self._starting


def _has_started(starting: asyncio.Future[EmulatorTarget]) -> bool:
    return starting.done() and not starting.cancelled() and starting.exception() is None


def _own_target(run_config: RunConfig, key: str) -> LiveTarget | NoTarget | None:
    """Return where a run is dialled; None: at an emulator, which has to be started."""
    if run_config.target == "replay":
        return NoTarget()
    return _live_target(run_config, key) if run_config.is_live else None


def _live_target(run_config: RunConfig, key: str) -> LiveTarget:
    api_url = run_config.api_url
    access = None if api_url is None else ApiAccess(api_url=api_url, project=run_config.project, key=key)
    return LiveTarget({DeepgramAgent.name: run_config.agent_url}, key, access)
