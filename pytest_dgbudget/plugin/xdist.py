"""xdist's controller: it can't know whether a worker will need the gateway, so the first one to connect starts it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dgbudget.control.artifacts import GATEWAY_DIED, KeptAttempt
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.plugin.artifacts import TestArtifacts
from pytest_dgbudget.plugin.elsewhere import MARK, NOTICES
from pytest_dgbudget.plugin.junit import attempt_properties
from pytest_dgbudget.plugin.live_figure import add_live_figure
from pytest_dgbudget.plugin.scrub_hook import scrubber_of
from pytest_dgbudget.plugin.state import STATE, State
from pytest_dgbudget.protocol.operations import EndLostTest

if TYPE_CHECKING:
    from pytest_dgbudget.control.activation import SocketActivation
    from pytest_dgbudget.plugin.hook_problems import HookProblems


_WORKER_ENDS = "dgbudget-worker-ends"
_PROBLEMS = "dgbudget_hook_problems"


def prepare_worker(node: Any) -> None:
    """Give a worker what it needs to join; replacements of crashed workers come here as well."""
    config: pytest.Config = node.config
    state = config.stash[STATE]
    activation = state.activation
    if activation is None:
        activation = state.activate()
        activation.begin(state.run_config)
    if not config.pluginmanager.has_plugin(_WORKER_ENDS):
        artifacts = TestArtifacts(state.run_config, config.rootpath, scrubber_of(config))
        config.pluginmanager.register(WorkerEnds(activation, state, artifacts), _WORKER_ENDS)
        if state.run_config.records:
            from pytest_dgbudget.plugin.cassettes import gather_cassettes

            gather_cassettes(config)
        add_live_figure(config, state)
    token = state.worker_token(str(node.gateway.id))
    if token is not None:
        activation.expect_worker(token)
    node.workerinput["dgbudget"] = {
        "run_config": state.run_config.to_json(),
        "own": state.told_to_workers,
        "port": activation.port,
        "secret": str(activation.secret),  # xdist sends plain types only
        "worker": _worker_id(node),
        "controller": state.told_of_controller(config),
    }


def _worker_id(node: Any) -> str:
    """Return what distinguishes a test that every worker runs; otherwise a test is the same one on any worker."""
    return str(node.gateway.id) if node.config.getoption("dist", "no") == "each" else ""


def hand_over(config: pytest.Config, problems: HookProblems) -> None:
    """In a worker: have the controller learn what became of its hooks."""
    if problems:
        cast(Any, config).workeroutput[_PROBLEMS] = problems.to_json()


class WorkerEnds:
    """Asks for the figures of tests whose worker crashed, and keeps their artifacts, for nobody else is left to do so;
    and takes in what workers say of their hooks, and of gateways of their own on other machines.
    """

    def __init__(self, activation: SocketActivation, state: State, artifacts: TestArtifacts) -> None:
        self._activation = activation
        self._state = state
        self._artifacts = artifacts

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Have a gateway that reports what those of workers elsewhere use."""
        if self._activation.run is None and getattr(report, MARK, False):
            self._open()

    def _open(self) -> None:
        with contextlib.suppress(DgBudgetError):  # the end of the run says so
            self._activation.open()

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        if self._state.tests is not None and isinstance(self._state.run_config.ledger, str):
            self._open()  # its worker may have had a gateway elsewhere, and can't say so any more
        run = self._activation.run
        if run is None:
            return
        worker = _worker_id(report.node)
        try:
            ended = run.gateway.ask(EndLostTest(nodeid=crashitem, worker=worker))
        except DgBudgetError:
            return  # The gateway is gone as well; the end of the run says so.
        # A crashed test that is run again has no testcase for the crash: those figures are in the run's totals only.
        if ended is not None and report.failed:
            report.user_properties += attempt_properties(ended.figures)
            self._state.crashed.append(report)
        if ended is not None and ended.recordings is not None:
            test = self._artifacts.test(crashitem, ended.attempt, ended.figures["attempt"], worker)
            attempt = KeptAttempt(test=test, recordings=ended.recordings, unended=GATEWAY_DIED)
            self._artifacts.test_crashed(run.gateway, attempt, report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended; one that crashed has told nothing."""
        output = getattr(node, "workeroutput", {})
        self._state.notices += output.get(NOTICES, ())
        if (problems := output.get(_PROBLEMS)) is not None:
            self._state.calls_of_hooks(node.config).problems.take_in(problems)
