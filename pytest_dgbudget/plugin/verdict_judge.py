"""What a test fails for besides what it raises: overruns, refused bypasses, mismatches, old cassettes and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import (
    BudgetExceeded,
    BudgetExhausted,
    BypassRefused,
    CassetteTooOld,
    DgBudgetError,
    ProtocolViolated,
)
from pytest_dgbudget.model import Mismatch, Outcome, Overrun, Replayed
from pytest_dgbudget.plugin.attempt import RunningTest, own_nodeid
from pytest_dgbudget.plugin.ended_with import NO_FAILURE
from pytest_dgbudget.protocol.operations import EndedAttempt, Verdict
from pytest_dgbudget.rules.budget import explain, is_shared_refusal, overrun_error
from pytest_dgbudget.rules.bypass import bypass_error
from pytest_dgbudget.rules.mismatches import explain_mismatch, mismatch_error
from pytest_dgbudget.rules.refusals import describe_refusal
from pytest_dgbudget.rules.waits import gave_up

_ENDED_EARLY = frozenset({"failed", "error", "skipped", "xfailed"})
_NOBODY_CAME = (
    "the test asked for voice_agent.endpoint, and no client came: does the application dial elsewhere? It must read "
    "DGBUDGET_AGENT_URL, or be given endpoint.agent_url and endpoint.api_key"
)


class Phase(NamedTuple):
    """A phase of a test that is over, or the end of its grant in its teardown.

    ``raised`` is what it ended with, ``outcome`` the test's up to then.
    """

    item: pytest.Item
    running: RunningTest
    when: str
    raised: BaseException | None
    outcome: Outcome | None

    @property
    def has_raised_failure(self) -> bool:
        """Whether the test fails for what it raised."""
        return self.raised is not None and not isinstance(self.raised, NO_FAILURE)

    def say(self, sentence: str) -> None:
        """Add a section to the test's report."""
        self.item.add_report_section(self.when, "dgbudget", sentence)

    def say_once(self, sentences: Sequence[str]) -> None:
        """Add what the test's report does not say yet."""
        for sentence in sentences:
            if sentence not in self.running.noted:
                self.running.noted.add(sentence)
                self.say(sentence)


