"""An overrun can't be swallowed, and is told where it belongs: what a budget's cut or refusal makes of a test."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.scripted_vendor import ScriptedVendor

HEAD = """
import asyncio, json, os, time
import pytest
import websockets
from websockets.asyncio.client import connect
from pytest_dgbudget import BudgetExceeded, BudgetExhausted, SessionClosed

def wait_for_the_cut(session):
    with pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)

short = pytest.mark.dg_budget("1s")
none = pytest.mark.dg_budget(0)
"""


@pytest.fixture
def scripted() -> Iterator[ScriptedVendor]:
    with ScriptedVendor() as scripted:
        yield scripted


def run(project: Project, source: str, *arguments: str, scripted: ScriptedVendor) -> Result:
    project.write("test_it.py", HEAD + source)
    return project.run("--dg-budget=5m", "--junitxml=junit.xml", "-rA", *arguments, env=scripted.environ)


def reports(result: Result) -> dict[str, list[str]]:
    """Return what JUnit has for each test: tags of failures, errors and skips, with their messages."""
    cases: dict[str, list[str]] = {}
    for case in ElementTree.parse(result.path / "junit.xml").iter("testcase"):
        told = [f"{child.tag}: {child.attrib.get('message', '')}" for child in case if child.tag != "system-out"]
        told = [text for text in told if not text.startswith("properties")]
        cases[case.attrib["name"]] = cases.get(case.attrib["name"], []) + told
    return cases


def tags(result: Result) -> dict[str, list[str]]:
    return {name: [text.partition(":")[0] for text in texts] for name, texts in reports(result).items()}


# Cut in mid-session -------------------------------------------------------------------------------------------------

CUT = """
@short
def test_raises(voice_agent):
    with voice_agent.connect() as session:
        session.expect("Never", timeout=10)

@short
def test_catches(voice_agent):
    with voice_agent.connect() as session:
        wait_for_the_cut(session)

@short
def test_never_looks(voice_agent):
    with voice_agent.connect():
        time.sleep(1.3)

@short
def test_skips(voice_agent):
    with voice_agent.connect() as session:
        wait_for_the_cut(session)
    pytest.skip("no thanks")

@short
def test_xfails(voice_agent):
    with voice_agent.connect() as session:
        wait_for_the_cut(session)
    pytest.xfail("no thanks")

@short
@pytest.mark.asyncio
async def test_catches_async(voice_agent):
    async with voice_agent.connect() as session:
        with pytest.raises(BudgetExceeded):
            await session.expect("Never", timeout=10)

@short
@pytest.mark.asyncio
async def test_raw_client(voice_agent):
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    async with connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None) as raw:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await raw.recv()
    assert closed.value.rcvd.code == 4402
    assert "--dg-test-budget" in closed.value.rcvd.reason
"""


def test_i8_a_cut_fails_its_test_in_the_call_phase_whatever_the_test_does(
    project: Project, scripted: ScriptedVendor
) -> None:
    result = run(project, CUT, "-n4", scripted=scripted)
    assert result.status == 1, result.output
    told = reports(result)
    assert len(told) == 7
    for name, texts in told.items():
        assert [text.partition(":")[0] for text in texts] == ["failure"], (name, texts)
        assert "BudgetExceeded" in texts[0], (name, texts)
        assert "test budget of 1s used up" in texts[0], (name, texts)
    assert set(result.outcomes().values()) == {"failed"}
    assert {session["closed_by"] for session in result.usage["sessions"]} == {"test-budget"}
    assert (result.usage["run"]["verdict"], result.usage["run"]["failing"]) == ("overrun", True)


XFAIL = """
@short
@pytest.mark.xfail(strict=True)
def test_strict(voice_agent):
    with voice_agent.connect() as session:
        wait_for_the_cut(session)

@short
@pytest.mark.xfail
def test_loose(voice_agent):
    with voice_agent.connect() as session:
        wait_for_the_cut(session)
"""


def test_a_cut_of_a_test_that_is_expected_to_fail_is_xfailed_and_fails_no_run(
    project: Project, scripted: ScriptedVendor
) -> None:
    result = run(project, XFAIL, "-n2", scripted=scripted)
    assert result.status == 0, result.output
    assert result.outcomes() == {"test_strict": "xfailed", "test_loose": "xfailed"}
    assert "2 xfailed" in result.output
    assert (result.usage["run"]["verdict"], result.usage["run"]["failing"]) == ("overrun", False)


def test_reruns_see_a_cut_as_an_ordinary_failure(project: Project, scripted: ScriptedVendor) -> None:
    source = """
@pytest.mark.dg_budget("3s")
def test_it(voice_agent):
    if os.path.exists("ran"):
        return
    open("ran", "w").close()
    with voice_agent.connect() as session:
        time.sleep(1.9)
    with voice_agent.connect() as session:
        wait_for_the_cut(session)
