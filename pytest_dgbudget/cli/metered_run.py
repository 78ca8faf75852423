"""The run of one command: its gateway when one is wanted, its environment, and its end."""

from __future__ import annotations

import os
from asyncio import Future, ensure_future, shield
from collections.abc import Callable, Sequence
from pathlib import PurePath

from pytest_dgbudget.client.endpoint import endpoint_of
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.control.activation import SocketActivation
from pytest_dgbudget.control.browser_scripts import BROWSER_SCRIPTS
from pytest_dgbudget.control.environment import VariablesHeld
from pytest_dgbudget.control.key_variables import KeyVariables
from pytest_dgbudget.control.membership import Begin
from pytest_dgbudget.control.started_programs import StartedPrograms, what_programs_lack
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.model import Outcome
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.operations import (
    BeginAttempt,
    CheckScenario,
    EndedAttempt,
    FoundTest,
    GetProgress,
    GrantedAttempt,
    Progress,
    RecordOutcome,
)
from pytest_dgbudget.protocol.secrets import process_token
from pytest_dgbudget.report.document import FinishedRun
from pytest_dgbudget.report.unused_run import report_failed_gateway, report_lost_gateway, report_unused

_PROCESS = "command"
_REFUSED = "a session that would have gone past the gateway was refused"
# What a gateway and its ledger call the end of an invocation; the program's own statuses mean other things.
_SUCCEEDED, _FAILED, _INTERRUPTED = 0, 1, 2


def name_of(command: Sequence[str]) -> str:
    """Return what the report calls a command: its program's name. Its arguments may hold secrets."""
    return PurePath(command[0]).name.encode("utf-8", "backslashreplace").decode()


class CommandAttempt:
    """The one attempt of a command: who shows the process's token spends by it, until the command has ended."""

    def __init__(self, asked: BeginAttempt, token: str) -> None:
        self._asked = asked
        self._beginning: Future[GrantedAttempt] | None = None
        self._has_ended = False
        self.token = token
        self.granted: GrantedAttempt | None = None

    async def find_running_test(self, begin: Begin) -> FoundTest:
        """Return it, begun by the first client that comes; called on the I/O thread."""
        if self._has_ended:
            return FoundTest(attempt=None, several=False)
        if self._beginning is None:
            self._beginning = ensure_future(begin(self._asked))
        try:
            self.granted = await shield(self._beginning)
        except DgBudgetError:
            self._beginning = None  # who comes next tries again
            raise
        return FoundTest(attempt=self.granted.id, several=False)

    def end(self) -> None:
        self._has_ended = True


class MeteredRun:
    """``failure`` is why a session could not be metered although one was wanted. ``ended`` is the attempt's end.

    ``endpoint`` is where its clients reach the gateway.
    """

    def __init__(self, run_config: RunConfig, name: str) -> None:
        """Listen for clients; raises SettingsError where --listen can't be obeyed."""
        token = process_token(os.urandom(32).hex(), _PROCESS)
        self.run_config = run_config
        self.ended: EndedAttempt | None = None
        self._started_at = utc_now()
        self._is_finished = False
        self._asked = _asked_for(name, run_config)
        self._attempt = CommandAttempt(self._asked, token)
        self._held = VariablesHeld()
        self._programs = StartedPrograms()
        # Before there is anything of ours in the environment: a gateway must not be redirected to itself.
        self._activation = SocketActivation(Interpreter.of_this_process(), self._attempt, run_config.listen)
        self.endpoint = endpoint_of(run_config, self._activation.port, run_config.run_id, run_config.target, token)

    @property
    def listens_at(self) -> str | None:
        return self._activation.listens_at

    @property
    def failure(self) -> str | None:
        if self._activation.error is not None and self._activation.run is None:
            return f"no gateway could be started: {self._activation.error}"
        if self.ended is None:
            return None
        verdict = self.ended.verdict
        refused = any(bypass.how == "refused" for bypass in verdict.bypasses)
        return _REFUSED if refused else verdict.gateway_lost

    @property
    def what_programs_lack(self) -> str | None:
        """What to say where none of the programs has loaded the redirect; None elsewhere."""
        return what_programs_lack() if self.run_config.redirects_programs else None

    def begin(self) -> None:
        """Set the program's variables in os.environ, and start a gateway when a client comes.

        A scenario is checked at once; raises DgBudgetError where it can't be played.
        """
        run_config = self.run_config
        keys = KeyVariables(run_config.key_variables, self._attempt.token, self._held)
        keys.set_run_variables(self.endpoint.environ, run_config)
        if run_config.app_token is not None:
            self._activation.expect_client(run_config.app_token)
        self._activation.begin(run_config)
        if self._asked.scenario is not None:
            self._activation.open().gateway.ask(CheckScenario(reference=self._asked.scenario))

    def progress(self) -> Progress | None:
        """Return what to show by now; None while no session was asked for, or nothing is known."""
        run = self._activation.run
        if run is None:
            return None
        try:
            return run.gateway.ask(GetProgress())
        except DgBudgetError:
            return None

    def end_sessions(self, outcome: Outcome | None) -> None:
        """The program has ended: close what it, or what it has left running, still has open."""
        self._attempt.end()
        run, granted = self._activation.stop_waiting(), self._attempt.granted
        if run is None or granted is None:
            return
        try:
            self.ended = run.gateway.end(granted.id)
        except DgBudgetError:
            return  # The report says what has become of the gateway.
        if outcome is not None:
            run.gateway.send(RecordOutcome(attempt=granted.id, outcome=outcome))

    def finish(
        self, status: int, *, interrupted: bool, wait: bool, still_waiting: Callable[[], None]
    ) -> FinishedRun | None:
        """End the run and return its report; None where nothing was wanted and no budget was given."""
        self._is_finished = True
        self._programs.note()
        run = self._activation.run
        recorded = _INTERRUPTED if interrupted else _FAILED if status else _SUCCEEDED
        if run is None:
            return self._report_without_gateway(recorded)
        finished = run.finish(recorded, wait=wait, still_waiting=still_waiting)
        if finished["document"] is None:
            return report_lost_gateway(self.run_config, self._started_at, finished)
        return finished

    def _report_without_gateway(self, recorded: int) -> FinishedRun | None:
        if self.failure is not None:
            return report_failed_gateway(self.run_config, self._started_at, self.failure)
        if self.run_config.has_run_budget:
            return report_unused(self.run_config, self._started_at, recorded)
        return None

    def close(self) -> None:
        """Let go of everything. A run whose program never ran has ended as well."""
        run = self._activation.stop_waiting()
        if run is not None:
            if not self._is_finished:
                run.finish(_FAILED, wait=False, still_waiting=_say_nothing)
            run.close()
        self._held.put_back()
        BROWSER_SCRIPTS.remove()


def _say_nothing() -> None:
    """Nobody waits."""


def _asked_for(name: str, run_config: RunConfig) -> BeginAttempt:
    return BeginAttempt(
        nodeid=name,
        worker="",
        target=None,
        budget_ms=None,
        idle_ms=run_config.idle_ms,
        # A scenario is for the emulator alone.
        scenario=None if run_config.is_live else run_config.scenario,
        pace=run_config.pace,
    )