class VerdictJudge:
    """Judges a test by what the gateway has seen: raises the error that it fails for, and says the rest in its report.

    An error that the test has raised itself is not replaced.
    """

    def __init__(self, run_config: RunConfig) -> None:
        self._run_config = run_config

    def judge(self, phase: Phase, verdict: Verdict) -> None:
        """Judge a phase; an overrun can't be swallowed, nor can what a cassette does not have."""
        __tracebackhide__ = True
        running, raised, overruns = phase.running, phase.raised, verdict.overruns
        running.reported = len(overruns)
        for wait in verdict.waits_given_up:
            phase.say(gave_up(wait))
        self._say_refusals(phase, verdict, raised if raised is not None or not overruns else overrun_error(overruns[0]))
        phase.say_once(verdict.notes)
        # What it fails for as well is said in a section: nothing may hide an overrun.
        has_failed = phase.has_raised_failure or (bool(overruns) and not self._tolerates(overruns))
        self._check_protocol(phase, verdict, has_failed=has_failed)
        if phase.when == "call" and running.expects_clients() and not verdict.had_clients:
            phase.say(_NOBODY_CAME)
        self._judge_bypasses(phase, verdict)
        self._judge_mismatches(phase, verdict.mismatches, has_failed=has_failed)
        self._check_age(phase, verdict.replays, has_failed=has_failed)
        if not overruns:
            return
        if self._tolerates(overruns):
            raise pytest.skip.Exception(explain(overruns[0]), _use_item_location=True) from raised
        if not phase.has_raised_failure:
            raise overrun_error(overruns[0]) from raised
        if not isinstance(raised, (BudgetExceeded, BudgetExhausted)):
            phase.say(explain(overruns[0]))

    def judge_end(self, phase: Phase, ended: EndedAttempt) -> None:
        """Judge what has come after the last phase that was judged."""
        __tracebackhide__ = True
        verdict = ended.verdict
        self._judge_bypasses(phase, verdict)
        new = verdict.overruns[phase.running.reported :]
        self._say_refusals(phase, verdict, overrun_error(new[-1]) if new else None)
        phase.say_once(verdict.notes)
        overrun = overrun_error(new[-1]) if new and not self._tolerates(new) else None
        has_failed = overrun is not None or phase.outcome == "failed"
        self._judge_mismatches(phase, verdict.mismatches, has_failed=has_failed)
        self._check_age(phase, verdict.replays, has_failed=has_failed)
        self._check_protocol(phase, verdict, has_failed=has_failed)
        if overrun is not None:
            raise overrun
        if ended.leaked and self._run_config.leaks == "fail" and not has_failed:
            raise DgBudgetError(_left_open(ended.leaked))

    def _check_protocol(self, phase: Phase, verdict: Verdict, *, has_failed: bool) -> None:
        """Report order rules that its sessions broke, or fail the test for them."""
        __tracebackhide__ = True
        how, noted = self._run_config.check_protocol, phase.running.noted
        broken = [sentence for sentence in verdict.order_violations if sentence not in noted]
        if how == "off" or not broken:
            return
        if how == "fail" and not has_failed:
            noted.update(broken)
            raise ProtocolViolated(broken)
        phase.say_once(broken)

    def _judge_bypasses(self, phase: Phase, verdict: Verdict) -> None:
        """A session that would not have been metered can't be swallowed either."""
        __tracebackhide__ = True
        refused = next((bypass for bypass in verdict.bypasses if bypass.how == "refused"), None)
        if refused is None or phase.running.bypass_reported:
            return
        phase.running.bypass_reported = True
        error = bypass_error(refused)
        if phase.raised is None:
            raise error  # with what the teardown has raised already, if it has
        if not phase.has_raised_failure:
            raise error from phase.raised
        if type(phase.raised).__name__ != BypassRefused.__name__:  # a client's own error of that name says the same
            phase.say(str(error))

    def _judge_mismatches(self, phase: Phase, mismatches: Sequence[Mismatch], *, has_failed: bool) -> None:
        """Fail a test whose clients did something else than its cassettes, whatever became of that there.

        Of one that ended otherwise than it does when it passes, clients were left with something to say.
        """
        __tracebackhide__ = True
        running, nodeid = phase.running, own_nodeid(phase.item)
        others, running.mismatches = mismatches[running.mismatches :], len(mismatches)
        if phase.raised is not None or phase.outcome in _ENDED_EARLY:
            others = [each for each in others if each.kind != "left-over"]
        if others and not has_failed:
            raise mismatch_error(others[0], nodeid) from phase.raised
        for mismatch in others:
            said = explain_mismatch(mismatch, nodeid)
            if said != str(phase.raised):
                phase.say(said)

    def _check_age(self, phase: Phase, replays: Sequence[Replayed], *, has_failed: bool) -> None:
        """Fail a test that used a cassette which is older than it may be, where that is to fail it."""
        __tracebackhide__ = True
        run_config, noted = self._run_config, phase.running.noted
        if run_config.cassette_max_age_ms is None or not run_config.cassette_max_age_fails or not replays:
            return
        from pytest_dgbudget.instants import epoch_ms, utc_ms
        from pytest_dgbudget.rules.soft_warnings import UsedCassette, old_cassettes

        used = [
            UsedCassette(each.cassette, utc_ms() - epoch_ms(each.recorded_at), own_nodeid(phase.item))
            for each in replays
            if each.cassette is not None and each.recorded_at is not None
        ]
        said = old_cassettes(used, run_config.cassette_max_age_ms)
        if said is None or said in noted:
            return
        if not has_failed:
            noted.add(said)
            raise CassetteTooOld(said)
        phase.say_once([said])

    def _say_refusals(self, phase: Phase, verdict: Verdict, error: BaseException | None) -> None:
        """Say in the test's report what its clients were refused for, unless its own error says it."""
        for refusal in phase.running.untold(verdict.refusals):
            if refusal.times > 1 or refusal.reason not in str(error):
                phase.say(describe_refusal(refusal))

    def _tolerates(self, overruns: Sequence[Overrun]) -> bool:
        """With --dg-on-exhausted=skip, a test is skipped that only lacked a shared budget, whatever it raised."""
        return self._run_config.on_exhausted == "skip" and all(map(is_shared_refusal, overruns))


def _left_open(count: int) -> str:
    sessions, them = ("1 session was", "it") if count == 1 else (f"{count} sessions were", "them")
    return f"{sessions} still open when the test ended: close {them} in the test, or set dg_leaks = report"
