"""What a run adds to NODE_OPTIONS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_dgbudget.redirect.node_options import PRELOAD, with_preload
from tests.support.variables import clean_environment


def test_the_preload_is_a_file_of_the_package() -> None:
    assert PRELOAD.is_file()
    assert with_preload(None) == f'--require "{PRELOAD}"'


@pytest.mark.parametrize("given", [None, "", "  "])
def test_without_options_of_the_users_it_is_alone(given: str | None) -> None:
    assert with_preload(given, Path("/a/preload.cjs")) == '--require "/a/preload.cjs"'


def test_the_users_options_are_kept() -> None:
    added = with_preload("--max-old-space-size=512 --require ./own.cjs", Path("/a/preload.cjs"))
    assert added == '--require "/a/preload.cjs" --max-old-space-size=512 --require ./own.cjs'


def test_it_is_added_once() -> None:
    once = with_preload("--trace-warnings")
    assert with_preload(once) == once


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
@pytest.mark.parametrize("folder", ["a b", 'quo"ted', "back\\slash", "it's"])
def test_node_finds_a_preload_in_any_folder(tmp_path: Path, folder: str) -> None:
    preload = tmp_path / folder / "preload.cjs"
    preload.parent.mkdir()
    preload.write_text('process.stdout.write("loaded");', encoding="utf-8")
    environment = clean_environment({"NODE_OPTIONS": with_preload("--trace-warnings", preload)})
    assert subprocess.check_output(["node", "-e", "0"], env=environment, text=True) == "loaded"
