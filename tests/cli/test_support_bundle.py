"""``dgbudget support-bundle``: what the archive holds, what it must not hold, and how the command behaves."""

from __future__ import annotations

import base64
import csv
import io
import json
import platform
import socket
import stat
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote
from zipfile import ZipFile

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.credentials import without_credentials
from pytest_dgbudget.ledger.run_lock import RunLock
from pytest_dgbudget.model import Bypass
from pytest_dgbudget.report.support_bundle import support_bundle
from pytest_dgbudget.report.support_sessions import COLUMNS
from pytest_dgbudget.rules.verdicts import AGREEING, LineClass
from pytest_dgbudget.rules.wording import MEANING
from tests.support import facts
from tests.support.gateway import run_config_for
from tests.support.ledger import leased, open_ledger, usage
from tests.support.project import Project

SECRETS = {
    "DEEPGRAM_API_KEY": "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab",
    "DG_APP_TOKEN": "application-token-Zw8rTq3LkPxV1mNb7s",
    "SECRET_IN_TEST_ID": "customer-4711-Hildegard",
    "SECRET_IN_HEADER": "header-secret-Bx9KqW2eRt",
    "SECRET_IN_TAG": "tag-secret-Yv4MnP8sLd",
    "SECRET_IN_TRANSCRIPT": "Guinevere-5500-0000-0000-0004",
    "SECRET_ELSEWHERE": "environment-Qz7HjF3gTu",
}
# As long as a piece must be for somebody to recognise what it is of.
PIECE = 12
LINE: dict[str, Any] = {
    "request_id": "r",
    "class": "duration",
    "nodeid": "test_x.py::test[customer-4711]",
    "attempt": 1,
    "local_seconds": 3.0,
    "vendor_seconds": 5.0,
    "elapsed_seconds": None,
    "unreadable_duration": None,
    "delta_seconds": 2.0,
    "vendor_usd": 0.00625,
}
TOTALS: dict[str, Any] = {
    "hours": {"verdict": "discrepancy", "local_seconds": 3.0, "vendor_seconds": 5.0, "reason": None},
    "dollars": {"verdict": "reconciled", "local_usd": 0.00625, "vendor_usd": 0.00625, "reason": None},
    "drift": None,
    "rates": [],
}


