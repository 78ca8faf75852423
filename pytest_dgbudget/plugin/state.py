"""What one pytest process knows about its run; kept in the config's stash."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.control.activation import SocketActivation
    from pytest_dgbudget.control.on_demand import RunOnDemand
    from pytest_dgbudget.control.run import RunHandle
    from pytest_dgbudget.errors import DgBudgetError
    from pytest_dgbudget.report.document import FinishedRun

STATE: pytest.StashKey[State] = pytest.StashKey()


class State:
    """``resolve`` makes the run's configuration when it is first needed.

    A worker has ``port``, ``secret`` and, where every worker runs every test, its ``worker`` id. In xdist's controller
    ``activation`` waits for a worker whose tests need a gateway. ``crashed`` holds the reports of tests whose worker
    crashed, with their figures.
    """

    def __init__(
        self,
        resolve: Callable[[], RunConfig],
        *,
        given: bool = True,
        opens_nothing: bool = False,
        port: int = 0,
        secret: str = "",
        worker: str = "",
    ) -> None:
        self._resolve = resolve
        self.given = given
        self.opens_nothing = opens_nothing
        self.port = port
        self.secret = secret
        self.worker = worker
        self._process = os.getpid()
        self.started_at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        self.header_shown = False
        self._on_demand: RunOnDemand | None = None
        self.activation: SocketActivation | None = None
        self.crashed: list[pytest.TestReport] = []
        self.finished: FinishedRun | None = None

    @cached_property
    def run_config(self) -> RunConfig:
        return self._resolve()

    @property
    def is_worker(self) -> bool:
        return self.port != 0

    @property
    def ends_run(self) -> bool:
        """False for a worker, and for a child that a test has forked."""
        return not self.is_worker and self._process == os.getpid()

    def on_demand(self) -> RunOnDemand:
        """Return the run of a process that runs tests itself; the gateway is joined or started by its first use."""
        if self._on_demand is None:
            from pytest_dgbudget.control.on_demand import join_on_demand, start_on_demand

            if self.is_worker:
                self._on_demand = join_on_demand(self.port, self.secret)
            else:
                self._on_demand = start_on_demand(lambda: self.run_config)
        return self._on_demand

    @property
    def run(self) -> RunHandle | None:
        """The handle on the gateway; None while this process has none."""
        source = self.activation or self._on_demand
        return None if source is None else source.run

    @property
    def failed(self) -> DgBudgetError | None:
        """Why there is no gateway although one was wanted."""
        source = self.activation or self._on_demand
        return None if source is None else source.error

    def settled_run(self) -> RunHandle | None:
        """Return the handle on the gateway; if there is none by now, none will start any more."""
        if self.activation is not None:
            self.activation.stop_waiting()
        return self.run

    def close(self) -> None:
        """Release everything; a gateway that never learned how the run ended reports it as incomplete."""
        self.settled_run()
        if self.run is not None:
            self.run.close()
