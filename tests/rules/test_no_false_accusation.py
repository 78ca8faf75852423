"""Nobody is accused for what honest causes explain."""

from __future__ import annotations

from collections import Counter
from random import Random

from pytest_dgbudget.rules.reconciliation_verdict import judge

from .billing import OWN, TERMS, honest_run


def test_a_thousand_honest_runs_have_no_discrepancy_and_no_remark_on_rates() -> None:
    """Slow handshakes, ends noticed late, rounding, another clock, colleagues, failed dials, and rows in the making."""
    verdicts: Counter[str] = Counter()
    judged_sums = 0
    for seed in range(1000):
        run = honest_run(Random(seed))
        result = judge(run.sessions, run.snapshot, OWN, TERMS, run.dials)
        assert result.verdict in {"reconciled", "inconclusive"}, (seed, result.reasons, result.drift)
        assert not any(rate.wrong for rate in result.rates), seed
        verdicts[result.verdict] += 1
        judged_sums += result.drift is not None and result.drift.verdict is not None
    assert verdicts["reconciled"] > 500
    assert judged_sums > 300
