"""An xdist worker on another machine than its controller: it has a gateway of its own, on the ledger of both."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dgbudget.control.part import Part
from pytest_dgbudget.control.unlisted_thread import UnlistedThread
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.processes import this_machine

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.plugin.state import State

# In a report: the process with that test has started a gateway, of which its controller knows nothing else.
MARK = "dgbudget_elsewhere"
# In a worker's output: what its gateway had to say at its end.
NOTICES = "dgbudget_notices"

_OTHER_KEY = (
    "workers on other machines dialled with their machines' keys, not with the run's own (--dg-run-key): "
    "their sessions are told apart by the run's tag"
)


class Controller:
    """What a worker was told of its controller."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self._told = told

    @property
    def is_elsewhere(self) -> bool:
        """True where it can't be reached on loopback: its gateway is none for this process."""
        return self._told["machine"] != this_machine()

    @property
    def part(self) -> Part:
        """This process's in the controller's invocation."""
        return Part(self._told["invocation"], os.environ["PYTEST_XDIST_WORKER"])

    def settings(self, run_config: RunConfig, keys: Mapping[str, str], rootdir: Path) -> RunConfig:
        """Return the controller's settings with what is this machine's own; ``keys`` were taken from its variables.

        Raises LedgerError or SettingsError.
        """
        from pytest_dgbudget.config.elsewhere import Rootdirs, settings_elsewhere

        return settings_elsewhere(
            run_config, {**os.environ, **keys}, Rootdirs(there=Path(self._told["rootdir"]), here=rootdir)
        )


def take_part_from_elsewhere(config: pytest.Config, state: State, told: Mapping[str, Any]) -> None:
    """Where this worker is elsewhere, have it use and end a gateway of its own."""
    controller = Controller(told["controller"])
    if not controller.is_elsewhere:
        return
    if told["own"] is None:
        _start_on_demand(config, state, controller)
    has_other_key = state.run_config.is_live and told["run_config"]["run_key"] != "off"
    worker = WorkerElsewhere(state, has_other_key=has_other_key)
    config.pluginmanager.register(worker, "dgbudget-elsewhere")
    worker.watch(config)


def _start_on_demand(config: pytest.Config, state: State, controller: Controller) -> None:
    try:
        settings = controller.settings(state.run_config, {}, config.rootpath)
    except DgBudgetError as error:
        state.open_nothing(error)
    else:
        state.change_config(lambda _: settings)
        state.start_elsewhere(controller.part)


class WorkerElsewhere:
    """Tells the controller of this process's gateway, and ends it with the controller or the connection to it."""

    def __init__(self, state: State, *, has_other_key: bool) -> None:
        self._state = state
        self._has_other_key = has_other_key

    def watch(self, config: pytest.Config) -> None:
        """Begin to notice when the controller is gone: xdist lets its workers live on for seconds."""
        plugins = config.pluginmanager.get_plugins()
        channel: Any = next((each.channel for each in plugins if type(each).__name__ == "WorkerInteractor"), None)
        if channel is not None:
            UnlistedThread(lambda: self._close_after(channel))

    def _close_after(self, channel: Any) -> None:
        with contextlib.suppress(Exception):  # that is how it tells of a connection that was lost
            channel.waitclose()
        self._state.close()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if self._state.run is not None:
            setattr(report, MARK, True)
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        run = self._state.settled_run()
        if run is not None and not self._state.is_forked:
            notices = [*run.leave(), *([_OTHER_KEY] if self._has_other_key else [])]
            cast(Any, session.config).workeroutput[NOTICES] = notices
