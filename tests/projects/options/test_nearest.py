"""Markers at each level."""

import pytest

from pytest_dgbudget import VoiceAgent

pytestmark = pytest.mark.dg_budget("30s", idle="7s")


def left(voice_agent: VoiceAgent) -> float | None:
    return voice_agent.remaining


def test_module(voice_agent: VoiceAgent) -> None:
    assert left(voice_agent) == 30


@pytest.mark.dg_budget("20s")
class TestClass:
    def test_class(self, voice_agent: VoiceAgent) -> None:
        assert left(voice_agent) == 20

    @pytest.mark.dg_budget("10s")
    def test_nearest(self, voice_agent: VoiceAgent) -> None:
        assert left(voice_agent) == 10

    @pytest.mark.dg_budget(time=12.5)
    def test_by_name(self, voice_agent: VoiceAgent) -> None:
        assert left(voice_agent) == 12.5

    @pytest.mark.dg_budget(idle="1s")
    def test_merged(self, voice_agent: VoiceAgent) -> None:
        assert left(voice_agent) == 20

    @pytest.mark.dg_budget("off")
    def test_off(self, voice_agent: VoiceAgent) -> None:
        assert left(voice_agent) == 300


@pytest.mark.dg_budget("20s")
@pytest.mark.parametrize("longer", [pytest.param(True, marks=pytest.mark.dg_budget("40s"), id="longer")])
def test_parameter(voice_agent: VoiceAgent, longer: bool) -> None:
    assert left(voice_agent) == 40


def test_merging(request: pytest.FixtureRequest) -> None:
    from pytest_dgbudget.plugin.markers import own_budget
    from pytest_dgbudget.plugin.state import STATE

    settings = request.config.stash[STATE].run_config
    got = {item.name: own_budget(item, settings) for item in request.session.items}
    assert {name: (budget.budget_ms, budget.idle_ms) for name, budget in got.items()} == {
        "test_module": (30_000, 7000),
        "test_class": (20_000, 7000),
        "test_nearest": (10_000, 7000),
        "test_by_name": (12_500, 7000),
        "test_merged": (20_000, 1000),
        "test_off": (None, 7000),
        "test_parameter[longer]": (40_000, 7000),
        "test_merging": (30_000, 7000),
    }
