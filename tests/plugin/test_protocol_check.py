"""dg_check_protocol, and session.check_protocol(): the order of messages as the gateway saw them pass."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.project import Project

SENTENCE = r"session \S+, \S+ after its dial: a second Welcome came \(one-welcome\)"
LINE = "the protocol's order was broken once, in test_order.py::test_out_of_order: a second Welcome came"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "outcome", "told"),
    [
        ("off", "passed", False),
        ("warn", "passed", True),
        ("fail", "failed", True),
    ],
)
def test_what_becomes_of_a_test_whose_session_broke_the_order(
    project: Project, how: str, outcome: str, told: bool
) -> None:
    project.use("protocol")
    result = project.run("--dg-target=emulator", "-o", f"dg_check_protocol={how}", "-rA")
    assert result.outcomes() == {"test_in_order": "passed", "test_out_of_order": outcome}, result.output
    assert bool(re.search(SENTENCE, result.output)) == told
    assert (LINE in result.output) == told
    assert result.status == (1 if how == "fail" else 0)
    if told:
        assert_usage_has_what_each_session_broke(result.usage)


def assert_usage_has_what_each_session_broke(usage: dict[str, Any]) -> None:
    in_order, out_of_order = usage["sessions"]
    (violation,) = out_of_order["protocol"]
    assert in_order["protocol"] == []
    assert violation["at_ms"] >= 0
    assert (violation["rule"], violation["what"]) == ("one-welcome", "a second Welcome came")


@pytest.mark.slow
def test_an_error_alone_fails_nothing(project: Project) -> None:
    project.write(
        "test_it.py",
        "import pytest\nfrom pytest_dgbudget import AgentError, ProtocolViolated\n\n\ndef test_it(voice_agent):\n"
        "    with pytest.raises(Exception), voice_agent.connect() as session:\n"
        "        session.send({'type': 'nonsense'})\n        session.expect('Error')\n"
        "        with pytest.raises(ProtocolViolated, match='no-error'):\n            session.check_protocol()\n"
        "        session.say('x')\n",
    )
    result = project.run("--dg-target=emulator", "-o", "dg_check_protocol=fail")
    assert result.status == 0, result.output
    assert [each["rule"] for each in result.usage["sessions"][0]["protocol"]] == ["no-error"]
