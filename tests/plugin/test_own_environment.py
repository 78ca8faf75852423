"""os.environ in a run that is ours, from before the first conftest is imported until pytest ends."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_dgbudget.credentials import is_token
from tests.support.project import Project
from tests.support.slow import slow

SECRET = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"
OTHER = "0123456789abcdef0123456789abcdef01234567"
OURS = ("DGBUDGET_ACTIVE", "DGBUDGET_AGENT_URL", "DGBUDGET_BASE_URL", "DGBUDGET_TARGET")


class Environments:
    """What a conftest found when it was imported, and what there was when collection had finished."""

    def __init__(self, output: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        self.output = output
        self.before = before
        self.after = after


def _without_pytests_own(variables: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in variables.items() if not name.startswith(("PYTEST_", "PY_COLORS", "COLUMNS"))
    }


class InProcess:
    """Runs pytest in this process, with a conftest that sets variables."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pytester = pytester
        self._monkeypatch = monkeypatch
        Project(pytester.path).use("own_run/conftests")
        pytester.makepyfile("def test_it(): pass")

    def run(
        self,
        *arguments: str,
        given: Mapping[str, str] | None = None,
        by_conftest: Mapping[str, str | None] | None = None,
    ) -> Environments:
        for name, value in (given or {}).items():
            self._monkeypatch.setenv(name, value)
        (self._pytester.path / "set.json").write_text(json.dumps(by_conftest or {}), encoding="utf-8")
        before = _without_pytests_own(os.environ)
        result = self._pytester.runpytest_inprocess(*arguments)
        output = str(result.stdout) + str(result.stderr)
        assert result.ret == 0, output
        expected = {**before, **(by_conftest or {})}
        assert _without_pytests_own(os.environ) == {n: value for n, value in expected.items() if value is not None}
        seen: dict[str, Any] = json.loads((self._pytester.path / "seen.json").read_text(encoding="utf-8"))
        return Environments(output, seen["before"], seen["after"])


@pytest.fixture
def in_process(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    return InProcess(pytester, monkeypatch)


KEY = {"DEEPGRAM_API_KEY": SECRET}


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (["--dg-budget=5m"], {}),
        ([], {"DG_BUDGET": "5m"}),
        (["--dg-target=auto"], {}),
        ([], {"PYTEST_ADDOPTS": "--dg-target=emulator"}),
        (["-o", "dg_budget=5m"], {}),
        (["-o", "dg_target=auto"], {}),
        (["-o", "addopts=--dg-budget=5m"], {}),
    ],
)
def test_a_budget_or_a_target_puts_a_token_in_place_of_the_key(
    in_process: InProcess, arguments: list[str], given: dict[str, str]
) -> None:
    seen = in_process.run(*arguments, given={**KEY, **given})
    assert is_token(seen.before["DEEPGRAM_API_KEY"])
    assert seen.after["DEEPGRAM_API_KEY"] == seen.before["DEEPGRAM_API_KEY"]
    assert SECRET not in [*seen.before.values(), *seen.after.values(), seen.output]
    assert set(OURS) <= seen.after.keys()


@pytest.mark.parametrize("arguments", [[], ["--dg-test-budget=5s"], ["-o", "dg_reconcile=off"]])
def test_in_other_runs_nothing_happens(in_process: InProcess, arguments: list[str]) -> None:
    seen = in_process.run(*arguments, given=KEY)
    assert seen.before["DEEPGRAM_API_KEY"] == SECRET
    assert set(OURS).isdisjoint(seen.after)


def test_every_variable_that_may_hold_the_key_gets_the_token(in_process: InProcess) -> None:
    given = {**KEY, "SECOND_KEY": OTHER, "THE_SAME": SECRET, "SOMETHING_ELSE": "x", "DEEPGRAM_ACCESS_TOKEN": "eyJ.x.y"}
    seen = in_process.run(
        "--dg-budget=5m", "-o", "dg_key_variables=SECOND_KEY, DEEPGRAM_API_KEY, UNSET_KEY", given=given
    )
    token = seen.before["DEEPGRAM_API_KEY"]
    assert is_token(token)
    assert {name: seen.before.get(name) for name in [*given, "UNSET_KEY"]} == {
        "DEEPGRAM_API_KEY": token,
        "SECOND_KEY": token,
        "THE_SAME": token,
        "SOMETHING_ELSE": "x",
        "DEEPGRAM_ACCESS_TOKEN": None,
        "UNSET_KEY": None,
    }


def test_a_key_that_is_to_be_kept_is_left_alone(in_process: InProcess) -> None:
    seen = in_process.run("--dg-budget=5m", "-o", "dg_keep_key=true", given=KEY)
    assert seen.after["DEEPGRAM_API_KEY"] == SECRET
    assert set(OURS) <= seen.after.keys()


@pytest.mark.parametrize("given", [{}, slow({"DEEPGRAM_API_KEY": ""}), {"DEEPGRAM_API_KEY": " "}])
def test_where_no_key_was_set_only_a_target_by_name_puts_a_token(in_process: InProcess, given: dict[str, str]) -> None:
    seen = in_process.run("--dg-target=emulator", given=given)
    assert is_token(seen.before["DEEPGRAM_API_KEY"])
    seen = in_process.run("--dg-budget=5m", given=given)
    assert seen.after.get("DEEPGRAM_API_KEY") == given.get("DEEPGRAM_API_KEY")


