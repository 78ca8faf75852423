"""What one pytest process knows about its run; kept in the config's stash."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from os import getpid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_dgbudget.client.endpoint import Endpoint
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.control.activation import SocketActivation
    from pytest_dgbudget.control.membership import RunsTests
    from pytest_dgbudget.control.on_demand import RunOnDemand
    from pytest_dgbudget.control.part import Part
    from pytest_dgbudget.control.run import RunHandle
    from pytest_dgbudget.control.waiting import GatewayWait
    from pytest_dgbudget.errors import DgBudgetError
    from pytest_dgbudget.plugin.hook_calls import HookCalls
    from pytest_dgbudget.plugin.options import Given
    from pytest_dgbudget.report.document import FinishedRun

STATE: pytest.StashKey[State] = pytest.StashKey()


class State:
    """``resolve`` makes the run's configuration when it is first needed, of the keys that variables hold.

    A worker has ``port``, ``secret`` and, where every worker runs every test, its ``worker`` id; ``has_joined``: it
    takes part in a run that is ours. ``activation`` waits, in xdist's controller and in a run that is ours, for who
    needs a gateway. ``tests`` knows which test this process is running, where it has a token. ``crashed`` holds the
    reports of tests whose worker crashed, with their figures, ``notices`` what gateways of workers elsewhere said.
    ``hook_calls`` is there once a project's hook was called.
    """

    def __init__(
        self,
        resolve: Callable[[], RunConfig],
        *,
        given: Given | None = None,
        opens_nothing: bool = False,
    ) -> None:
        self._resolve = resolve
        self._given = given
        self.opens_nothing = opens_nothing
        self.port = 0
        self.secret = ""
        self.worker = ""
        self.tests: RunsTests | None = None
        self.has_joined = False
        self._process = getpid()
        self.started_at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        self.header_shown = False
        self._run_config: RunConfig | None = None
        self._on_demand: RunOnDemand | None = None
        self._waiting: GatewayWait | None = None
        self.activation: SocketActivation | None = None
        self.crashed: list[pytest.TestReport] = []
        self.notices: list[str] = []
        # What else its header is to say.
        self.remarks: list[str] = []
        self.finished: FinishedRun | None = None
        self.hook_calls: HookCalls | None = None
        self._making_hook_calls = threading.Lock()

    @property
    def run_config(self) -> RunConfig:
        if self._run_config is None:
            self._run_config = self._resolve()
        return self._run_config

    @property
    def given(self) -> bool:
        """True when anything was set, or the controller has decided what applies."""
        return self._given is None or self._given.anything

    def judge_again(self, keys: Mapping[str, str], taken: Mapping[str, str]) -> None:
        """Resolve once more with the keys that variables hold by now; a live target given by name needs none there."""
        if self._given is not None:
            config = self.run_config
            is_live_by_name = config.target_given and config.is_live
            self._run_config = self._given.resolve_with({**keys, **taken} if is_live_by_name else keys)

    def activate(self, part: Part | None = None) -> SocketActivation:
        """Listen for who needs a gateway; it is started with the environment as it is now.

        ``part`` is the one that a worker elsewhere has in its controller's invocation.

        Raises SettingsError where --dg-listen can't be obeyed.
        """
        from pytest_dgbudget.control.activation import SocketActivation
        from pytest_dgbudget.processes import Interpreter

        self.activation = SocketActivation(Interpreter.of_this_process(), self.tests, self.run_config.listen, part)
        return self.activation

    def join(self, port: int, secret: str, worker: str) -> None:
        """Be a worker of the run of this gateway; where clients may come for it, join as soon as there is one."""
        self.port, self.secret, self.worker = port, secret, worker
        if self.tests is not None and self.activation is None and self._on_demand is None:
            from pytest_dgbudget.control.waiting import GatewayWait

            with contextlib.suppress(OSError):
                self._waiting = GatewayWait(port, secret, self.tests.token, self._join_started_gateway)

    def start_elsewhere(self, part: Part) -> None:
        """Be a worker on another machine, in a run that has no process tokens: the first use starts a gateway."""
        from pytest_dgbudget.control.on_demand import start_on_demand

        self._on_demand = start_on_demand(lambda: self.run_config, part)

    def open_nothing(self, why: DgBudgetError) -> None:
        """Have each use of the gateway raise this."""
        from pytest_dgbudget.control.on_demand import RunOnDemand

        def refuse() -> RunHandle:
            raise why.with_traceback(None)

        self._on_demand = RunOnDemand(refuse)

    def told_of_controller(self, config: pytest.Config) -> dict[str, str]:
        """Return what a worker needs to know whether it is elsewhere, and to take part in the run from there."""
        from pytest_dgbudget.processes import this_machine

        invocation = "" if self.activation is None else self.activation.part.invocation
        return {"machine": this_machine(), "rootdir": str(config.rootpath), "invocation": invocation}

    def change_config(self, change: Callable[[RunConfig], RunConfig]) -> None:
        """Change the configuration, which may still have to be resolved."""
        resolve = self._resolve
        self._resolve = lambda: change(resolve())
        if self._run_config is not None:
            self._run_config = change(self._run_config)

    def calls_of_hooks(self, config: pytest.Config) -> HookCalls:
        """Return what calls the project's hooks in this process; also on the I/O thread."""
        from pytest_dgbudget.plugin.hook_calls import HookCalls

        with self._making_hook_calls:
            if self.hook_calls is None:
                self.hook_calls = HookCalls(config)
            return self.hook_calls

    def _join_started_gateway(self) -> None:
        from pytest_dgbudget.errors import DgBudgetError

        with contextlib.suppress(DgBudgetError):  # its clients are told
            self.on_demand().open()

    # What only a run that is ours has -------------------------------------------------------------------------------

    @property
    def endpoint(self) -> Endpoint | None:
        """Where an application reaches the gateway that is started once for many tests."""
        return None

    @property
    def keys_taken(self) -> Mapping[str, str]:
        """The keys that this process has taken from its variables, by their names."""
        return {}

    @property
    def has_token_as_key(self) -> bool:
        """True where the code under test finds this process's token in place of the key."""
        return False

    def conftests_were_read(self) -> None:
        """The initial conftests have been imported."""

    def configure(self, config: pytest.Config) -> None:
        """Pytest is being configured."""

    def tests_begin(self) -> None:
        """The tests that this process will run are known."""

    def tests_have_ended(self) -> None:
        """No test will run in this process any more."""

    @property
    def what_programs_lack(self) -> str | None:
        """What to say where programs were started and none of them has loaded the redirect."""
        return None

    def prepare_workers(self) -> None:
        """xdist's workers are about to be started."""

    @property
    def told_to_workers(self) -> dict[str, Any] | None:
        """What a worker needs to know to take part."""
        return None

    def worker_token(self, worker: str) -> str | None:
        """Return the process token of a worker."""
        return None

    # The gateway ----------------------------------------------------------------------------------------------------

    @property
    def is_worker(self) -> bool:
        return self.port != 0

    @property
    def ends_run(self) -> bool:
        """False for a worker, and for a child that a test has forked."""
        return not self.is_worker and not self.is_forked

    @property
    def is_forked(self) -> bool:
        """True for a child that a test has forked."""
        return self._process != getpid()

    def on_demand(self) -> RunOnDemand:
        """Return the run of a process that runs tests itself; the gateway is joined or started by its first use."""
        if self._on_demand is None:
            from pytest_dgbudget.control.on_demand import RunOnDemand, join_on_demand, start_on_demand

            if self.activation is not None:
                self._on_demand = RunOnDemand(self.activation.open)
            elif self.is_worker:
                self._on_demand = join_on_demand(self.port, self.secret, self.tests)
            else:
                self._on_demand = start_on_demand(lambda: self.run_config)
        return self._on_demand

    @property
    def run(self) -> RunHandle | None:
        """The handle on the gateway; None while this process has none."""
        source = self.activation or self._on_demand
        return None if source is None else source.run

    def call_with_run(self, call: Callable[[RunHandle], None]) -> None:
        """Have this called, from any thread, as soon as this process has a gateway."""
        source = self.activation or self.on_demand()
        source.has_opened = call
        if source.run is not None:
            call(source.run)

    @property
    def failed(self) -> DgBudgetError | None:
        """Why there is no gateway although one was wanted."""
        errors = (source.error for source in (self.activation, self._on_demand) if source is not None)
        return next(filter(None, errors), None)

    def settled_run(self) -> RunHandle | None:
        """Return the handle on the gateway; if there is none by now, none will start any more."""
        if self.activation is not None:
            self.activation.stop_waiting()
        return self.run

    def close(self) -> None:
        """Release everything; a gateway that never learned how the run ended reports it as incomplete."""
        if self._waiting is not None:
            self._waiting.stop()
        self.settled_run()
        if self.run is not None:
            self.run.close()
