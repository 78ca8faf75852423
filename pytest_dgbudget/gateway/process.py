"""The gateway's process: from its configuration on stdin to its report, whatever happens in between."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from base64 import b64decode
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.errors import DgBudgetError, GatewayError, LedgerError
from pytest_dgbudget.gateway.bearers import Application, Owner
from pytest_dgbudget.gateway.clock import metering_loop
from pytest_dgbudget.gateway.clock import run as run_metering
from pytest_dgbudget.gateway.closing import Closing
from pytest_dgbudget.gateway.control import ControlConnection
from pytest_dgbudget.gateway.events import EmulatorRestarted, Events, GatewayStalled
from pytest_dgbudget.gateway.hosts import AllowedHosts
from pytest_dgbudget.gateway.leaving import Leaving
from pytest_dgbudget.gateway.ledger_keeper import keep_connected
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.listener import ListeningSocket
from pytest_dgbudget.gateway.log import log, log_event, log_line
from pytest_dgbudget.gateway.open_files import allow_many_files, too_few_files
from pytest_dgbudget.gateway.operations import Operations
from pytest_dgbudget.gateway.process_watch import ProcessWatch
from pytest_dgbudget.gateway.routes.router import router_of
from pytest_dgbudget.gateway.routes.unmetered import unmetered_of
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.run_ledger import RunLedger
from pytest_dgbudget.gateway.run_recordings import recordings_of
from pytest_dgbudget.gateway.run_replays import replays_of
from pytest_dgbudget.gateway.server import ClientConnection
from pytest_dgbudget.gateway.services import SERVICES
from pytest_dgbudget.gateway.targets import Targets
from pytest_dgbudget.gateway.targets.emulator import EmulatorProcess
from pytest_dgbudget.gateway.targets.target import TargetLost
from pytest_dgbudget.gateway.unauthenticated import UnauthenticatedConnections
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.processes import leave_no_core
from pytest_dgbudget.protocol.operations import Operation
from pytest_dgbudget.protocol.startup import GatewayConfig, load
from pytest_dgbudget.report.document import FinishedRun
from pytest_dgbudget.report.usage_file import set_earlier_aside

if TYPE_CHECKING:  # loaded where something is recorded
    from pytest_dgbudget.gateway.recording import Recordings

_CONTROLLER_SECONDS = 10
# How long owners wait for a ledger to open: on a slow disk each sync may take seconds.
_OPEN_SECONDS = 60
# How long the loop that relays and cuts waits for another thread of ours that computes.
_SWITCH_SECONDS = 0.0002
# How long the last answer has to reach its owner.
_ANSWERED_SECONDS = 2
# How long an owner that waits for the statement is kept without an answer.
_ANSWER_SECONDS = 0.5


def main() -> None:
    """Serve one run and exit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # whatever the thread has blocked that started us
    leave_no_core()
    sys.setswitchinterval(_SWITCH_SECONDS)
    # To look through all that was loaded takes more than ten milliseconds, in which nothing passes and nothing is cut.
    gc.freeze()
    allow_many_files()
    given = sys.stdin.buffer.read()
    if not given:  # who started it is gone already
        _forget_log()
        return
    config = load(given)
    run_metering(Gateway(config).serve())
    if os.fstat(sys.stderr.fileno()).st_size == 0:
        # Nothing went wrong, so nobody will look for it.
        Path(config.log).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            Path(config.temporary_folder).rmdir()


def _forget_log() -> None:
    """Remove the log, of which nobody has said where it is: it is what stderr goes to."""
    with contextlib.suppress(OSError):
        Path(f"/proc/self/fd/{sys.stderr.fileno()}").readlink().unlink()


