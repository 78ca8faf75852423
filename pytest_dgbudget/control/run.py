"""This process as an owner: it starts the gateway or finds its controller's, and joins it once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import cast

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.control.listening import listen_at, listen_on_loopback
from pytest_dgbudget.control.membership import RunsTests
from pytest_dgbudget.control.part import Part
from pytest_dgbudget.control.supervisor import Supervisor
from pytest_dgbudget.errors import DgBudgetError, GatewayError
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.operations import AwaitReconciliation, FinishRun, StopRun
from pytest_dgbudget.report.document import FinishedRun, with_notice, without_document

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


class RunHandle:
    """This process's client of the run's gateway, and its supervisor where this process started it."""

    def __init__(self, gateway: GatewayClient, supervisor: Supervisor | None) -> None:
        self.gateway = gateway
        self._supervisor = supervisor
        # Written before the waiting for the statement begins, and all there is when nobody is left to wait for.
        self._first_report: FinishedRun | None = None

    def in_this_process(self) -> RunHandle:
        """Return this handle; in a forked child one that joins the same gateway as a worker does."""
        if not self.gateway.io_thread.is_in_parent:
            return self
        return join_gateway(self.gateway.port, self.gateway.secret, None)

    def stop(self) -> None:
        """Have everything closed now; nobody waits for it."""
        self.gateway.send(StopRun())

    def leave(self) -> tuple[str, ...]:
        """End a gateway's part in a run that goes on elsewhere; return what there is to say of it."""
        try:
            return tuple(self._finished(FinishRun(exit_status=0, wait=False), _say_nothing)["notices"])
        except DgBudgetError as error:
            return (f"the gateway of a worker on another machine did not end as it should: {error}",)
        finally:
            if self._supervisor is not None:
                self._supervisor.retire()

    def finish(
        self, exit_status: int, *, wait: bool, still_waiting: Callable[[], None], notices: tuple[str, ...] = ()
    ) -> FinishedRun:
        """End the run and return its document, the report's path, and notices, with those of other gateways.

        ``wait``: for the comparison with the vendor's statement; ``still_waiting`` is called when that takes a while.
        """
        try:
            return self._finished(FinishRun(exit_status=exit_status, wait=wait, notices=notices), still_waiting)
        except DgBudgetError as error:
            first = self._first_report
            if first is not None:
                return with_notice(first, str(error))
            return without_document(f"no report could be made: {error}")
        finally:
            if self._supervisor is not None:
                self._supervisor.retire()

    def _finished(self, asked: FinishRun, still_waiting: Callable[[], None]) -> FinishedRun:
        """Return the final report.

        Ctrl-C ends the waiting and nothing else, wherever in here it comes: what is asked again is answered again.
        """
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return self._final_report(asked, still_waiting)
            with contextlib.suppress(KeyboardInterrupt):
                self.stop()
                still_waiting = _say_nothing

    def _final_report(self, asked: FinishRun, still_waiting: Callable[[], None]) -> FinishedRun:
        report = cast("FinishedRun", self.gateway.ask(asked))
        self._first_report = report
        while report["reconciling"]:
            final = self.gateway.ask(AwaitReconciliation(exit_status=asked.exit_status, wait=asked.wait))
            if final is not None:
                report = cast("FinishedRun", final)
                continue
            still_waiting()
            still_waiting = _say_nothing
        return report

    def close(self) -> None:
        """Let go of the run; closing twice is harmless. Ctrl-C ends the waiting for the gateway's end."""
        with contextlib.suppress(KeyboardInterrupt):
            self.gateway.close()
            if self._supervisor is not None:
                self._supervisor.retire()
                self._supervisor.wait()


def _say_nothing() -> None:
    """It has been reported."""


def start_gateway(run_config: RunConfig, interpreter: Interpreter, part: Part | None = None) -> RunHandle:
    """Start a gateway for a pytest that runs its tests itself; raises GatewayError or LedgerError."""
    public = None if run_config.listen is None else listen_at(run_config.listen)
    supervisor = Supervisor(run_config, listen_on_loopback(), interpreter, public_listener=public, part=part)
    return start_gateway_of(supervisor, None)


def start_gateway_of(supervisor: Supervisor, tests: RunsTests | None) -> RunHandle:
    """Start a gateway and join it; raises GatewayError or LedgerError."""
    try:
        supervisor.start()
    except BaseException:
        supervisor.abandon()
        raise
    try:
        client = GatewayClient(supervisor.port, supervisor.secret, supervisor.role, supervisor, tests)
        return RunHandle(client, supervisor)
    except GatewayError as error:
        supervisor.retire()
        raise GatewayError(f"{error}; {supervisor.why_it_ended()}") from error
    except BaseException:
        supervisor.abandon()
        raise


def join_gateway(port: int, secret: str, tests: RunsTests | None) -> RunHandle:
    """Join the gateway of xdist's controller as one of its workers; raises GatewayError or LedgerError."""
    return RunHandle(GatewayClient(port, secret, "worker", None, tests), None)