"""
    result = run(project, source, "--reruns=1", scripted=scripted)
    assert result.status == 0, result.output
    assert [(test["attempt"], test["outcome"], test["verdict"]) for test in result.usage["tests"]] == [
        (1, "rerun", "overrun"),
        (2, "passed", "within"),
    ]
    assert "1 passed, 1 rerun" in result.output
    assert not result.usage["run"]["failing"]


OWN_ERROR = """
@short
def test_it(voice_agent):
    with voice_agent.connect() as session:
        wait_for_the_cut(session)
    assert "own" == "error"
"""


def test_a_test_that_failed_already_keeps_its_error_and_gains_a_section(
    project: Project, scripted: ScriptedVendor
) -> None:
    result = run(project, OWN_ERROR, scripted=scripted)
    assert result.status == 1, result.output
    (texts,) = reports(result).values()
    assert len(texts) == 1, texts
    assert texts[0].startswith("failure: AssertionError"), texts
    assert "- Captured dgbudget call -" in result.output or "- dgbudget -" in result.output.split("FAILURES")[1]
    assert "test budget of 1s used up" in result.output.split("FAILURES")[1].split("short test summary")[0]


OTHERS_SETUP = """
@pytest.fixture
def swallows(voice_agent):
    with voice_agent.connect() as session:
        wait_for_the_cut(session)

@pytest.fixture
def breaks(swallows):
    raise LookupError("own error")

@short
def test_it(breaks):
    pass
"""


def test_a_setup_that_failed_for_its_own_reason_keeps_its_error_and_makes_no_other(
    project: Project, scripted: ScriptedVendor
) -> None:
    result = run(project, OTHERS_SETUP, scripted=scripted)
    assert result.status == 1, result.output
    assert tags(result) == {"test_it": ["error"]}, reports(result)
    assert "own error" in result.output
    assert "test budget of 1s used up" in result.output


TEARDOWN = """
@pytest.fixture
def cut_in_teardown(voice_agent):
    yield
    with voice_agent.connect() as session:
        wait_for_the_cut(session)

@pytest.fixture
def refused_in_teardown(voice_agent):
    yield
    with pytest.raises(BudgetExhausted):
        with voice_agent.connect():
            pass

@short
def test_cut(cut_in_teardown):
    pass

@none
def test_refused(refused_in_teardown):
    pass
"""


def test_an_overrun_during_teardown_is_a_teardown_error(project: Project, scripted: ScriptedVendor) -> None:
    result = run(project, TEARDOWN, scripted=scripted)
    assert result.status == 1, result.output
    assert tags(result) == {"test_cut": ["error"], "test_refused": ["error"]}, reports(result)
    assert all("teardown" in text for texts in reports(result).values() for text in texts)
    assert set(result.outcomes().values()) == {"error"}
    assert "2 passed, 2 errors" in result.output
    assert result.usage["run"]["failing"]


def test_an_overrun_that_the_test_was_failed_for_is_not_told_again_in_teardown(
    project: Project, scripted: ScriptedVendor
) -> None:
    result = run(project, CUT.split("@short")[1].join(["@short", ""]), scripted=scripted)
    assert tags(result) == {"test_raises": ["failure"]}, reports(result)


# Refused before opening ---------------------------------------------------------------------------------------------

REFUSED = """
def raw_status(error):
    return error.value.response.status_code, json.loads(error.value.response.body)["err_code"]

@none
def test_raises(voice_agent):
    with voice_agent.connect():
        pass

@none
def test_catches(voice_agent):
    with pytest.raises(BudgetExhausted) as caught:
        with voice_agent.connect():
            pass
    assert (caught.value.budget, caught.value.used_seconds, caught.value.allowed_seconds) == ("test", 0, 0)

@none
@pytest.mark.asyncio
async def test_async(voice_agent):
    with pytest.raises(BudgetExhausted):
        await voice_agent.connect()

@pytest.mark.dg_budget("1500ms")
def test_spent(voice_agent):
    with voice_agent.connect():
        time.sleep(0.8)
    with pytest.raises(BudgetExhausted) as caught:
        with voice_agent.connect():
            pass
    assert 0.8 <= caught.value.used_seconds < 1.5 == caught.value.allowed_seconds

@none
@pytest.mark.asyncio
async def test_raw_client(voice_agent):
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    with pytest.raises(websockets.InvalidStatus) as error:
        await connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None)
    assert raw_status(error) == (402, "DGBUDGET_EXHAUSTED")
