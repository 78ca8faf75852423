"""A gateway that dies while it starts: it is replaced at once, or the report says that there was none."""

from __future__ import annotations

import re

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.vendor import Vendor


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_gateway_that_dies_while_it_starts_is_replaced_at_once(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("dies_at_start", "disk/test_one.py")
    environ = {**vendor.environ, **project.importable, "MOST_DEATHS": "1"}
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", "--durations=0", "-vv", workers, env=environ)
    assert result.status == 0, result.output
    (setup,) = re.findall(r"([\d.]+)s setup", result.output)
    assert float(setup) < 12  # The patience with a gateway that says nothing is fifteen seconds.
    assert "a gateway died and was replaced: it ended with status -9" in result.output
    assert result.usage["run"]["sessions"] == 1
