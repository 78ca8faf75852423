"""Nobody is accused for what honest causes explain."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from pytest_dgbudget.rules.reconciliation_verdict import judge
from tests.support.slow import slow

from .billing import OWN, TERMS, honest_run


@pytest.mark.parametrize(("runs", "reconciled", "sums"), [(200, 80, 50), slow(1000, 500, 300)])
def test_honest_runs_have_no_discrepancy_and_no_remark_on_rates(runs: int, reconciled: int, sums: int) -> None:
    """Slow handshakes, ends noticed late, rounding, another clock, colleagues, failed dials, and rows in the making."""
    verdicts: Counter[str] = Counter()
    judged_sums = 0
    for seed in range(runs):
        run = honest_run(Random(seed))
        result = judge(run.sessions, run.snapshot, OWN, TERMS, run.dials)
        assert result.verdict in {"reconciled", "inconclusive"}, (seed, result.reasons, result.drift)
        assert not any(rate.wrong for rate in result.rates), seed
        verdicts[result.verdict] += 1
        judged_sums += result.drift is not None and result.drift.verdict is not None
    assert verdicts["reconciled"] > reconciled
    assert judged_sums > sums
