"""What one pytest process knows of its run; kept in the config's stash."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.control.activation import SocketActivation
    from pytest_dgbudget.control.run import RunHandle
    from pytest_dgbudget.errors import DgBudgetError
    from pytest_dgbudget.report.document import FinishedRun

STATE = pytest.StashKey["State"]()


class State:
    """``resolve`` makes the run_config when they are first asked for.

    A worker has ``port``, ``secret`` and, where every worker runs every test, its ``worker`` id.
    ``run`` comes with the first test that asks for ``voice_agent``; in xdist's controller ``activation`` waits for
    a worker that does. ``failed`` is why there is no gateway although one was wanted, and ``unbounded`` tells that a
    test was refused because a live run has no budget or no key. ``crashed`` are the reports of tests whose worker
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
        self.started_at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        self.header_shown = False
        self.unbounded = False
        self.failed: DgBudgetError | None = None
        self.run: RunHandle | None = None
        self.activation: SocketActivation | None = None
        self.crashed: list[pytest.TestReport] = []
        self.finished: FinishedRun | None = None

    @cached_property
    def run_config(self) -> RunConfig:
        return self._resolve()

    @property
    def is_worker(self) -> bool:
        return self.port != 0

    def settled_run(self) -> RunHandle | None:
        """Return what this process is to the gateway, when none will start any more."""
        if self.activation is not None:
            self.run = self.activation.stop_waiting()
            self.failed = self.activation.error or self.failed
        return self.run

    def close(self) -> None:
        """Let go of everything; a gateway that was not told how the run ended reports it as incomplete."""
        self.settled_run()
        if self.run is not None:
            self.run.close()
