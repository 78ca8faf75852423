"""What each operation of an owner does: one handler an operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from pytest_dgbudget.gateway.bearers import Owner
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.session_turns import turns_by_session
from pytest_dgbudget.gateway.targets.emulator import EmulatorProcess
from pytest_dgbudget.model import MeasuredTurn, SessionTurns, Usage
from pytest_dgbudget.protocol.emulator_calls import with_call
from pytest_dgbudget.protocol.operations import (
    AwaitReconciliation,
    BeginAttempt,
    CallEmulator,
    CheckScenario,
    EndAttempt,
    EndedAttempt,
    EndedLostTest,
    EndLostTest,
    FinishRun,
    GetProgress,
    GetRemaining,
    GetSessionTurns,
    GetStopReason,
    GetTurns,
    GetUsage,
    GetVerdict,
    GetViolations,
    GrantedAttempt,
    Join,
    Joined,
    Operation,
    Progress,
    RecordCassette,
    RecordOutcome,
    ReleaseRecordings,
    StopRun,
    TakeAudioRoom,
    Verdict,
    WriteRecordings,
)
from pytest_dgbudget.report.document import FinishedRun

# How long a failed test waits for a slow disk to take what was recorded of it.
_WRITTEN_SECONDS = 2.0


class ServedRun(Protocol):
    """The run that a gateway serves, as far as its owners' operations go."""

    async def run(self) -> Run:
        """Return the run once the ledger is open; raises what kept it from opening."""
        ...

    async def emulator(self) -> EmulatorProcess:
        """Return the gateway's emulator; raises GatewayError where it is gone."""
        ...

    def joined(self, owner: Owner) -> None:
        """Note that an owner has joined."""
        ...

    async def stop(self) -> None:
        """Close everything and wait for nothing."""
        ...

    async def finish(self, exit_status: int, *, wait: bool, notices: Sequence[str] = ()) -> FinishedRun:
        """End the run and report it."""
        ...

    async def final_report(self, exit_status: int, *, wait: bool) -> FinishedRun | None:
        """Return the report with the comparison in it; None while that goes on."""
        ...


