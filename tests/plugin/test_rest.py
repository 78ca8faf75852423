"""REST through the gateway, as a project has it."""

from __future__ import annotations

import pytest

from tests.support.http_vendor import HttpVendor, VendorHandler
from tests.support.project import Project
from tests.support.slow import slow
from tests.support.vendor import KEY, Vendor

HEADER = "dgbudget: what is not metered passes on to Deepgram with the real key (dg_pass_other)"


@pytest.mark.parametrize("workers", ["-n0", slow("-n2")])
def test_what_is_not_metered_passes_with_the_real_key_and_the_run_says_so_twice(project: Project, workers: str) -> None:
    def speaks(request: VendorHandler) -> None:
        assert request.body() == b'{"text": "hello"}'
        request.answer(body=b"spoken")

    project.use("rest/test_rest.py")
    with HttpVendor(speaks) as vendor:
        environ = {"DEEPGRAM_API_KEY": KEY, "PASSES": "yes"}
        arguments = ("--dg-target=emulator", f"--dg-api-url={vendor.url}", "--dg-reconcile=off")
        result = project.run(workers, *arguments, "-o", "dg_pass_other=true", env=environ)
    assert result.status == 0, result.output
    assert HEADER in result.output.splitlines()
    assert f"passed 1 request to {vendor.host} unmetered (dg_pass_other)" in result.output.splitlines()
    assert [(asked.path, asked.headers["authorization"]) for asked in vendor.asked] == [
        ("/v1/speak?model=aura-2", f"Token {KEY}")
    ]
    assert KEY not in result.output


@pytest.mark.slow
def test_without_dg_pass_other_the_report_names_it(project: Project) -> None:
    project.use("rest/test_rest.py")
    environ = {"DEEPGRAM_API_KEY": KEY}
    result = project.run("--dg-target=emulator", "--dg-reconcile=off", env=environ)
    assert (result.status, "2 passed" in result.output, "1 failed" in result.output) == (1, True, True), result.output
    assert HEADER not in result.output
    assert "a client was refused: 501 DGBUDGET_NOT_METERED: " in result.output
    assert "dg_pass_other = true in the ini file passes it to Deepgram unmetered" in result.output


@pytest.mark.slow
def test_a_socket_that_is_left_open_ends_orderly_with_the_run(project: Project) -> None:
    project.use("rest/test_listens.py")
    with Vendor() as vendor:
        host = vendor.url.split("/")[2]
        arguments = ("--dg-target=live", "--dg-budget=1m", "--dg-reconcile=off", "-o", "dg_pass_other=true")
        result = project.run(*arguments, env={**vendor.environ, "HOST": host})
        (seen,) = vendor.wait_closed(1)
    assert result.status == 0, result.output
    assert f"passed 1 socket to {host} unmetered (dg_pass_other)" in result.output
    assert (seen.path, seen.close_code) == ("/v1/listen", 1000)
    assert result.usage["run"]["used_seconds"] == 0
