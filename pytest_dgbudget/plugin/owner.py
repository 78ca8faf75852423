"""This process as an owner: it starts the gateway or finds its controller's, and joins it once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from pytest_dgbudget.agent.link import Link
from pytest_dgbudget.errors import DgBudgetError, GatewayError
from pytest_dgbudget.gateway.launch import Keeper, listen
from pytest_dgbudget.settings import Settings

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


class Owner:
    """A link to the gateway, and its keeper where this process started it."""

    def __init__(self, link: Link, keeper: Keeper | None) -> None:
        self.link = link
        self._keeper = keeper
        # Written before the waiting for the statement begins, and all there is when nobody is left to wait for.
        self._first_report: dict[str, Any] | None = None

    def finish(self, exit_status: int, *, wait: bool, still_waiting: Callable[[], None]) -> dict[str, Any]:
        """End the run and return its document, the report's path, and notices.

        ``wait``: for the comparison with the vendor's statement; ``still_waiting`` is called when that takes a while.
        """
        try:
            return self._finished(exit_status, still_waiting, wait=wait)
        except DgBudgetError as error:
            first = self._first_report
            if first is not None:
                return {**first, "notices": [*first["notices"], str(error)]}
            return {"document": None, "report": None, "notices": [f"no report could be made: {error}"]}
        finally:
            if self._keeper is not None:
                self._keeper.retire()

    def _finished(self, exit_status: int, still_waiting: Callable[[], None], *, wait: bool) -> dict[str, Any]:
        """Return the final report.

        Ctrl-C ends the waiting and nothing else, wherever in here it comes: what is asked again is answered again.
        """
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return self._final_report(exit_status, still_waiting, wait=wait)
            with contextlib.suppress(KeyboardInterrupt):
                self.link.tell("stop")
                still_waiting = _say_nothing

    def _final_report(self, exit_status: int, still_waiting: Callable[[], None], *, wait: bool) -> dict[str, Any]:
        report: dict[str, Any] | None = self.link.ask("finish", exit_status=exit_status, wait=wait)
        assert report is not None
        self._first_report = report
        while report is None or report["reconciling"]:
            report = self.link.ask("reconciliation", exit_status=exit_status, wait=wait)
            if report is None:
                still_waiting()
                still_waiting = _say_nothing
        return report

    def close(self) -> None:
        """Let go; again is fine. Ctrl-C is: don't wait."""
        with contextlib.suppress(KeyboardInterrupt):
            self.link.close()
            if self._keeper is not None:
                self._keeper.retire()
                self._keeper.wait()


def _say_nothing() -> None:
    """It has been said."""


def start_gateway(settings: Settings) -> Owner:
    """Start a gateway for a pytest that runs its tests itself; raises GatewayError or LedgerError."""
    return start_gateway_of(Keeper(settings, listen()))


def start_gateway_of(keeper: Keeper) -> Owner:
    """Start a gateway and join it as the controller; raises GatewayError or LedgerError."""
    keeper.start()
    try:
        return Owner(Link(keeper.port, keeper.secret, "controller", keeper.replace), keeper)
    except GatewayError as error:
        keeper.retire()
        raise GatewayError(f"{error}; {keeper.why_it_ended()}") from error
    except BaseException:
        keeper.retire()
        raise


def join_gateway(port: int, secret: str) -> Owner:
    """Join the gateway of xdist's controller as one of its workers; raises GatewayError or LedgerError."""
    return Owner(Link(port, secret, "worker"), None)