def test_a_dummy_in_place_of_a_key_gets_the_token_too(in_process: InProcess) -> None:
    seen = in_process.run("--dg-budget=5m", given={"DEEPGRAM_API_KEY": "test-key"})
    assert is_token(seen.before["DEEPGRAM_API_KEY"])
    assert seen.after["DGBUDGET_TARGET"] == "emulator"


def test_what_happens_to_have_a_dummys_value_is_left_alone(in_process: InProcess) -> None:
    seen = in_process.run("--dg-budget=5m", given={"DEEPGRAM_API_KEY": "1", "SOMETHING_ELSE": "1"})
    assert is_token(seen.before["DEEPGRAM_API_KEY"])
    assert seen.before["SOMETHING_ELSE"] == "1"


# What a conftest sets ----------------------------------------------------------------------------------------------


def test_a_key_of_a_conftests_makes_auto_live_and_gives_way_to_the_token(in_process: InProcess) -> None:
    seen = in_process.run("--dg-budget=5m", by_conftest=KEY)
    assert "DEEPGRAM_API_KEY" not in seen.before
    assert is_token(seen.after["DEEPGRAM_API_KEY"])
    assert seen.after["DGBUDGET_TARGET"] == "live"
    assert "BILLED" in seen.output


def test_another_key_of_a_conftests_takes_the_place_of_the_first(in_process: InProcess) -> None:
    seen = in_process.run("--dg-budget=5m", given=KEY, by_conftest={"DEEPGRAM_API_KEY": OTHER})
    assert is_token(seen.after["DEEPGRAM_API_KEY"])
    assert "BILLED" in seen.output


def test_a_dummy_of_a_conftests_stays_and_turns_auto_to_the_emulator(in_process: InProcess) -> None:
    seen = in_process.run("--dg-budget=5m", given=KEY, by_conftest={"DEEPGRAM_API_KEY": "test-key"})
    assert seen.after["DEEPGRAM_API_KEY"] == "test-key"
    assert seen.after["DGBUDGET_TARGET"] == "emulator"
    assert "DEEPGRAM_API_KEY is a dummy" in seen.output


def test_a_key_that_a_conftest_removes_turns_auto_to_the_emulator(in_process: InProcess) -> None:
    seen = in_process.run("--dg-budget=5m", given=KEY, by_conftest={"DEEPGRAM_API_KEY": None})
    assert "DEEPGRAM_API_KEY" not in seen.after
    assert seen.after["DGBUDGET_TARGET"] == "emulator"


def test_a_live_run_takes_any_key_of_a_conftests(in_process: InProcess) -> None:
    seen = in_process.run("--dg-budget=5m", "--dg-target=live", by_conftest={"DEEPGRAM_API_KEY": "any-key"})
    assert is_token(seen.after["DEEPGRAM_API_KEY"])
    assert "any-key" not in seen.after.values()


def test_a_live_run_keeps_its_key_beside_a_dummy_of_a_conftests(in_process: InProcess) -> None:
    arguments = ("--dg-budget=5m", "--dg-target=live")
    seen = in_process.run(*arguments, given=KEY, by_conftest={"DEEPGRAM_API_KEY": "test-key"})
    assert seen.after["DEEPGRAM_API_KEY"] == "test-key"
    assert "BILLED" in seen.output


# What only shows something -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("argument", ["--collect-only", "--dg-plan", "--setup-plan", "--fixtures"])
def test_what_only_collects_has_a_token_that_nobody_knows_and_addresses_where_nothing_listens(
    in_process: InProcess, argument: str
) -> None:
    seen = in_process.run("--dg-budget=5m", argument, given=KEY)
    assert is_token(seen.after["DEEPGRAM_API_KEY"])
    assert seen.after["DGBUDGET_AGENT_URL"] == "ws://127.0.0.1:9/v1/agent/converse"
    assert seen.after["DGBUDGET_BASE_URL"] == "http://127.0.0.1:9"


def test_nothing_listens_after_the_run(in_process: InProcess) -> None:
    seen = in_process.run("--dg-budget=5m", given=KEY)
    port = int(seen.after["DGBUDGET_BASE_URL"].rpartition(":")[2])
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


# Where a key is under another name --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DEEPGRAM_TEST_API_KEY", "VITE_DEEPGRAM_API_KEY", "DG_KEY"])
def test_a_key_under_another_name_is_named_and_not_shown(in_process: InProcess, name: str) -> None:
    seen = in_process.run("--dg-budget=5m", given={name: SECRET})
    assert f"{name} may be the key: name it in ini dg_key_variables" in seen.output
    assert SECRET not in seen.output


@pytest.mark.parametrize("line", [f"DEEPGRAM_API_KEY={SECRET}", f"  export DG_KEY = '{SECRET}' # ours"])
def test_a_key_in_a_file_is_named_and_not_shown(in_process: InProcess, pytester: pytest.Pytester, line: str) -> None:
    (pytester.path / ".env").write_text(f"OTHER=1\n{line}\n", encoding="utf-8")
    seen = in_process.run("--dg-budget=5m")
    assert " in .env may be the key" in seen.output
    assert SECRET not in seen.output
    result = pytester.runpytest_inprocess("--dg-target=live", "--dg-budget=5m")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*needs a key*in .env may be the key*"])


def test_other_variables_and_files_are_none_of_our_business(in_process: InProcess, pytester: pytest.Pytester) -> None:
    (pytester.path / ".env").write_text(f"SOMETHING={SECRET}\nDEEPGRAM_API_KEY=x\n", encoding="utf-8")
    seen = in_process.run("--dg-budget=5m", given={"OPENAI_API_KEY": SECRET, "DEEPGRAM_URL": "x"})
    assert "may be the key" not in seen.output