def reconciliation(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    usual = {
        "verdict": "discrepancy",
        "checked_at": "2026-11-02T10:02:00.000Z",
        "project": "the-project",
        "tolerance": {"seconds": 2.0, "share": 0.05},
        "reasons": ["a reason with https://user:hunter2hunter2@proxy.example in it"],
        "lines": [{**LINE, **line} for line in lines],
        "totals": TOTALS,
    }
    return {**usual, **fields}


@pytest.fixture
def run_config(tmp_path: Path) -> RunConfig:
    return run_config_for("wss://agent.example/v1/agent/converse", tmp_path)


@pytest.fixture
def recorded(here: Path) -> Path:
    """A project with a run in its ledger."""
    record(here, "run-one")
    return here


def record(folder: Path, run: str) -> None:
    ledger = open_ledger(folder / ".dgbudget/ledger.db", id=f"invocation-{run}", run=run)
    attempt = ledger.begin_attempt("test_x.py::test", "", 10_000)
    lease = leased(ledger, attempt)
    ledger.record_usage(usage(ledger.record_dial(lease)))
    ledger.settle(lease, 1000)
    ledger.end_invocation(0)
    ledger.close()


def members_of(data: bytes) -> dict[str, str]:
    with ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {Path(name).name: archive.read(name).decode() for name in archive.namelist()}


def table_of(run: Any, run_config: RunConfig) -> list[dict[str, str]]:
    text = support_bundle(run, run_config, {}).members["sessions.csv"]
    return list(csv.DictReader(io.StringIO(text, newline="")))


def page_of(run: Any, run_config: RunConfig) -> str:
    return support_bundle(run, run_config, {}).members["summary.txt"]


def status_of(*arguments: str) -> int:
    try:
        return main(["support-bundle", *arguments])
    except SystemExit as ended:
        return int(str(ended.code))


# What is in it --------------------------------------------------------------------------------------------------------


def test_each_session_is_a_line_with_both_sides_figures(run_config: RunConfig) -> None:
    (line,) = table_of(facts.run(reconciliation=reconciliation({})), run_config)
    assert tuple(line) == COLUMNS
    assert line == {
        "request_id": "r",
        "opened_at_utc": facts.AT,
        "closed_at_utc": facts.LATER,
        "local_seconds": "3.000000",
        "handshake_seconds": "0.005000",
        "billed_seconds": "5.000000",
        "elapsed_seconds": "",
        "difference_seconds": "2.000000",
        "local_usd": "0.003800",
        "local_usd_estimated": "no",
        "billed_usd": "0.006250",
        "tier": "standard",
        "closed_by": "client",
        "close_code": "1000",
        "confirmed": "yes",
        "comparison": "duration",
    }


def test_i7_unknown_is_empty(run_config: RunConfig) -> None:
    unknown = dict.fromkeys(("usage", "closed_at", "ms", "handshake_ms", "micro_usd", "tier", "close_code"))
    unknown.update(dict.fromkeys(("estimated", "closed_by", "confirmed", "request_id")))
    (line,) = table_of(facts.run(sessions=(facts.session(**unknown),)), run_config)
    assert {name: cell for name, cell in line.items() if cell} == {"opened_at_utc": facts.AT, "confirmed": "no"}
    page = page_of(facts.run(sessions=(facts.session(**unknown),)), run_config)
    assert "metered:      unknown, dollars unknown" in page
    assert f"period:       {facts.AT} to unknown" in page


def test_a_row_that_this_run_never_opened_is_a_line_too(run_config: RunConfig) -> None:
    foreign = {"request_id": "theirs", "class": "missing-in-ledger", "local_seconds": None, "delta_seconds": None}
    ours, theirs = table_of(facts.run(reconciliation=reconciliation({}, foreign)), run_config)
    assert (ours["request_id"], ours["comparison"]) == ("r", "duration")
    known = {name: cell for name, cell in theirs.items() if cell}
    assert known.pop("request_id") == "theirs"
    assert known == {"billed_seconds": "5.000000", "billed_usd": "0.006250", "comparison": "missing-in-ledger"}


def test_sessions_on_the_emulator_are_no_business_of_the_vendors(run_config: RunConfig) -> None:
    other = facts.session(id="s2", attempt="a2", lease="l2", request_id="emulated", target="emulator")
    attempts = (facts.attempt(), facts.attempt(id="a2", nodeid="t2", target="emulator"))
    leases = (facts.lease(), facts.lease(id="l2", attempt="a2"))
    run = facts.run(attempts=attempts, leases=leases, sessions=(facts.session(), other))
    assert [line["request_id"] for line in table_of(run, run_config)] == ["r"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "=cmd|'/c calc'!A1"])
def test_no_spreadsheet_computes_a_text_of_the_vendors(text: str, run_config: RunConfig) -> None:
    run = facts.run(sessions=(facts.session(request_id=text, tier=text),))
    (line,) = table_of(run, run_config)
    for cell in (line["request_id"], line["tier"]):
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))
        assert cell.isprintable()


def test_the_page_says_what_happened_and_what_differs(run_config: RunConfig) -> None:
    page = page_of(facts.run(reconciliation=reconciliation({})), run_config)
    for said in (
        "run:          run\n",
        "tag:          dgbudget-run (in the Settings of each session)\n",
        "project:      the-project\n",
        "target:       live, billed\n",
        f"period:       {facts.AT} to {facts.LATER}\n",
        "sessions:     1 opened\n",
        "metered:      3.00 s, $0.0038\n",
        "statement:    5.00 s, $0.0063; read at 2026-11-02T10:02:00.000Z: discrepancy\n",
        "- r: the two durations differ by more than the tolerance "
        "(metered 3.00 s, statement 5.00 s, difference +2.00 s, $0.0063)\n",
        "- agent hours under the tag: metered 3.00 s, statement 5.00 s\n",
    ):
        assert said in page


def test_the_page_says_what_only_the_sums_show(run_config: RunConfig) -> None:
    drift = {"verdict": "discrepancy", "reason": None, "n": 200, "seconds": 280.0, "direction": "more"}
    rate = {"tier": "standard", "sessions": 7, "seconds": 90.0, "vendor_usd_per_minute": 0.08, "wrong": True}
    totals = {
        **TOTALS,
        "drift": {**drift, "mean_seconds": 1.9, "interval_seconds": [1.8, 2.0]},
        "rates": [{**rate, "expected_usd_per_minute": 0.075, "expected_by": "prices"}],
    }
    unclear = {"class": "unclear", "vendor_seconds": None, "elapsed_seconds": 9.0, "delta_seconds": None}
    page = page_of(facts.run(reconciliation=reconciliation(unclear, totals=totals)), run_config)
    assert "statement has no duration, 9.00 s from its creation to its completion" in page
    assert "- drift: 200 sessions agree one by one; together, the statement has 280.00 s more than " in page
    assert "- rate: a minute of the tier standard is $0.0800 in the statement (7 sessions, 90.00 s), and $0.07" in page


