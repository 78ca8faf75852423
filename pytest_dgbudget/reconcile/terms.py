"""By what sessions and rows are compared, in a run's reconciliation as in an audit."""

from __future__ import annotations

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.rules.comparison import Terms
from pytest_dgbudget.rules.prices import SHIPPED
from pytest_dgbudget.rules.verdicts import Tolerance

_SHIPPED = {str(tier): price for tier, price in SHIPPED.micro_usd_per_minute.items()}


def terms_of(run_config: RunConfig, target: str, now_ms: int) -> Terms:
    """Return the terms of a comparison with what was read by ``now_ms``; an emulator's prices are its own."""
    is_billed = target == "live"
    return Terms(
        tolerance=Tolerance(ms=run_config.tolerance_ms, share=run_config.tolerance_share),
        grace_ms=run_config.vendor_grace_ms,
        now_ms=now_ms,
        drift=run_config.drift_share,
        prices=run_config.prices if is_billed else {},
        shipped=_SHIPPED if is_billed else {},
    )
