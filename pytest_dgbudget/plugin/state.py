"""What one pytest process knows of its run; kept in the config's stash."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_dgbudget.errors import DgBudgetError
    from pytest_dgbudget.plugin.owner import Owner
    from pytest_dgbudget.plugin.workers import Doorkeeper
    from pytest_dgbudget.settings import Settings

STATE = pytest.StashKey["State"]()


class State:
    """``resolve`` makes the settings when they are first asked for.

    A worker has ``port``, ``secret`` and, where every worker runs every test, its ``worker`` id.
    ``owner`` comes with the first test that asks for ``voice_agent``; in xdist's controller ``doorkeeper`` waits for
    a worker that does. ``failed`` is why there is no gateway although one was wanted, and ``unbounded`` tells that a
    test was refused because a live run has no budget or no key. ``crashed`` are the reports of tests whose worker
    crashed, with their figures.
    """

    def __init__(
        self,
        resolve: Callable[[], Settings],
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
        self.owner: Owner | None = None
        self.doorkeeper: Doorkeeper | None = None
        self.crashed: list[pytest.TestReport] = []
        self.finished: dict[str, Any] | None = None

    @cached_property
    def settings(self) -> Settings:
        return self._resolve()

    @property
    def is_worker(self) -> bool:
        return self.port != 0

    def close(self) -> None:
        """Let go of everything; a gateway that was not told how the run ended reports it as incomplete."""
        if self.doorkeeper is not None:
            self.owner = self.doorkeeper.stop_waiting()
        if self.owner is not None:
            self.owner.close()