def test_where_rows_have_no_duration_the_page_has_their_times_and_the_hours(run_config: RunConfig) -> None:
    silent = {"vendor_seconds": None, "elapsed_seconds": 9.0, "delta_seconds": None}
    page = page_of(facts.run(reconciliation=reconciliation(silent)), run_config)
    times = "9.00 s from creation to completion of 1 row, 5.00 s of agent hours under the tag"
    assert f"statement:    durations unknown, {times}, $0.0063; read" in page
    assert (
        "- r: its row has no duration; the time from its creation to its completion is not what we metered, and the "
        "run's hours differ as well (metered 3.00 s, statement has no duration, 9.00 s from its creation to its "
        "completion, $0.0063)\n"
    ) in page
    assert "the two durations differ" not in page


def test_the_page_says_that_a_run_was_compared_by_its_own_key_and_which(run_config: RunConfig) -> None:
    by_key = reconciliation({}, totals={**TOTALS, "by": "key"})
    page = page_of(facts.run(reconciliation=by_key, run_keys=(facts.run_key("its-key"),)), run_config)
    assert "own keys:     its-key (made for this run alone, to dial with)\n" in page
    assert "compared by:  run's own keys\n" in page
    assert "- agent hours under the run's own keys: metered 3.00 s, statement 5.00 s\n" in page
    by_tag = page_of(facts.run(reconciliation=reconciliation({})), run_config)
    assert "compared by:  tag\n" in by_tag
    assert "own keys" not in by_tag


def test_a_row_that_we_never_opened_has_its_own_times(run_config: RunConfig) -> None:
    foreign = {"created_at": facts.AT, "origin": None, "run_key": None}
    theirs = {"request_id": "theirs", "class": "missing-in-ledger", "local_seconds": None, "delta_seconds": None}
    run = facts.run(reconciliation=reconciliation({**theirs, "foreign": foreign, "elapsed_seconds": 60.0}))
    _, line = table_of(run, run_config)
    assert (line["opened_at_utc"], line["closed_at_utc"]) == (facts.AT, facts.LATER)
    assert f"begun {facts.AT}" in page_of(run, run_config)


def test_the_page_says_where_nothing_is_known_to_differ(run_config: RunConfig) -> None:
    assert "Nothing is known: this run has not been compared" in page_of(facts.run(), run_config)
    agreeing = reconciliation({"class": "matched", "delta_seconds": 0.0}, verdict="reconciled", totals=None)
    assert "Nothing: each session agrees" in page_of(facts.run(reconciliation=agreeing), run_config)
    silent = {"class": "matched", "vendor_seconds": None, "delta_seconds": None}
    by_id = reconciliation(silent, {**silent, "vendor_seconds": 3.0}, verdict="reconciled", totals=None)
    assert "; 1 of 2 rows have no duration." in page_of(facts.run(reconciliation=by_id), run_config)
    unclear = reconciliation(verdict="inconclusive", totals=None)
    assert "could not be read completely" in page_of(facts.run(reconciliation=unclear), run_config)


def test_the_page_says_of_an_emulated_run_that_the_vendor_knows_nothing_of_it(run_config: RunConfig) -> None:
    page = page_of(facts.run(target="emulator", billed=False), run_config)
    assert "target:       emulator: nothing of this run was billed, and Deepgram knows nothing of it\n" in page


def test_each_class_that_disagrees_is_said_in_words() -> None:
    assert set(get_args(LineClass)) - AGREEING <= MEANING.keys()


def test_a_long_list_of_differences_is_cut_and_says_so(run_config: RunConfig) -> None:
    lines = [{"request_id": f"r{number}"} for number in range(150)]
    page = page_of(facts.run(reconciliation=reconciliation(*lines)), run_config)
    assert page.count("the two durations differ") == 100
    assert "- and 50 more requests, all in sessions.csv\n" in page