"""


def test_a_refusal_comes_before_opening_and_fails_its_test_in_the_call_phase(
    project: Project, scripted: ScriptedVendor
) -> None:
    result = run(project, REFUSED, scripted=scripted)
    assert result.status == 1, result.output
    for name, texts in reports(result).items():
        assert [text.partition(":")[0] for text in texts] == ["failure"], (name, texts)
        assert "BudgetExhausted" in texts[0], (name, texts)
    assert len(scripted.connections) == 1, "only the session that spent the budget"
    assert {test["refused"] for test in result.usage["tests"]} == {1}
    assert result.usage["run"]["failing"]


def test_a_run_budget_of_zero_refuses_every_session(project: Project, scripted: ScriptedVendor) -> None:
    project.write("test_it.py", HEAD + "def test_it(voice_agent):\n    with voice_agent.connect(): pass\n")
    result = project.run("--dg-budget=0", env=scripted.environ)
    assert result.status == 1, result.output
    assert "BudgetExhausted: run budget of 0s " in result.output
    assert scripted.connections == []


def test_a_refusal_in_a_setup_fixture_is_one_error(project: Project, scripted: ScriptedVendor) -> None:
    source = """
@pytest.fixture
def session(voice_agent):
    with voice_agent.connect() as session:
        yield session

@none
def test_it(session):
    pass
"""
    result = run(project, source, scripted=scripted)
    assert result.status == 1, result.output
    assert tags(result) == {"test_it": ["error"]}, reports(result)


# --dg-on-exhausted=skip ---------------------------------------------------------------------------------------------

TOLERATED = """
@pytest.fixture
def session(voice_agent):
    with voice_agent.connect() as session:
        yield session

def test_raises(voice_agent):
    with voice_agent.connect():
        pass

def test_in_setup(session):
    pass

def test_swallows(voice_agent):
    with pytest.raises(BudgetExhausted):
        voice_agent.connect().__enter__()

def test_raises_something_else(voice_agent):
    with pytest.raises(BudgetExhausted):
        voice_agent.connect().__enter__()
    raise LookupError

def test_fails_by_itself(voice_agent):
    try:
        voice_agent.connect().__enter__()
    except BudgetExhausted:
        pytest.fail("no session")

def test_xfails(voice_agent):
    try:
        voice_agent.connect().__enter__()
    except BudgetExhausted:
        pytest.xfail("no session")

@pytest.mark.xfail(strict=True)
def test_is_expected_to_fail(voice_agent):
    with voice_agent.connect():
        pass

@pytest.mark.asyncio
async def test_async(voice_agent):
    async with voice_agent.connect():
        pass

@pytest.mark.asyncio
async def test_raw_client(voice_agent):
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    await connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None)

def test_without_a_session():
    pass
"""


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_under_skip_whatever_a_refused_test_raises_it_is_skipped_with_the_reason(
    project: Project, scripted: ScriptedVendor, workers: str
) -> None:
    project.write("test_it.py", HEAD + TOLERATED)
    arguments = ("--dg-budget=0", "--dg-on-exhausted=skip", "--junitxml=junit.xml", "-rs")
    result = project.run(*arguments, workers, env=scripted.environ)
    assert result.status == 0, result.output
    told = reports(result)
    assert told.pop("test_without_a_session") == []
    for name, texts in told.items():
        assert len(texts) == 1, (name, texts)
        assert texts[0].startswith("skipped: run budget of 0s "), (name, texts)
    assert set(result.outcomes().values()) == {"skipped"}
    assert (result.usage["run"]["verdict"], result.usage["run"]["failing"]) == ("overrun", False)
    assert scripted.connections == []


def test_under_skip_a_cut_and_a_spent_test_budget_still_fail(project: Project, scripted: ScriptedVendor) -> None:
    source = """
def test_cut_by_the_run(voice_agent):
    with voice_agent.connect() as session:
        session.expect("Never", timeout=10)

def test_refused_by_the_run(voice_agent):
    with voice_agent.connect():
        pass

@none
def test_refused_by_itself(voice_agent):
    with voice_agent.connect():
        pass
"""
    project.write("test_it.py", HEAD + source)
    result = project.run("--dg-budget=1s", "--dg-on-exhausted=skip", env=scripted.environ)
    assert result.status == 1, result.output
    assert result.outcomes() == {
        "test_cut_by_the_run": "failed",
        "test_refused_by_the_run": "skipped",
        "test_refused_by_itself": "failed",
    }
    assert [session["closed_by"] for session in result.usage["sessions"]] == ["run-budget"]
    assert result.usage["run"]["failing"]


def test_under_skip_the_exit_status_says_what_failing_says_of_a_refusal_in_teardown(
    project: Project, scripted: ScriptedVendor
) -> None:
    source = """
@pytest.fixture
def refused_in_teardown(voice_agent):
    yield
    with pytest.raises(BudgetExhausted):
        voice_agent.connect().__enter__()

def test_it(refused_in_teardown):
    pass
