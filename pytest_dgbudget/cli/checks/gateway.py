"""Whether a gateway starts here and opens sessions: at the emulator, with a ledger of its own, so nothing is billed."""

from __future__ import annotations

import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_dgbudget.cli.checks.check import Check
from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.control.run import RunHandle, start_gateway
from pytest_dgbudget.errors import DgBudgetError, GatewayError
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.codes import AGENT_PATH
from pytest_dgbudget.protocol.operations import BeginAttempt

NAME = "gateway"
_TO_DO = "see whether this machine allows loopback sockets and child processes; DGBUDGET_LOG=debug shows more"
_SECONDS = 10
_OPENED = 101
_ATTEMPT = BeginAttempt(
    nodeid="dgbudget doctor", worker="", target=None, budget_ms=10_000, idle_ms=None, scenario=None, pace="max"
)
_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "ZGdidWRnZXQgZG9jdG9yLg==",  # 16 bytes
}


def check_gateway() -> Check:
    """Start one, have a session opened by it, and end it."""
    try:
        with TemporaryDirectory(prefix="dgbudget-doctor-", ignore_cleanup_errors=True) as folder:
            found = _tried(_emulated(Path(folder)))
    except (DgBudgetError, OSError, HTTPException) as error:
        return Check(name=NAME, result="failed", found=f"it does not work: {error}", to_do=_TO_DO)
    return Check(name=NAME, result="ok", found=found)


def _emulated(folder: Path) -> RunConfig:
    """Return the configuration of a run that has nothing from outside of this folder."""
    given = {"dg_target": "emulator", "dg_ledger": f"sqlite:///{folder / 'ledger.db'}"}
    given["dg_report_dir"] = str(folder / "report")
    return resolve(command_line=given, environment={}, ini={}, rootdir=folder, current_dir=folder)


def _tried(run_config: RunConfig) -> str:
    """Return what came of it; raises GatewayError, LedgerError, OSError or HTTPException."""
    begun = time.monotonic()
    run = start_gateway(run_config, Interpreter.of_this_process())
    try:
        started_ms = round((time.monotonic() - begun) * 1000)
        _open_session(run)
        run.finish(0, wait=False, still_waiting=lambda: None)
    finally:
        run.close()
    return f"starts in {started_ms} ms, and opens sessions at the emulator"


def _open_session(run: RunHandle) -> None:
    """Open one, which ends with its client; raises GatewayError where it is refused."""
    granted = run.gateway.begin(_ATTEMPT)
    with closing(HTTPConnection("127.0.0.1", run.gateway.port, timeout=_SECONDS)) as connection:
        connection.request("GET", AGENT_PATH, headers={**_UPGRADE, "Authorization": f"Token {granted.token}"})
        answer = connection.getresponse()
        if answer.status != _OPENED:
            raise GatewayError(f"a session is refused: {answer.status} {answer.read(300).decode(errors='replace')}")