class Operations:
    """Answers the operations of a run's owners."""

    def __init__(self, served: ServedRun) -> None:
        self._served = served
        self.handlers: dict[type[Operation[Any]], Callable[[Owner, Any], Awaitable[Any]]] = {
            Join: self._join,
            BeginAttempt: self._begin_attempt,
            GetVerdict: self._get_verdict,
            GetUsage: self._get_usage,
            GetViolations: self._get_violations,
            GetTurns: self._get_turns,
            GetSessionTurns: self._get_session_turns,
            GetRemaining: self._get_remaining,
            GetProgress: self._get_progress,
            EndAttempt: self._end_attempt,
            EndLostTest: self._end_lost_test,
            RecordOutcome: self._record_outcome,
            WriteRecordings: self._write_recordings,
            TakeAudioRoom: self._take_audio_room,
            RecordCassette: self._record_cassette,
            ReleaseRecordings: self._release_recordings,
            GetStopReason: self._get_stop_reason,
            StopRun: self._stop_run,
            FinishRun: self._finish_run,
            AwaitReconciliation: self._await_reconciliation,
            CheckScenario: self._check_scenario,
            CallEmulator: self._call_emulator,
        }

    async def answer(self, owner: Owner, asked: Operation[Any]) -> Any:
        """Return the answer; raises a DgBudgetError where the operation fails."""
        return await self.handlers[type(asked)](owner, asked)

    async def _join(self, owner: Owner, asked: Join) -> Joined:
        run = await self._served.run()
        self._served.joined(owner)
        for held in asked.held:
            await run.restore(owner, held)
        run.joined(owner, asked.token)
        return Joined(run_id=run.id)

    async def _begin_attempt(self, owner: Owner, asked: BeginAttempt) -> GrantedAttempt:
        run = await self._served.run()
        return await run.grant(owner, asked)

    async def _get_verdict(self, owner: Owner, asked: GetVerdict) -> Verdict:
        run = await self._served.run()
        return await run.attempts.verdict(asked.attempt)

    async def _get_usage(self, owner: Owner, asked: GetUsage) -> Usage:
        run = await self._served.run()
        return await run.attempts.usage(asked.attempt, asked.session)

    async def _get_violations(self, owner: Owner, asked: GetViolations) -> tuple[str, ...]:
        run = await self._served.run()
        return await run.attempts.violations(asked.attempt, asked.session)

    async def _get_turns(self, owner: Owner, asked: GetTurns) -> tuple[MeasuredTurn, ...]:
        run = await self._served.run()
        return await run.attempts.turns(asked.attempt, asked.session)

    async def _get_session_turns(self, owner: Owner, asked: GetSessionTurns) -> tuple[SessionTurns, ...]:
        run = await self._served.run()
        return await turns_by_session(await run.attempts.known(asked.attempt))

    async def _get_remaining(self, owner: Owner, asked: GetRemaining) -> float | None:
        run = await self._served.run()
        return await run.attempts.remaining(asked.attempt)

    async def _get_progress(self, owner: Owner, asked: GetProgress) -> Progress:
        run = await self._served.run()
        return await run.progress()

    async def _end_attempt(self, owner: Owner, asked: EndAttempt) -> EndedAttempt:
        run = await self._served.run()
        return await run.end(owner, asked.attempt, expects_clients=asked.expects_clients)

    async def _end_lost_test(self, owner: Owner, asked: EndLostTest) -> EndedLostTest | None:
        run = await self._served.run()
        return await run.end_lost_test(asked.nodeid, asked.worker)

    async def _record_outcome(self, owner: Owner, asked: RecordOutcome) -> None:
        run = await self._served.run()
        run.record_outcome(asked.attempt, asked.outcome)

    async def _write_recordings(self, owner: Owner, asked: WriteRecordings) -> bool:
        run = await self._served.run()
        return run.recordings is None or await run.recordings.write(asked.attempt, _WRITTEN_SECONDS)

    async def _take_audio_room(self, owner: Owner, asked: TakeAudioRoom) -> int:
        run = await self._served.run()
        return 0 if run.recordings is None else run.recordings.take_audio_room(asked.size)

    async def _record_cassette(self, owner: Owner, asked: RecordCassette) -> None:
        run = await self._served.run()
        run.record_cassette(asked.session, asked.cassette)

    async def _release_recordings(self, owner: Owner, asked: ReleaseRecordings) -> None:
        run = await self._served.run()
        if run.recordings is not None:
            run.recordings.release(asked.attempt, is_kept=asked.is_kept)

    async def _get_stop_reason(self, owner: Owner, asked: GetStopReason) -> str | None:
        run = await self._served.run()
        return run.stopping.reason()

    async def _stop_run(self, owner: Owner, asked: StopRun) -> None:
        await self._served.stop()

    async def _finish_run(self, owner: Owner, asked: FinishRun) -> FinishedRun:
        return await self._served.finish(asked.exit_status, wait=asked.wait, notices=asked.notices)

    async def _await_reconciliation(self, owner: Owner, asked: AwaitReconciliation) -> FinishedRun | None:
        return await self._served.final_report(asked.exit_status, wait=asked.wait)

    async def _check_scenario(self, owner: Owner, asked: CheckScenario) -> Any:
        emulator = await self._served.emulator()
        return await emulator.ask("GET", f"/scenario?reference={quote(asked.reference)}")

    async def _call_emulator(self, owner: Owner, asked: CallEmulator) -> Any:
        run = await self._served.run()
        grant = await run.attempts.known(asked.attempt)
        emulator = await self._served.emulator()
        await emulator.tell(grant)
        answer = await emulator.call(asked)
        grant.emulator_calls = with_call(grant.emulator_calls, asked)
        return answer