def test_versions_and_configuration_are_in_it(recorded: Path) -> None:
    assert status_of("run-one", "--project=a-project") == 0
    members = members_of((recorded / "dgbudget-support-run-one.zip").read_bytes())
    versions, configuration = (json.loads(members[f"{name}.json"]) for name in ("versions", "configuration"))
    assert versions["python"] == f"{platform.python_implementation()} {platform.python_version()}"
    assert all(versions[name] for name in ("pytest-dgbudget", "pytest", "websockets"))
    assert "deepgram-sdk" in versions
    assert configuration["recorded"]["tag"] == "dgbudget-run"
    assert configuration["recorded"]["budget_seconds"] == 60.0
    assert configuration["now"]["project"] == "a-project"
    assert configuration["now"]["tolerance_seconds"] == 2.0


# What is not in it ----------------------------------------------------------------------------------------------------


def forms_of(secret: str) -> set[bytes]:
    """Return each piece of a secret that can be recognised: as it is, percent-encoded, in hexadecimal and in base64."""
    raw = secret.encode()
    encoded = {raw, quote(secret, safe="").encode(), raw.hex().encode(), raw[::-1]}
    for ahead in range(3):  # in base64, a text looks different with what stands before it
        text = base64.b64encode(b"\0" * ahead + raw)
        encoded |= {text[4:-4], text[4:-4].translate(bytes.maketrans(b"+/", b"-_"))}
    return {form[at : at + PIECE].lower() for form in encoded for at in range(max(1, len(form) - PIECE + 1))}


def assert_holds_none(archive: Path, secrets: dict[str, str]) -> None:
    with ZipFile(archive) as opened:
        texts = [archive.read_bytes(), archive.name.encode(), *map(opened.read, opened.namelist())]
        texts += [info.filename.encode() + info.comment + info.extra for info in opened.infolist()]
    for name, secret in secrets.items():
        for form in forms_of(secret):
            assert not any(form in text.lower() for text in texts), f"{name}: {form!r}"


def test_the_scan_finds_what_it_looks_for(tmp_path: Path) -> None:
    secret = SECRETS["DG_APP_TOKEN"]
    encoded = base64.b64encode(f"x{secret}".encode()).decode()
    for number, text in enumerate([secret, secret[3:18], secret.encode().hex(), encoded]):
        archive = tmp_path / f"{number}.zip"
        with ZipFile(archive, "w") as opened:
            opened.writestr("member", f"before {text} after")
        with pytest.raises(AssertionError, match="token"):
            assert_holds_none(archive, {"token": secret})


def test_i9_no_secret_of_a_run_is_in_it(project: Project, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.use("support_bundle")
    query = "in-the-query-Ud5RzK8w"
    for name, value in {**SECRETS, "DG_AGENT_URL": f"wss://agent.example/v1/agent/converse?token={query}"}.items():
        monkeypatch.setenv(name, value)
    ran = project.run("--dg-target=emulator", "--dg-pace=max", "--dg-run-id=private")
    assert ran.status == 0, ran.output
    assert status_of("private") == 0
    archive = here / "dgbudget-support-private.zip"
    assert_holds_none(archive, {**SECRETS, "query": query})
    members = members_of(archive.read_bytes())
    assert len(members["sessions.csv"].splitlines()) == 2
    assert '"wss://agent.example/v1/agent/converse"' in members["configuration.json"]
    for text in (str(here), str(Path.home()), socket.gethostname()):
        assert not any(f"{edge}{text}" in member for member in members.values() for edge in ' "/')


def test_i9_what_the_ledger_or_the_configuration_says_in_free_text_is_left_out(
    run_config: RunConfig, tmp_path: Path
) -> None:
    bypass = Bypass(host="internal-host.example", path="/", how="passed", program="/home/somebody/program.py")
    run = facts.run(
        attempts=(facts.attempt(nodeid="test_x.py::test[customer-4711-Hildegard]"),),
        sessions=(facts.session(reason="refused: private-reason-Zt6YpL"),),
        bypasses=(bypass,),
        reconciliation=reconciliation({"unreadable_duration": "unreadable-Wq3N"}),
    )
    urls = {"agent_url": "wss://somebody:password-Ke8LmQ@agent.example/v1/agent/converse?key=query-Fj2TbV#x"}
    urls["api_url"] = "https://somebody:password-Ke8LmQ@api.example"
    run_config = RunConfig(**{**vars(run_config), **urls, "api_key": SECRETS["DEEPGRAM_API_KEY"]})
    archive = tmp_path / "bundle.zip"
    archive.write_bytes(support_bundle(run, run_config, {}).to_zip())
    secrets = ("customer-4711", "private-reason-Zt6YpL", "internal-host.example", "/home/somebody", "hunter2hunter2")
    more = ("password-Ke8LmQ", "query-Fj2TbV", "unreadable-Wq3N", SECRETS["DEEPGRAM_API_KEY"], str(tmp_path))
    assert_holds_none(archive, {each: each for each in (*secrets, *more)})


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("wss://agent.example/v1?a=b", "wss://agent.example/v1"),
        ("https://user:p@ss@host:1/path#x", "https://host:1/path"),
        ("asked 'http://u@h/p?q=1' twice", "asked 'http://h/p' twice"),
        ("me@host? no URL", "me@host? no URL"),
    ],
)
def test_of_a_url_its_address_is_left(text: str, without: str) -> None:
    assert without_credentials(text) == without


