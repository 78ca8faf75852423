"""What a user should know of how a run went, beside its figures, made from its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pytest_dgbudget.gateway.events import (
    CassetteLacked,
    CassettesUnused,
    CreditProblem,
    EmulatorRestarted,
    EndpointUnused,
    Event,
    Events,
    GatewayStalled,
    MessageSkipped,
    RequestPassed,
    RunIsStopping,
    RunKeyProblem,
    SessionDialled,
    SessionEnded,
    SocketPassed,
    StrangerRefused,
)
from pytest_dgbudget.ledger.facts import AttemptFacts
from pytest_dgbudget.model import Refusal
from pytest_dgbudget.rules.refusals import describe_refusal
from pytest_dgbudget.units import counted, format_time

_MOST_TESTS = 5


class Remarks:
    """A sentence for each kind, however often it was."""

    def __init__(self, events: Events) -> None:
        self._stopped: dict[str, None] = {}
        self._open: set[str] = set()
        self._untagged: set[str] = set()
        self._stalled_ms: list[int] = []
        self._restarts: list[str] = []
        self._credit_problems: dict[str, None] = {}
        self._run_key_problems: dict[str, None] = {}
        self._unused: dict[str, None] = {}
        self._lack_cassettes: dict[str, None] = {}
        self._unused_cassettes: dict[str, CassettesUnused] = {}
        self._strangers: Counter[StrangerRefused] = Counter()
        self._passed: Counter[RequestPassed | SocketPassed] = Counter()
        events.subscribe(self._note)

    def sentences(self) -> list[str]:
        sentences = [*self._stopped]
        if self._untagged:
            sentences.append(
                f"in {len(self._untagged)} sessions Settings, or a message before them, were too long to be read: they "
                "passed as they were, so what lacks the run's tag is found in the statement by request id alone"
            )
        if self._stalled_ms:
            sentences.append(
                "the gateway or the machine stood still while sessions were open, at the longest for "
                f"{format_time(max(self._stalled_ms))}: what was due then was cut late, and all of it is charged"
            )
        sentences += [
            f"the emulator ended ({how}) and was started again: sessions that were open then ended with it, and its "
            "bill goes on"
            for how in self._restarts
        ]
        sentences += self._credit_problems
        sentences += self._run_key_problems
        if self._unused:
            sentences.append(_did_not_come(list(self._unused)))
        if self._lack_cassettes:
            tests = [*self._lack_cassettes]
            named = ", ".join(tests[:_MOST_TESTS]) + (", …" if len(tests) > _MOST_TESTS else "")
            sentences.append(f"{counted(len(tests), 'test')} lacked a cassette: {named}")
        sentences += [self._passed_to(host) for host in dict.fromkeys(event.host for event in self._passed)]
        for refused, times in self._strangers.items():
            described = Refusal(status=refused.status, code=refused.code, reason=refused.reason, times=times)
            sentences.append(f"while not exactly one test ran, {describe_refusal(described)}")
        return sentences

    def unused_cassettes(self, attempts: Iterable[AttemptFacts]) -> Iterator[str]:
        """Yield a sentence on each attempt that passed without all cassettes of its test."""
        for attempt in attempts:
            found = self._unused_cassettes.get(attempt.id)
            if found is not None and attempt.outcome == "passed":
                were = "was" if found.unused == 1 else "were"
                yield f"{attempt.nodeid}: {found.unused} of its {found.cassettes} cassettes {were} not used"

    def _passed_to(self, host: str) -> str:
        passed = [
            f"{times} {what}{'' if times == 1 else 's'}"
            for what, event in (("request", RequestPassed(host=host)), ("socket", SocketPassed(host=host)))
            if (times := self._passed[event])
        ]
        return f"passed {' and '.join(passed)} to {host} unmetered (dg_pass_other)"

    def _note(self, event: Event) -> None:
        if isinstance(event, SessionDialled):
            self._open.add(event.session)
        elif isinstance(event, SessionEnded):
            self._open.discard(event.session)
        elif isinstance(event, StrangerRefused):
            self._strangers[event] += 1
        elif isinstance(event, (RequestPassed, SocketPassed)):
            self._passed[event] += 1
        elif isinstance(event, MessageSkipped):
            self._untagged.add(event.session)
        elif isinstance(event, EmulatorRestarted):
            self._restarts.append(event.how)
        elif isinstance(event, CreditProblem):
            self._credit_problems[event.problem] = None
        elif isinstance(event, RunKeyProblem):
            self._run_key_problems[event.problem] = None
        elif isinstance(event, RunIsStopping):
            self._stopped[event.reason] = None
        elif isinstance(event, EndpointUnused):
            self._unused[event.nodeid] = None
        elif isinstance(event, CassetteLacked):
            self._lack_cassettes[event.nodeid] = None
        elif isinstance(event, CassettesUnused):
            self._unused_cassettes[event.attempt] = event
        elif isinstance(event, GatewayStalled) and self._open:
            self._stalled_ms.append(event.stalled_ms)


def _did_not_come(tests: list[str]) -> str:
    """Say which tests waited for an application that dialled elsewhere, or nowhere."""
    asked = "asked for voice_agent.endpoint, and no client came"
    others = len(tests) - 1
    named = tests[0] if not others else f"{tests[0]} and {others} more test{'' if others == 1 else 's'}"
    return f"{named} {asked}: does the application dial elsewhere?"
