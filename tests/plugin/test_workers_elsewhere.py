"""xdist's workers that inherit nothing of their controller's: on its machine they use its gateway, elsewhere none.

test_two_machines.py has those that are given what they need elsewhere.
"""

from __future__ import annotations

import sys

import pytest

from tests.support.own_network import own_network
from tests.support.project import Project, Result
from tests.support.vendor import KEY, Vendor

OPTIONS = ("--dg-budget=5m", "--dg-reconcile=off", "--dist=load", "-p", "no:rerunfailures", "-W", "ignore")

pytestmark = pytest.mark.slow


def run(project: Project, vendor: Vendor, interpreter: str, *options: str) -> Result:
    project.use("worker_elsewhere")
    script = project.write("python.sh", f'#!/bin/sh\nexec env -i PATH="$PATH" HOME="$HOME" {interpreter} "$@"\n')
    script.chmod(0o700)
    return project.run(*OPTIONS, f"--tx=popen//python={script}", *options, env=vendor.environ)


@pytest.mark.parametrize("ini", ["", "[pytest]\ndg_budget = 10m\n"])
def test_a_worker_on_another_machine_opens_nothing_where_the_ledger_is_a_file(
    project: Project, vendor: Vendor, ini: str
) -> None:
    project.write("pytest.ini", ini or "[pytest]\n")
    says = "ledger.is.a.file.there"
    variables = f"ELSEWHERE={says} BACKWARDS={KEY[::-1]} DEEPGRAM_API_KEY={KEY} DG_AGENT_URL={vendor.url}"
    result = run(project, vendor, f"{variables} {' '.join(own_network())} {sys.executable}")
    assert result.status == 0, result.output
    assert vendor.connections == []
    assert result.usage["run"]["sessions"] == 0


def test_a_worker_that_inherits_no_variables_takes_part_in_the_run(project: Project, vendor: Vendor) -> None:
    result = run(project, vendor, f"BACKWARDS={KEY[::-1]} DEEPGRAM_API_KEY={KEY} {sys.executable}")
    assert result.status == 0, result.output
    assert sorted(session["nodeid"].partition("::")[2] for session in result.usage["sessions"]) == [
        "test_the_code_under_test_has_no_key",
        "test_the_fixture_says_what_it_needs",
    ]
    assert len(vendor.wait_closed(2)) == 2
