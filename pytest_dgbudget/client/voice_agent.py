"""What the ``voice_agent`` fixture gives to a test."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from pytest_dgbudget.client.agent_settings import SettingsSource, load_settings
from pytest_dgbudget.client.async_session import AsyncSession
from pytest_dgbudget.client.connect import Opening, checked_headers
from pytest_dgbudget.client.emulator import Emulator
from pytest_dgbudget.client.endpoint import Endpoint
from pytest_dgbudget.client.latency import Latency, latency_of
from pytest_dgbudget.client.session import Session
from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.control.io_thread import in_task
from pytest_dgbudget.errors import DgBudgetError, SettingsError
from pytest_dgbudget.model import Pace, TargetName, Usage
from pytest_dgbudget.protocol.operations import GetRemaining, GetTurns, GetUsage, GrantedAttempt

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


class VoiceAgent:
    """Metered Voice Agent sessions for one test. Nothing is opened, set aside or spent until ``connect``.

    ``target`` is where they are dialled: ``live`` or ``emulator``; or ``replay``. In a rehearsal it is ``live``, and an
    emulator answers.
    """

    def __init__(
        self,
        gateway: GatewayClient,
        granted: GrantedAttempt,
        target: TargetName,
        pace: Pace,
        endpoint: Endpoint,
        default_settings: Path | None,
        *,
        nodeid: str,
        is_rehearsal: bool,
    ) -> None:
        self._endpoint = endpoint
        skips_time = target == "emulator" and pace == "max"
        self._opening = Opening(
            gateway=gateway,
            endpoint=endpoint,
            attempt=granted.id,
            nodeid=nodeid,
            skips_time=skips_time,
            is_emulated=target == "emulator" or (target == "live" and is_rehearsal),
        )
        self._default_settings = default_settings
        self.target = target
        self.endpoint_was_asked_for = False

    def connect(
        self,
        settings: SettingsSource = None,
        *,
        tags: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Connect:
        """Open a session: ``async with``, ``with``, or ``await``.

        ``settings`` is a dict, the path of a JSON or TOML file, or None for ``dg_agent_settings``. Opening waits,
        unbilled, for its turn and its budget. Raises BudgetExhausted, HandshakeRefused, AgentError, LedgerError,
        GatewayError; SettingsError at once.
        """
        message = load_settings(settings, self._default_settings, tags)
        return Connect(self._opening, message, checked_headers(headers or {}))

    @property
    def endpoint(self) -> Endpoint:
        """Where the code under test reaches this test's sessions, whatever its client or language."""
        self.endpoint_was_asked_for = True
        return self._endpoint

    @property
    def emulator(self) -> Emulator:
        """What this test may ask of the emulator; raises SettingsError where its target is another."""
        if self.target != "emulator":
            raise SettingsError(
                f"this test's target is {self.target}, where nothing is emulated: mark it "
                '@pytest.mark.dg_target("emulator"), or ask voice_agent.target first'
            )
        return Emulator(self._opening.gateway, self._opening.attempt)

    @property
    def usage(self) -> Usage:
        """What this attempt of the test has used so far: seconds, sessions, cost."""
        opening = self._opening
        return opening.gateway.ask(GetUsage(attempt=opening.attempt, session=None))

    @property
    def latency(self) -> Latency:
        """How long the user waited for answers in this attempt of the test so far, in all of its sessions.

        Turns that still wait for their answer are not in it. At pace max an emulated answer waits for nothing.
        """
        opening = self._opening
        turns = opening.gateway.ask(GetTurns(attempt=opening.attempt, session=None))
        return latency_of(turns)

    @property
    def remaining(self) -> float | None:
        """Seconds that this test may still use; None where no budget applies."""
        opening = self._opening
        return opening.gateway.ask(GetRemaining(attempt=opening.attempt))


class Connect:
    """A session that is not open yet: use it once, with ``async with``, ``with`` or ``await``."""

    def __init__(self, opening: Opening, settings: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self._opening = opening
        self._settings = settings
        self._headers = headers
        self._async_session: AsyncSession | None = None
        self._session: Session | None = None

    def __getattr__(self, name: str) -> NoReturn:
        block = "async with" if in_task() else "with"
        raise AttributeError(
            f"the session is not open yet and has no {name}: use '{block} voice_agent.connect() as session:'"
        )

    def __await__(self) -> Generator[Any, Any, AsyncSession]:
        return self._open_async().__await__()

    async def __aenter__(self) -> AsyncSession:
        self._async_session = await self._open_async()
        return self._async_session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._async_session is not None and error is None:
            await self._async_session.close()
        elif self._async_session is not None:  # what a handler raised must not hide the error
            await self._opening.gateway.io_thread.cross(self._async_session._io.close())

    def __enter__(self) -> Session:
        if in_task():
            raise DgBudgetError(
                "'with voice_agent.connect()' would block this task's event loop; use 'async with' in an async test"
            )
        opening = self._opening
        io = opening.gateway.io_thread.run(opening.open(self._settings, self._headers))
        self._session = Session(io, opening.gateway, opening.attempt)
        return self._session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None and error is None:
            self._session.close()
        elif self._session is not None:
            self._opening.gateway.io_thread.run(self._session._io.close())

    async def _open_async(self) -> AsyncSession:
        opening = self._opening
        io = await opening.gateway.io_thread.cross(opening.open(self._settings, self._headers))
        return AsyncSession(io, opening.gateway, opening.attempt)
