"""Tests with bad markers, and a good one."""

import pytest

from pytest_dgbudget import VoiceAgent

bad = {
    "unknown": pytest.mark.dg_budget("30s", tomorrow="1s"),
    "no_time": pytest.mark.dg_budget("ten seconds"),
    "negative": pytest.mark.dg_budget(-1),
    "nan": pytest.mark.dg_budget(float("nan")),
    "boolean": pytest.mark.dg_budget(True),
    "none": pytest.mark.dg_budget(None),
    "two": pytest.mark.dg_budget("30s", "20s"),
    "two_names": pytest.mark.dg_budget("30s", time="20s"),
    "bad_idle": pytest.mark.dg_budget(idle="never"),
    "empty": pytest.mark.dg_budget,
    "far_empty": pytest.mark.dg_budget(),
    "dollars_as_time": pytest.mark.dg_budget("$0.50"),
    "time_as_cost": pytest.mark.dg_budget(cost="30s"),
    "negative_cost": pytest.mark.dg_budget(cost=-0.05),
    "nan_cost": pytest.mark.dg_budget(cost=float("nan")),
    "no_cost": pytest.mark.dg_budget(cost=None),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=mark, id=name) for name, mark in bad.items()])
def test_bad(voice_agent: VoiceAgent, name: str) -> None:
    raise AssertionError("its body ran")


@pytest.mark.dg_budget("nonsense")
def test_bad_without_the_fixture() -> None:
    raise AssertionError("its body ran")


def test_good(voice_agent: VoiceAgent) -> None:
    assert voice_agent.remaining == 60
