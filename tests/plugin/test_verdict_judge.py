"""What a test fails for at its end, beside what its teardown raises."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from pytest_dgbudget.config.resolve import resolve
from pytest_dgbudget.errors import BypassRefused
from pytest_dgbudget.model import Bypass
from pytest_dgbudget.plugin.attempt import RunningTest
from pytest_dgbudget.plugin.verdict_judge import Phase, VerdictJudge
from pytest_dgbudget.protocol.operations import EndedAttempt, GrantedAttempt, Verdict
from pytest_dgbudget.rules.attempts import AttemptFigures, unknown_figures

PAST = Bypass(host="agent.deepgram.com", path="/v1/agent/converse", how="refused", program="python")


def test_a_refused_bypass_does_not_hide_what_the_teardown_raised(request: pytest.FixtureRequest) -> None:
    here = Path("/nowhere")
    judge = VerdictJudge(resolve(command_line={}, environment={}, ini={}, rootdir=here, current_dir=here))
    attempt = GrantedAttempt(id="a", number=1, budget_seconds=None, recordings=None, token="t")
    phase = Phase(request.node, RunningTest(attempt, 0, None), "teardown", None, "passed")
    verdict = Verdict(
        overruns=(),
        refusals=(),
        bypasses=(PAST,),
        waits_given_up=(),
        gateway_lost=None,
        had_clients=True,
        notes=(),
        order_violations=(),
    )
    with pytest.raises(BypassRefused) as raised:
        try:
            raise LookupError("of the teardown")
        finally:
            judge.judge_end(
                phase, EndedAttempt(verdict=verdict, figures=cast(AttemptFigures, unknown_figures(1, None)), leaked=0)
            )
    assert isinstance(raised.value.__context__, LookupError)
    assert not raised.value.__suppress_context__