"""
    project.write("test_it.py", HEAD + source)
    result = project.run("--dg-budget=0", "--dg-on-exhausted=skip", env=scripted.environ)
    assert result.usage["run"]["failing"] is (result.status != 0), result.output


# Idle ---------------------------------------------------------------------------------------------------------------


def test_an_idle_close_is_no_overrun_and_keep_alives_do_not_count(project: Project, scripted: ScriptedVendor) -> None:
    source = """
@pytest.mark.dg_budget(idle="600ms")
def test_forgotten(voice_agent):
    with voice_agent.connect() as session:
        with pytest.raises(SessionClosed) as caught:
            for _ in range(200):
                session.send({"type": "KeepAlive"})
                time.sleep(0.05)
        assert (caught.value.code, caught.value.closed_by) == (4408, "idle")
        assert session.usage.seconds < 5

@pytest.mark.dg_budget(idle="off")
def test_never(voice_agent):
    with voice_agent.connect() as session:
        time.sleep(0.8)
        session.say("one")

@pytest.mark.dg_budget(idle="600ms")
def test_moving(voice_agent):
    with voice_agent.connect() as session:
        for _ in range(12):
            time.sleep(0.1)
            session.send(bytes(960))
        session.say("one")

@pytest.mark.dg_budget(idle="600ms")
def test_function(voice_agent):
    headers = {"x-deepgram-scene": "calls"}
    with voice_agent.connect(headers=headers) as session:
        @session.on_function("lookup")
        def lookup():
            time.sleep(1.2)
            return "slow"
        assert session.say("lookup {}").reply == "the answer is slow"
        with pytest.raises(SessionClosed):
            session.expect("Never", timeout=5)
"""
    result = run(project, source, "-n4", "--dg-idle-timeout=500ms", scripted=scripted)
    assert result.status == 0, result.output
    assert result.usage["run"]["verdict"] == "within"
    assert {session["nodeid"].rpartition("::")[2]: session["closed_by"] for session in result.usage["sessions"]} == {
        "test_forgotten": "idle",
        "test_never": "client",
        "test_moving": "client",
        "test_function": "idle",
    }
    assert {seen.close_code for seen in scripted.wait_closed(4)} == {1000}


# Exit status --------------------------------------------------------------------------------------------------------

REFUSED_ONLY = "@none\ndef test_refused(voice_agent):\n    with voice_agent.connect(): pass\n"
FAILS = "def test_fails(voice_agent):\n    assert False\n"
BREAKS = "@pytest.fixture\ndef broken():\n    raise LookupError\ndef test_broken(broken): pass\n"


@pytest.mark.parametrize(
    ("source", "status", "workers"),
    [
        (REFUSED_ONLY, 77, "-n0"),
        (REFUSED_ONLY, 77, "-n2"),
        (REFUSED_ONLY + FAILS, 1, "-n0"),
        (REFUSED_ONLY + FAILS, 1, "-n2"),
        (REFUSED_ONLY + BREAKS, 1, "-n0"),
        (FAILS, 1, "-n0"),
    ],
    ids=["alone", "alone n2", "with a failure", "with a failure n2", "with an error", "no overrun"],
)
def test_the_overrun_exit_code_is_for_runs_in_which_nothing_else_failed(
    project: Project, scripted: ScriptedVendor, source: str, status: int, workers: str
) -> None:
    result = run(project, source, workers, "-o", "dg_overrun_exit_code=77", scripted=scripted)
    assert result.status == status, result.output


def test_the_overrun_exit_code_counts_a_teardown_overrun_as_one(project: Project, scripted: ScriptedVendor) -> None:
    result = run(project, TEARDOWN, "-o", "dg_overrun_exit_code=77", scripted=scripted)
    assert result.status == 77, result.output


SHARED = ("-o", "dg_overrun_exit_code=77", "--dg-run-id=shared")


def test_the_overrun_exit_code_holds_for_a_later_invocation_of_the_run(
    project: Project, scripted: ScriptedVendor
) -> None:
    for _ in range(2):
        result = run(project, REFUSED_ONLY, *SHARED, scripted=scripted)
        assert result.status == 77, result.output


def test_an_overrun_of_an_earlier_invocation_does_not_make_an_ordinary_failure_an_overrun(
    project: Project, scripted: ScriptedVendor
) -> None:
    assert run(project, REFUSED_ONLY, *SHARED, scripted=scripted).status == 77
    result = run(project, "def test_fails(voice_agent):\n    assert False\n", *SHARED, scripted=scripted)
    assert result.status == 1, result.output


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="subtests came with pytest 9")
def test_a_failed_subtest_is_a_failed_test(project: Project) -> None:
    project.write(
        "test_it.py",
        """
def test_parts(voice_agent, subtests):
    with subtests.test("one"):
        assert False
    with subtests.test("two"):
        pass
""",
    )
    result = project.run()
    assert result.outcomes() == {"test_parts": "failed"}, result.output