# The file -------------------------------------------------------------------------------------------------------------


def test_the_same_run_makes_the_same_bytes(recorded: Path) -> None:
    assert status_of("run-one") == 0
    assert status_of("run-one", "--output=again.zip") == 0
    first, again = (recorded / name for name in ("dgbudget-support-run-one.zip", "again.zip"))
    assert first.read_bytes() == again.read_bytes()
    assert stat.S_IMODE(first.stat().st_mode) == 0o600


def test_members_are_dated_by_the_runs_end(run_config: RunConfig) -> None:
    data = support_bundle(facts.run(), run_config, {}).to_zip()
    with ZipFile(io.BytesIO(data)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2026, 11, 2, 10, 1, 0)}


def test_a_folder_takes_it_by_its_own_name(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recorded / "folder").mkdir()
    assert status_of("run-one", "--output=folder", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"run": "run-one", "path": "folder/dgbudget-support-run-one.zip", "sessions": 1}
    assert (recorded / told["path"]).exists()


def test_a_file_that_is_there_is_replaced_by_force_alone(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = recorded / "there.zip"
    there.write_text("mine", encoding="utf-8")
    assert status_of("run-one", "--output=there.zip") == 2
    assert "there.zip exists: --force replaces it" in capsys.readouterr().err
    assert there.read_text(encoding="utf-8") == "mine"
    assert status_of("run-one", "--output=there.zip", "--force") == 0
    assert "summary.txt" in members_of(there.read_bytes())
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    assert [path.name for path in recorded.glob("*there*")] == ["there.zip"]


@pytest.mark.parametrize("output", ["nowhere/bundle.zip", "nowhere/"])
def test_a_folder_that_is_not_there_is_said(recorded: Path, capsys: pytest.CaptureFixture[str], output: str) -> None:
    assert status_of("run-one", f"--output={output}") == 2
    assert capsys.readouterr().err == (
        "dgbudget support-bundle: there is no folder nowhere: make it, or name another one with --output\n"
    )
    assert not (recorded / "nowhere").exists()


def test_where_it_can_not_be_written_is_said(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("run-one", f"--output={'x' * 300}.zip") == 1
    assert "File name too long" in capsys.readouterr().err


# Which run ------------------------------------------------------------------------------------------------------------


def test_without_a_run_the_last_ones_are_named(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        record(recorded, f"later-{number}")
    assert status_of() == 2
    assert capsys.readouterr().err == ("dgbudget support-bundle: which RUN? The last ones: later-5, later-4, later-3\n")


def test_of_an_unknown_run_the_nearest_are_named(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(recorded, "another")
    assert status_of("run-on") == 2
    assert capsys.readouterr().err.endswith("the ledger has no run 'run-on'; the nearest: run-one\n")
    assert status_of("zzzzzzzz") == 2
    assert capsys.readouterr().err.endswith("the last ones: another, run-one\n")


def test_of_a_run_that_is_not_over_there_is_no_bundle(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = RunLock(recorded / ".dgbudget", "run-one")
    assert status_of("run-one") == 2
    assert "run run-one is not over: " in capsys.readouterr().err
    assert not list(recorded.glob("*.zip"))
    lock.release()
    assert status_of("run-one") == 0


def test_without_a_ledger_there_is_no_bundle(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("run-one") == 2
    assert "there is no ledger" in capsys.readouterr().err
    assert not list(here.glob("*.zip"))


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--help") == 0
    assert "example: dgbudget support-bundle 2" in capsys.readouterr().out
