"""``voice_agent.emulator.journal()``: an application's behaviour can be asserted, each test's its own."""

from __future__ import annotations

import pytest

from tests.support.project import Project
from tests.support.vendor import Vendor

TESTS = """
import pytest

SILENT = {"type": "Settings", "audio": {}, "agent": {}}

@pytest.mark.parametrize("n", range(4))
def test_journal(voice_agent, n):
    with voice_agent.connect(SILENT) as session:
        session.say(f"number {n}")
        records = voice_agent.emulator.journal()
    said = [record["payload"]["content"] for record in records if record["payload"]["type"] == "InjectUserMessage"]
    assert said == [f"number {n}"]
    assert {record["request_id"] for record in records} == {session.request_id}
    assert ("client_to_server", "Settings") in [(each["direction"], each["payload"]["type"]) for each in records]

def test_refusals(voice_agent):
    voice_agent.emulator.fault("refuse", status=429)
    with pytest.raises(ConnectionError):
        voice_agent.connect(SILENT).__enter__()
    (record,) = voice_agent.emulator.journal()
    assert record["payload"] == {"type": "(refused)", "status": 429, "code": "EMULATED_REFUSAL"}
"""


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["alone", "in parallel"])
def test_each_test_fetches_what_its_own_sessions_did(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("test_it.py", TESTS)
    ended = project.run(*arguments)
    assert ended.status == 0, ended.output


def test_a_live_target_has_no_journal(project: Project) -> None:
    project.write("test_it.py", "def test_it(voice_agent):\n    voice_agent.emulator.journal()\n")
    with Vendor() as vendor:
        ended = project.run("--dg-target=live", "--dg-budget=10s", env=vendor.environ)
    assert "this run's target is live, where nothing is emulated" in ended.output
