"""Both faces of a session keep the same rules: in sync tests, in every loop scope of asyncio, and under trio."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.projects.conversation.rules import REAL_TIME_RULES, RULES, a_turn_has_both_parts_their_sound_and_the_latency
from tests.support.project import PROJECTS
from tests.support.rules_project import RulesProject, made_once

FILES = [f"conversation/{name}" for name in ("agent.toml", "test_faces.py", "test_real_time.py")]
FACES = ["test_sync", "test_function_loop", "test_trio"]
OTHER_LOOPS = [f"test_{scope}_loop" for scope in ("class", "module", "package", "session")]
SYNC_IN_REAL_TIME = "test_real_time.py and test_sync"
SLOW = f"{' or '.join(OTHER_LOOPS)} or ({SYNC_IN_REAL_TIME})"


def _made_once(factory: pytest.TempPathFactory, name: str, chosen: str) -> RulesProject:
    def run(path: Path) -> RulesProject:
        env = {"PYTHONPATH": str(PROJECTS.parent.parent)}
        return RulesProject(path, FILES, "-n3", "--dg-target=emulator", "-k", chosen, env=env)

    return made_once(factory, name, run)


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RulesProject:
    return _made_once(tmp_path_factory, "conversation", f"not ({SLOW})")


@pytest.fixture(scope="module")
def slow_rules(tmp_path_factory: pytest.TempPathFactory) -> RulesProject:
    return _made_once(tmp_path_factory, "slow_conversation", SLOW)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("rule", [rule.__name__ for rule in RULES])
def test_rule(rules: RulesProject, rule: str, face: str) -> None:
    rules.check(f"{face}[{rule}]")


@pytest.mark.slow
@pytest.mark.parametrize("face", OTHER_LOOPS)
@pytest.mark.parametrize("rule", [rule.__name__ for rule in RULES])
def test_rule_in_other_loops(slow_rules: RulesProject, rule: str, face: str) -> None:
    slow_rules.check(f"{face}[{rule}]")


@pytest.mark.parametrize("rule", [rule.__name__ for rule in REAL_TIME_RULES])
def test_rule_in_real_time(rules: RulesProject, rule: str) -> None:
    rules.check(f"test_trio[{rule}]")


@pytest.mark.slow
@pytest.mark.parametrize("rule", [rule.__name__ for rule in REAL_TIME_RULES])
def test_rule_in_real_time_in_sync_tests(slow_rules: RulesProject, rule: str) -> None:
    slow_rules.check(f"test_sync[{rule}]")


def test_what_the_emulator_reports_of_its_latency_stands_beside_ours_by_its_target(rules: RulesProject) -> None:
    (session,) = rules.sessions(f"test_sync[{a_turn_has_both_parts_their_sound_and_the_latency.__name__}]")
    assert (session["target"], session["billed"], session["turns"]) == ("emulator", False, 1)
    assert session["vendor_latency"]["reports"] == 1
    assert session["vendor_latency"]["p95_ms"] is not None


def test_a_cancelled_call_is_not_answered_under_asyncio_either(rules: RulesProject) -> None:
    rules.check("test_cancelled_call_under_asyncio")


def test_every_face_is_one_of_the_project() -> None:
    source = (PROJECTS / "conversation/test_faces.py").read_text(encoding="utf-8")
    assert sorted(re.findall(r"def (test_\w+)", source)) == sorted([*FACES, *OTHER_LOOPS])
