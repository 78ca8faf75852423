"""``dgbudget cassettes list`` and ``prune``: what is kept, what a replay saves, and what no test uses any more."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cassette.store import folder_of_test, read_facts, write_cassettes
from pytest_dgbudget.cassette.writing import RECORDING_FILE
from pytest_dgbudget.cli import main
from pytest_dgbudget.cli.cassettes_list import Listing
from pytest_dgbudget.cli.cassettes_prune import Pruned, pruned_lines
from pytest_dgbudget.cli.kept_cassettes import KeptCassette, KeptCassettes
from pytest_dgbudget.config.resolve import resolve
from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.recording.lines import LINES_FILE
from tests.support.cassettes import cassette
from tests.support.hostile import TEXTS
from tests.support.project import PROJECTS

STATUS = "tests/test_orders.py::test_status"
# Left out by -m in addopts, and where pytest does not look by itself.
REFUND = "tests/test_orders.py::test_refund[a]"
NIGHTLY = "nightly/test_all.py::test_all"
GONE = "tests/test_orders.py::test_that_was_renamed"


class Kept:
    """A project in the current folder, with cassettes."""

    def __init__(self, root: Path, spool: Path) -> None:
        self.root = root
        self._made = cassette(spool)

    def keep(self, nodeid: str, sessions: int = 1, *, days: int = 1, cassette_dir: Path | None = None) -> list[Path]:
        """Give a test cassettes that were recorded so many days ago, of 3 s at the standard tier."""
        of_test = folder_of_test(cassette_dir, self.root / nodeid.partition("::")[0], nodeid)
        folders = write_cassettes(of_test, [self._made] * sessions)
        for folder in folders:
            path = folder / RECORDING_FILE
            text = path.read_text(encoding="utf-8")
            recorded_at = datetime.now(timezone.utc) - timedelta(days=days, hours=1)
            before = json.loads(text)["recorded_at"]
            path.write_text(text.replace(before, write_instant(recorded_at)), encoding="utf-8")
        return folders


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    return project(tmp_path, monkeypatch)


def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    root = tmp_path / "project"
    for folder in ("kept_cassettes", "kept_cassettes/tests", "kept_cassettes/nightly"):
        shutil.copytree(PROJECTS / folder, root / Path(*Path(folder).parts[1:]), dirs_exist_ok=True)
    monkeypatch.chdir(root)
    return Kept(root, tmp_path / "spool")


@pytest.fixture
def broken(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose tests can't be collected, and an orphan of it."""
    monkeypatch.setenv("BREAK_COLLECTION", "1")
    return kept.keep(GONE)[0]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What is listed, as JSON, of a project with all kinds of cassettes."""
    with pytest.MonkeyPatch.context() as patched:
        kept = project(tmp_path_factory.mktemp("listed"), patched)
        kept.keep(STATUS, 11, days=3)
        kept.keep(REFUND, days=100)
        (kept.keep(NIGHTLY)[0] / RECORDING_FILE).write_text("{}", encoding="utf-8")
        kept.keep(GONE)
        theirs = kept.root / "tests/cassettes/test_http.yaml"
        theirs.write_text("interactions: []", encoding="utf-8")
        (kept.root / "dgbudget.toml").write_text("[prices]\nas_of = 2026-11-01\nstandard = 0.10\n", encoding="utf-8")
        yield document_of()


def document_of(*options: str) -> dict[str, Any]:
    with redirect_stdout(StringIO()) as out:
        assert main(["cassettes", "list", "--json", *options]) == 0
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


def of_test(document: dict[str, Any], nodeid: str | None) -> list[dict[str, Any]]:
    return [each for each in document["cassettes"] if each["test"] == nodeid]


# list -----------------------------------------------------------------------------------------------------------------


def test_each_cassette_is_listed_with_its_test_its_age_its_size_and_what_a_replay_saves(listed: dict[str, Any]) -> None:
    assert (listed["schema"], listed["tests_known"]) == ("dgbudget.cassettes/1", True)
    found = of_test(listed, STATUS)
    assert [each["cassette"].rpartition("/")[2] for each in found] == [str(number) for number in range(1, 12)]
    for each in found:
        assert each["cassette"].startswith("tests/cassettes/")
        assert (each["orphan"], each["too_old"], each["problem"]) == (False, False, None)
        assert each["age_seconds"] == pytest.approx((3 * 24 + 1) * 3600, abs=600)
        assert each["bytes"] > 1000
        assert each["saved_seconds"] == 3.0


def test_a_saving_is_at_todays_prices(listed: dict[str, Any]) -> None:
    assert listed["prices_as_of"] == "2026-11-01"
    assert of_test(listed, STATUS)[0]["saved_usd"] == 0.005


def test_a_cassette_is_an_orphan_where_no_test_uses_it_and_not_where_a_run_leaves_its_test_out(
    listed: dict[str, Any],
) -> None:
    assert [each["orphan"] for each in of_test(listed, None)] == [True]
    assert [each["orphan"] for test in (REFUND, NIGHTLY) for each in of_test(listed, test)] == [False, False]


def test_one_that_is_older_than_it_may_be_is_marked(listed: dict[str, Any]) -> None:
    assert [each["too_old"] for each in of_test(listed, REFUND)] == [True]


def test_one_that_cannot_be_read_is_listed_with_what_is_wrong(listed: dict[str, Any]) -> None:
    (each,) = of_test(listed, NIGHTLY)
    assert (each["recorded_at"], each["age_seconds"], each["saved_seconds"], each["saved_usd"]) == (None,) * 4
    assert "it is no cassette" in each["problem"]


def unended(folder: Path) -> None:
    lines = folder / LINES_FILE
    lines.write_bytes(lines.read_bytes()[:-20])


def emptied(folder: Path) -> None:
    (folder / LINES_FILE).write_bytes(b"")


def halved(folder: Path) -> None:
    (audio,) = folder.glob("agent.*")
    audio.write_bytes(audio.read_bytes()[: audio.stat().st_size // 2])


def deleted(folder: Path) -> None:
    (audio,) = folder.glob("agent.*")
    audio.unlink()


@pytest.mark.parametrize("spoil", [unended, emptied, halved, deleted])
def test_one_that_cannot_be_replayed_is_listed_with_what_is_wrong_in_which_file(
    kept: Kept, spoil: Callable[[Path], None]
) -> None:
    spoil(kept.keep(STATUS)[0])
    (each,) = document_of()["cassettes"]
    assert each["problem"].startswith(f"{each['cassette']}/")
    assert each["age_seconds"] is not None
    assert (each["saved_seconds"], each["saved_usd"]) == (None, None)


def test_what_other_tools_call_cassettes_is_none_of_ours(listed: dict[str, Any]) -> None:
    assert not any("test_http" in each["cassette"] for each in listed["cassettes"])


def test_a_folder_that_is_named_for_cassettes_has_all_of_them(kept: Kept) -> None:
    kept.keep(STATUS, cassette_dir=kept.root / "recorded")
    kept.keep(GONE, cassette_dir=kept.root / "recorded")
    document = document_of("--cassette-dir=recorded")
    assert [each["test"] for each in document["cassettes"]].count(STATUS) == 1
    assert [each["orphan"] for each in of_test(document, None)] == [True]


def test_where_tests_cannot_be_collected_no_cassette_is_called_an_orphan(
    broken: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["cassettes", "list", "--json"]) == 0
    out, err = capfd.readouterr()
    document = json.loads(out)
    assert (document["tests_known"], document["cassettes"][0]["orphan"]) == (False, None)
    assert "pytest could not collect the tests" in err
    assert "it is broken on purpose" in err


def test_without_cassettes_it_says_how_they_are_made_and_collects_nothing(
    kept: Kept, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAK_COLLECTION", "1")
    assert main(["cassettes", "list"]) == 0
    assert capfd.readouterr() == ("there are no cassettes; a live run with --dg-record=once makes them\n", "")


def by_hand(kept: Kept, *cassettes: tuple[Path, str | None]) -> KeptCassettes:
    """Return cassettes with their tests, as if these had been collected."""
    return KeptCassettes(
        rootdir=kept.root,
        cassettes=[
            KeptCassette(folder=folder, size=2100, facts=read_facts(folder), problem="", test=test)
            for folder, test in cassettes
        ],
        not_collected=None,
    )


def test_the_table_has_a_row_for_each_and_its_sums(kept: Kept) -> None:
    one, two = kept.keep(STATUS, 2, days=100)
    found = by_hand(kept, (one, STATUS), (two, STATUS), (kept.keep(GONE)[0], None))
    run_config = resolve(
        command_line={}, environment={}, ini={"dg_cassette_max_age": "90d"}, rootdir=kept.root, current_dir=kept.root
    )
    lines = [*Listing(found, run_config, datetime.now(timezone.utc)).lines(120)]
    assert [line.split() for line in lines[:3]] == [
        ["cassettes,", "and", "what", "a", "replay", "saves", "at", "the", "prices", "of", "2026-06-25"],
        ["test", "session", "age", "size", "time", "cost"],
        [STATUS, "1", "100d", "2.1", "kB", "3.00s", "$0.0037", "too", "old"],
    ]
    assert lines[4].split()[1:] == ["1", "1d", "2.1", "kB", "3.00s", "$0.0037", "orphan"]
    assert lines[6:] == [
        "2 cassettes of 1 test: replaying each once saves 6.00s and $0.0075",
        "1 orphan (2.1 kB): no test uses it; dgbudget cassettes prune removes it",
        "2 are older than 90d (dg_cassette_max_age)",
    ]


@pytest.mark.parametrize(
    ("readable", "says"),
    [
        (2, "3 cassettes of 1 test: replaying each once saves 6.00s and $0.0075, but for 1 that can't be read"),
        (0, "1 cassette of 1 test: none can be read"),
    ],
)
def test_what_can_not_be_read_is_left_out_of_the_sum(kept: Kept, readable: int, says: str) -> None:
    folders = kept.keep(STATUS, readable + 1)
    found = by_hand(kept, *((folder, STATUS) for folder in folders))
    found.cassettes[-1] = replace(found.cassettes[-1], problem="spoilt")
    run_config = resolve(command_line={}, environment={}, ini={}, rootdir=kept.root, current_dir=kept.root)
    assert says in [*Listing(found, run_config, datetime.now(timezone.utc)).lines(120)]


@pytest.mark.parametrize("command", ["list", "prune", "check"])
def test_a_folder_that_is_named_and_is_not_there_is_bad_usage(
    kept: Kept, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["cassettes", command, "--cassette-dir=nowhere"])
    assert exited.value.code == 2
    assert "there is no folder nowhere (--cassette-dir or dg_cassette_dir)" in capfd.readouterr().err


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_names_of_any_kind_are_shown_harmlessly(kept: Kept, text: str) -> None:
    facts = read_facts(kept.keep(GONE)[0])
    cassettes = [
        KeptCassette(folder=kept.root / text / "1", size=1, facts=facts, problem=text, test=test)
        for test in (text, None)
    ]
    found = KeptCassettes(rootdir=kept.root, cassettes=cassettes, not_collected=None)
    run_config = resolve(command_line={}, environment={}, ini={}, rootdir=kept.root, current_dir=kept.root)
    shown = [*Listing(found, run_config, datetime.now(timezone.utc)).lines(80)]
    pruned = [Pruned(cassette=each, why=text) for each in cassettes]
    shown += [
        line for dry_run in (True, False) for line in pruned_lines(found, pruned, [kept.root / text], dry_run=dry_run)
    ]
    assert all(line.isprintable() and not line.lstrip().startswith("::") for line in shown)


# prune ----------------------------------------------------------------------------------------------------------------


def test_without_yes_nothing_is_removed(kept: Kept, capfd: pytest.CaptureFixture[str]) -> None:
    (folder,) = kept.keep(GONE)
    assert main(["cassettes", "prune"]) == 0
    out = capfd.readouterr().out
    assert f"would remove {folder.relative_to(kept.root).as_posix()} (" in out
    assert re.search(r"\n1 cassette, [0-9.]+ kB: nothing was removed; --yes removes it\n$", out)
    assert folder.is_dir()


def test_orphans_are_removed_and_nothing_else(kept: Kept, capfd: pytest.CaptureFixture[str]) -> None:
    stays = [folder for nodeid in (STATUS, REFUND, NIGHTLY) for folder in kept.keep(nodeid)]
    gone = kept.keep(GONE, 2)
    assert main(["cassettes", "prune", "--yes", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["dry_run"] is False
    assert [(each["cassette"], each["why"]) for each in document["cassettes"]] == [
        (folder.relative_to(kept.root).as_posix(), None) for folder in gone
    ]
    assert not gone[0].parent.exists()
    assert all(folder.is_dir() for folder in stays)


def test_what_is_no_part_of_a_cassette_stays_and_is_named(kept: Kept, capfd: pytest.CaptureFixture[str]) -> None:
    (folder,) = kept.keep(GONE)
    for place in (folder, folder.parent):
        (place / "notes.txt").write_text("mine", encoding="utf-8")
    shown = folder.relative_to(kept.root)
    files = [f"{place}/notes.txt" for place in (shown, shown.parent)]
    assert main(["cassettes", "prune"]) == 0
    out = capfd.readouterr().out
    assert all(f"would leave {file}: it is no part of a cassette\n" in out for file in files)
    assert main(["cassettes", "prune", "--yes"]) == 0
    out = capfd.readouterr().out
    assert f"removed {shown} (" in out
    assert all(f"left {file}: it is no part of a cassette\n" in out for file in files)
    assert re.search(r"\nremoved 1 cassette, [0-9.]+ kB\n$", out)
    assert sorted(str(each.relative_to(kept.root)) for each in folder.parent.rglob("*.*")) == sorted(files)


def test_what_could_not_be_removed_is_said_and_not_counted(kept: Kept) -> None:
    one, two = kept.keep(GONE, 2)
    found = by_hand(kept, (one, None), (two, None))
    pruned = [Pruned(cassette=found.cassettes[0], why="Permission denied"), Pruned(cassette=found.cassettes[1])]
    lines = [*pruned_lines(found, pruned, [], dry_run=False)]
    assert lines[0].startswith(f"failed: {one.relative_to(kept.root)} (2.1 kB): Permission denied")
    assert lines[-1] == "removed 1 of 2 cassettes, 2.1 kB"


def test_where_tests_cannot_be_collected_nothing_is_removed(broken: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["cassettes", "prune", "--yes"]) == 1
    assert "nothing is removed, for pytest could not collect the tests" in capfd.readouterr().err
    assert broken.is_dir()