class Gateway:
    """Joins the parts of one run and ends it once."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._run_config = config.run_config
        self._run_ledger = RunLedger(config)
        self._targets = Targets(config.run_config, config.api_key, self._emulator_restarted)
        self._unauthenticated = UnauthenticatedConnections()
        self._hosts = AllowedHosts(self._run_config.allowed_hosts)
        self._operations = Operations(self)
        self._events = Events()
        if config.debug:
            self._events.subscribe(log_event)
        self._unmetered = unmetered_of(self._run_config, config.api_key, self._events)
        self._router = router_of(
            self._run_config,
            config.api_key,
            SERVICES,
            self.run,
            self._targets.find,
            self._unmetered,
            replays_of(config, self._events),
        )
        self._notices: list[str] = []
        if config.predecessor is not None:
            self._notices.append(f"a gateway died and was replaced: {config.predecessor}")
        self._controller_joined = False
        self._told_to_end = False
        self._ledger: Ledger | None = None
        self._run: Run | None = None
        self._failed: DgBudgetError | None = None
        self._closing: Closing | Leaving | None = None
        self._finishing: asyncio.Task[FinishedRun] | None = None
        self._keeping: asyncio.Future[None] | None = None

    def _emulator_restarted(self, how: str) -> None:
        self._events.emit(EmulatorRestarted(how=how))

    async def serve(self) -> None:
        """Take connections until the run is over and its owners know."""
        loop = metering_loop()
        loop.stalled = lambda ms: self._events.emit(GatewayStalled(stalled_ms=ms))
        self._over = asyncio.Event()
        self._ledger_thread = LedgerThread(self._ledger_failed)
        self._opened = asyncio.ensure_future(self._open())
        self._targets.start()
        # A slow ledger keeps every owner waiting; only then is it time to miss the controller.
        self._opened.add_done_callback(lambda _: loop.call_later(_CONTROLLER_SECONDS, self._end_without_controller))
        starter = ProcessWatch(self._config.pid, self._config.started, self._end_soon)
        if os.getppid() != self._config.pid:
            self._end_soon()  # It was gone before it could be watched.
        listener = socket.socket(fileno=self._config.listener)
        port = listener.getsockname()[1]
        servers = [ListeningSocket(listener, self._owner_or_client, self._full)]
        if self._config.public_listener is not None:
            public = socket.socket(fileno=self._config.public_listener)
            servers.append(ListeningSocket(public, self._client, self._full))
        for descriptor, came in self._config.connected:
            await self._take(descriptor, b64decode(came), port)
        loop.add_signal_handler(signal.SIGTERM, self._make_way, servers)
        await self._over.wait()
        starter.stop()
        for server in servers:
            server.close()
        await self._close_parts()

    # Start ---------------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Open the ledger and enter the run; every owner that joins gets the error when that fails."""
        if (too_few := too_few_files()) is not None:
            self._failed = GatewayError(too_few)
            return
        if self._config.elsewhere is None:
            await self._ledger_thread.call(set_earlier_aside, self._run_config.report_dir, self._run_config.run_id)
        try:
            self._ledger = await asyncio.wait_for(self._ledger_thread.call(self._run_ledger.open), _OPEN_SECONDS)
        except DgBudgetError as error:
            self._failed = error
        except (TimeoutError, asyncio.TimeoutError):
            self._failed = LedgerError(
                f"the ledger {self._run_config.ledger} did not open within {_OPEN_SECONDS} s; "
                "name one on a faster disk, or a server that answers, with --dg-ledger"
            )
        else:
            if self._run_ledger.notice is not None:
                self._notices.append(self._run_ledger.notice)
            self._ledger_thread.attach(self._ledger)
            recordings = await self._ledger_thread.call(recordings_of, self._config, self._run_ledger)
            self._run = Run(
                self._run_config,
                self._ledger,
                self._ledger_thread,
                self._events,
                self._run_ledger.changes,
                self._config.worker_tokens,
                recordings,
                self._targets.live_access,
            )
            self._run.bearers.await_owners()
            if self._config.app_token is not None:
                self._run.bearers.restore(self._config.app_token, Application())
            self._closing = self._closing_of(self._ledger, recordings)
            if isinstance(self._run_config.ledger, str):
                self._keeping = asyncio.ensure_future(keep_connected(self._ledger, self._ledger_thread))

    def _closing_of(self, ledger: Ledger, recordings: Recordings | None) -> Closing | Leaving:
        """Return what ends the run, or this gateway's part in it."""
        if self._config.elsewhere is not None:
            return Leaving(self._ledger_thread, self._notices, self._events, recordings)
        return Closing(
            self._run_config,
            self._config.invocation,
            ledger,
            self._ledger_thread,
            self._notices,
            self._targets.find,
            self._events,
            recordings,
        )

    def _owner_or_client(self) -> ClientConnection:
        return self._connection(
            lambda: ControlConnection(self._config.secret, self._unauthenticated, self._answer, self.owner_lost)
        )

    def _client(self) -> ClientConnection:
        return self._connection(None)

    def _connection(self, control: Callable[[], ControlConnection] | None) -> ClientConnection:
        return ClientConnection(self._router, self._hosts, self._unauthenticated, control)

    async def _take(self, descriptor: int, came: bytes, port: int) -> None:
        """Serve a connection that was made before there was a gateway; owners come to ``port`` alone."""
        loop = asyncio.get_running_loop()
        connection = socket.socket(fileno=descriptor)
        connection.setblocking(False)
        serve = self._owner_or_client if connection.getsockname()[1] == port else self._client
        _, protocol = await loop.connect_accepted_socket(serve, connection)
        if came:
            protocol.data_received(came)

    async def _answer(self, owner: Owner, operation: Operation[Any]) -> Any:
        """Answer an owner; what a gateway is asked that was told to end, its successor answers."""
        if self._told_to_end:
            await asyncio.get_running_loop().create_future()
        return await self._operations.answer(owner, operation)

    # What connections ask for --------------------------------------------------------------------------------------

    async def run(self) -> Run:
        """Return the run once the ledger is open; raises what kept it from opening."""
        await asyncio.shield(self._opened)
        if self._run is None:
            raise self._failed or LedgerError("the ledger is not open")
        return self._run

    # What owners ask for -------------------------------------------------------------------------------------------

    def joined(self, owner: Owner) -> None:
        self._controller_joined = self._controller_joined or owner.started_gateway

    async def emulator(self) -> EmulatorProcess:
        """Return the gateway's emulator; raises GatewayError where it is gone."""
        try:
            return (await self._targets.emulator()).process
        except TargetLost as lost:
            raise GatewayError(str(lost)) from None

    async def stop(self) -> None:
        """Close everything now, and wait for nothing: Ctrl-C."""
        run = await self.run()
        await run.end_all("teardown")
        if self._closing is not None:
            await self._closing.give_up()

    async def finish(self, exit_status: int, *, wait: bool, notices: Sequence[str] = ()) -> FinishedRun:
        """End the run and return its report; with ``wait``, the comparison with the statement goes on.

        ``notices`` are sentences of gateways on other machines.
        """
        await self.run()
        self._notices += [notice for notice in notices if notice not in self._notices]
        finished = await self._finish(exit_status, "teardown", wait=wait)
        if not finished["reconciling"]:
            self._end_after_answer()
        return finished

    async def final_report(self, exit_status: int, *, wait: bool) -> FinishedRun | None:
        """Return the report with the comparison in it; None while that goes on."""
        if self._finishing is None or self._closing is None:
            # The owner waited for a gateway that died meanwhile.
            return await self.finish(exit_status, wait=wait)
        finished = await self._closing.reconciled(_ANSWER_SECONDS)
        if finished is not None:
            self._end_after_answer()
        return finished

    def owner_lost(self, owner: Owner) -> None:
        if self._run is not None:
            # At once: what its clients' own ends look like a moment later is then known to be the owner's.
            self._run.owner_lost(owner)
        if owner.started_gateway:
            self._end_soon()

    # End -----------------------------------------------------------------------------------------------------------

    def _make_way(self, servers: Sequence[ListeningSocket]) -> None:
        """End for a successor, to which the sockets go on listening: it takes whoever connects from now on."""
        for server in servers:
            server.close()
        self._told_to_end = True
        self._end_soon("gateway-lost")

    def _end_soon(self, closed_by: ClosedBy = "owner-lost") -> None:
        """End without a word from pytest: its process is lost, or this gateway alone was told to end."""
        asyncio.ensure_future(self._end(closed_by)).add_done_callback(self._ended)

    def _ended(self, ending: asyncio.Future[None]) -> None:
        if (error := ending.exception()) is not None:
            log(error)
        self._over.set()

    def _end_without_controller(self) -> None:
        if not self._controller_joined and self._finishing is None:
            self._end_soon()

    async def _end(self, closed_by: ClosedBy) -> None:
        await self._finish(None, closed_by, wait=False)
        if self._closing is not None:
            await self._closing.give_up()

    def _end_after_answer(self) -> None:
        asyncio.get_running_loop().call_later(_ANSWERED_SECONDS, self._over.set)

    async def _finish(self, exit_status: int | None, closed_by: ClosedBy, *, wait: bool) -> FinishedRun:
        if self._finishing is None:
            run = await self.run()
            assert self._closing is not None
            self._unmetered.close()
            self._finishing = self._finishing or asyncio.ensure_future(
                self._closing.close(run, exit_status, closed_by, wait=wait)
            )
        return await asyncio.shield(self._finishing)

    async def _close_parts(self) -> None:
        await self._targets.stop()
        if not self._told_to_end:  # else a successor goes on with the run
            rmtree(self._config.scripts_folder, ignore_errors=True)
        if self._keeping is not None:
            self._keeping.cancel()
        await self._ledger_thread.close()
        self._run_ledger.release()

    def _full(self, notice: str) -> None:
        log_line(notice)
        self._notices.append(notice)

    def _ledger_failed(self, error: LedgerError) -> None:
        log(error)
        self._notices.append(str(error))
        if self._run is not None:
            self._run.ledger_failed()
