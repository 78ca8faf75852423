"""``dgbudget.toml``: what it sets, and where it is wrong."""

from __future__ import annotations

import decimal
import json
import re
import subprocess
import sys
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.config.handed_over import from_json
from pytest_dgbudget.config.price_settings import read_prices
from pytest_dgbudget.config.project_file import PROJECT_FILE, fields_of, read_project_file
from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.config.toml_text import TomlText
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.model import TIERS, PathBudget, WindowBudget
from pytest_dgbudget.rules.prices import SHIPPED


def read(folder: Path, text: str) -> dict[str, Any]:
    (folder / PROJECT_FILE).write_text(text, encoding="utf-8")
    return read_project_file(folder)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as error:
        read(folder, text)
    return str(error.value)


def prices_of(text: str) -> dict[str, int]:
    prices: dict[str, int] = read_prices(TomlText(PROJECT_FILE, text))["prices"]
    return prices


# What it sets


NOTHING: dict[str, Any] = {
    "prices": {},
    "prices_as_of": None,
    "windows": (),
    "require_history": False,
    "paths": (),
    "project_sessions": None,
}


def test_without_the_file_there_are_the_defaults(tmp_path: Path) -> None:
    assert read_project_file(tmp_path) == NOTHING


@pytest.mark.parametrize("text", ["# nothing yet\n", "[prices]\n[window]\n[project]\n", "path = []\n"])
def test_an_empty_file_sets_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == NOTHING


def test_every_tier_can_be_priced(tmp_path: Path) -> None:
    lines = [f"{tier} = 0.0{number}" for number, tier in enumerate(TIERS, 1)]
    prices = read(tmp_path, "\n".join(["[prices]", *lines]))["prices"]
    assert prices == {tier: number * 10_000 for number, tier in enumerate(TIERS, 1)}


def test_the_documented_prices_are_the_shipped_ones() -> None:
    page = (Path(__file__).parents[2] / "docs/project-file.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[prices]" in block]
    assert prices_of(block) == SHIPPED.micro_usd_per_minute
    assert SHIPPED.as_of in page


@pytest.mark.parametrize("written", ["2026-11-01", '"2026-11-01"'])
def test_the_day_is_a_date_or_its_text(tmp_path: Path, written: str) -> None:
    assert read(tmp_path, f"[prices]\nas_of = {written}\n")["prices_as_of"] == "2026-11-01"


def test_prices_without_a_day_have_none(tmp_path: Path) -> None:
    assert read(tmp_path, "[prices]\nstandard = 1\n") == {**NOTHING, "prices": {"standard": 1_000_000}}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0.075", 75_000),
        ("0", 0),
        ("-0.0", 0),
        ("1000", 1_000_000_000),
        ("7.5e-2", 75_000),
        ("0.0000005", 1),
        ("0.00000049999999999999999999999999999999999999", 0),
        ("0.0750005", 75_001),
        ("0.07_5", 75_000),
        ("1e-999999999", 0),
    ],
)
def test_a_price_is_the_decimal_that_was_written_rounded_half_up(written: str, expected: int) -> None:
    assert prices_of(f"[prices]\nstandard = {written}\n") == {"standard": expected}


@given(st.integers(0, 10**12 - 1), st.integers(1, 12))
def test_no_price_is_read_through_binary_fractions(digits: int, places: int) -> None:
    whole, fraction = divmod(digits, 10**places)
    written = f"{whole % 1000}.{fraction:0{places}d}"
    assert prices_of(f"[prices]\nstandard = {written}\n")["standard"] == floor(
        Fraction(written) * 1_000_000 + Fraction(1, 2)
    )


def test_what_a_test_does_to_decimal_arithmetic_changes_no_price() -> None:
    with decimal.localcontext() as context:
        context.prec, context.traps[decimal.Inexact] = 2, True
        assert prices_of("[prices]\nstandard = 0.0754321\n") == {"standard": 75_432}


def settings_of(folder: Path) -> RunConfig:
    return resolve(command_line={}, environment={}, ini={}, rootdir=folder, current_dir=folder / "elsewhere")


def test_a_run_has_the_prices_of_its_rootdir_and_they_cross_as_json(tmp_path: Path) -> None:
    text = "[prices]\nas_of = 2026-11-01\nadvanced = 0.2\n"
    (tmp_path / PROJECT_FILE).write_text(text, encoding="utf-8")
    run_config = settings_of(tmp_path)
    assert (run_config.prices, run_config.prices_as_of) == ({"advanced": 200_000}, "2026-11-01")
    assert from_json(json.loads(json.dumps(run_config.to_json()))) == run_config


# Windows, sessions and paths


def test_windows_are_times_or_amounts_of_money_or_both(tmp_path: Path) -> None:
    windows = read(tmp_path, '[window]\nmonth = ["20h", "$150"]\nday = "2h"\nrequire_history = true\n')
    assert windows == {
        **NOTHING,
        "windows": (
            WindowBudget(period="day", currency="time", allowed=7_200_000),
            WindowBudget(period="month", currency="time", allowed=72_000_000),
            WindowBudget(period="month", currency="money", allowed=150_000_000),
        ),
        "require_history": True,
    }


def test_a_path_has_budgets_of_each_test_and_of_all_of_them_together(tmp_path: Path) -> None:
    text = """
        [[path]]
        glob = "tests/smoke/**"
        test = ["10s", "$0.02"]
        run = "2m"
        [[path]]
        glob = "**/test_*.py"
        test = "off"
        run = ["$1", "1h"]
        [[path]]
        glob = "tests/[ab]?.py"
        test = "$0"
    """
    assert read(tmp_path, text)["paths"] == (
        PathBudget(glob="tests/smoke/**", test_ms=10_000, test_micro_usd=20_000, run_ms=120_000),
        PathBudget(glob="**/test_*.py", test_is_off=True, run_ms=3_600_000, run_micro_usd=1_000_000),
        PathBudget(glob="tests/[ab]?.py", test_micro_usd=0),
    )


def test_the_project_says_how_many_sessions_all_runs_may_have_open(tmp_path: Path) -> None:
    assert read(tmp_path, "[project]\nsessions = 45\n")["project_sessions"] == 45


def test_all_of_it_crosses_as_json(tmp_path: Path) -> None:
    text = '[window]\nmonth = "$150"\n[project]\nsessions = 4\n[[path]]\nglob = "a/**"\ntest = "10s"\n'
    (tmp_path / PROJECT_FILE).write_text(text, encoding="utf-8")
    run_config = settings_of(tmp_path)
    crossed = from_json(json.loads(json.dumps(run_config.to_json())))
    assert crossed == run_config
    assert (type(crossed.windows[0]), type(crossed.paths[0])) == (WindowBudget, PathBudget)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('\n[window]\nmonht = "2h"\n', '3: unknown key "monht" in [window]; did you mean "month"?'),
        ("[window]\nmonth = 150\n", '2: month = 150 has no unit; write "150s" for seconds, "$150" for dollars'),
        ('[window]\nmonth = "1.5"\n', '2: month = 1.5 has no unit; write "1.5s" for seconds, "$1.5" for dollars'),
        ('[window]\nday = ["2h", 5]\n', "2: day = 5 has no unit"),
        ('[window]\nday = ["2h", "3h"]\n', "2: day has two amounts of time; accepted: "),
        ("[window]\nday = []\n", "2: day is empty; accepted: "),
        ("[window]\nday = true\n", "2: day = true is not a budget; accepted: "),
        ('[window]\nday = "off"\n', "2: day: 'off' is not a time; accepted: "),
        ('[window]\nday = "$-5"\n', "2: day: '$-5' is not an amount of money; accepted: "),
        ("[window]\nrequire_history = 1.5\n", "2: require_history = 1.5 is neither true nor false"),
        ("[window]\nrequire_history = 1\n", "2: require_history = 1 is neither true nor false"),
        (
            "[window]\nrequire_history = true\n",
            "2: require_history = true, and there is no window that could have one: add day or month to [window]",
        ),
        ("[[window]]\n", "1: [window] must be one table"),
        ("[project]\nsession = 1\n", '2: unknown key "session" in [project]; did you mean "sessions"?'),
        ("[project]\nsessions = 0\n", "2: sessions = 0 is not a whole number from 1 on"),
        ("[project]\nsessions = 'many'\n", "2: sessions = 'many' is not a whole number from 1 on"),
        ("[project]\nsessions = true\n", "2: sessions = true is not a whole number from 1 on"),
        ("[project]\nsessions = '45'\n", "2: sessions = '45' is not a whole number from 1 on"),
        ("[project]\nsessions = 1.5\n", "2: sessions = 1.5 is not a whole number from 1 on"),
        ('[path]\nglob = "a"\n', "1: path must be an array of tables: write each as [[path]], in two brackets"),
        ('[[path]]\ntest = "1s"\n', "1: [[path]] has no glob; accepted: "),
        ('[[path]]\nglob = "a"\n', "1: [[path]] has neither test nor run: it sets no budget"),
        ('[[path]]\nglob = "a"\ntset = "1s"\n', '3: unknown key "tset" in [[path]]; did you mean "test"?'),
        ('[[path]]\nglob = "a"\ntest = 5\n', "3: test = 5 has no unit"),
        ('[[path]]\nglob = "a"\nrun = "off"\n', "3: run: 'off' is not a time; accepted: "),
        *(
            (f"[[path]]\ntest = '1s'\nglob = '{glob}'\n", "3: glob = ")
            for glob in ("", "/a", "a/", "a//b", "./a", "../a", "a/../b", "a\\b", "a/**b", "**.py")
        ),
        ("[[path]]\ntest = '1s'\nglob = 5\n", "3: glob = 5 is not a relative pattern; accepted: "),
    ],
)
def test_what_is_wrong_in_them_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert refused(tmp_path, text).startswith(f"dgbudget.toml:{said}")


def test_the_line_is_that_of_the_path_which_is_wrong(tmp_path: Path) -> None:
    good = '[[path]]\nglob = "a"\ntest = "1s"\n'
    assert refused(tmp_path, good + good).startswith('dgbudget.toml:5: glob = "a" is there before: ')
    other = good.replace('"a"', '"b"')
    assert refused(tmp_path, good + other + good.replace("1s", "soon")).startswith("dgbudget.toml:9: test: 'soon' is ")
    assert refused(tmp_path, good + "[[path]]\n").startswith("dgbudget.toml:4: [[path]] has ")
    assert refused(tmp_path, 'path = [\n{ glob = "a" },\n]\n').startswith("dgbudget.toml:1: [[path]] has ")


# Where it is wrong


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_valid_one(tmp_path: Path) -> None:
    assert refused(tmp_path, "# ours\n\n[prices]\n\nadvanced = 1\n\nstandart = 0.075\n") == (
        'dgbudget.toml:7: unknown key "standart" in [prices]; did you mean "standard"? valid: "as_of", "standard", '
        '"standard-byo-tts", "custom-byo-llm", "custom-byo-llm-tts", "advanced", "advanced-byo-tts"'
    )


def test_an_unknown_table_is_refused_with_its_line_and_the_nearest_valid_one(tmp_path: Path) -> None:
    said = refused(tmp_path, "\n[price]\nstandard = 1\n")
    assert said == (
        "dgbudget.toml:2: unknown table [price]; did you mean [prices]? valid: [window], [project], [[path]], [prices]"
    )


def test_a_key_outside_of_any_table_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "standard = 1\n") == (
        'dgbudget.toml:1: unknown key "standard"; valid: [window], [project], [[path]], [prices]'
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\nprices.standart = 1\n", 2),
        ("\n[prices]\n'standart' = 1\n", 3),
        ('\n"prices" . "stand\\u0061rt" = 1\n', 2),
        ("\n[ prices ] # these\n\tstandart=1\n", 3),
        ("\r\n[prices]\r\nstandard = 1\r\nstandart = 1\r\n", 4),
        ("\n\nprices = { standard = 1, standart = 1 }\n", 3),
        ("[prices.standart]\n", 1),
        ("[prices]\nstandard = 1\n[prices.standart.x]\n", 3),
    ],
    ids=repr,
)
def test_the_line_is_found_however_a_key_is_spelled(tmp_path: Path, text: str, line: int) -> None:
    assert refused(tmp_path, text).startswith(f'dgbudget.toml:{line}: unknown key "standart" in [prices]; ')


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('"0.075"', "'0.075'"),
        ("true", "true"),
        ("-0.001", "-0.001"),
        ("1000.01", "1000.01"),
        ("nan", "NaN"),
        ("inf", "Infinity"),
        ("1e999999999999999999999", "NaN"),
        ("[0.075]", "["),
        ("2026-11-01", "datetime.date"),
    ],
)
def test_what_is_no_price_is_refused_with_its_line_and_what_is_accepted(
    tmp_path: Path, written: str, shown: str
) -> None:
    said = refused(tmp_path, f"[prices]\nadvanced = 1\nstandard = {written}\n")
    assert said.startswith(f"dgbudget.toml:3: standard = {shown}")
    assert said.endswith("accepted: US dollars a minute, a number from 0 to 1000, such as 0.075")


@pytest.mark.parametrize(
    "written", ["20261101", '"20261101"', '"2026-02-30"', '"soon"', "2026-11-01T00:00:00Z", "00:00:00", "true"]
)
def test_what_is_no_day_is_refused_with_its_line_and_what_is_accepted(tmp_path: Path, written: str) -> None:
    said = refused(tmp_path, f"[prices]\nas_of = {written}\n")
    assert said.startswith("dgbudget.toml:2: as_of = ")
    assert said.endswith("is not a date; accepted: a date such as 2026-11-01")


@pytest.mark.parametrize("text", ["prices = 5\n", "[[prices]]\nstandard = 1\n"])
def test_prices_that_are_no_table_are_refused(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text) == "dgbudget.toml:1: [prices] must be one table"


@pytest.mark.parametrize(
    "text",
    ["[prices\n", "[prices]\nstandard = \n", "[prices]\n[prices]\n", "a = " + "[" * 100_000, "a = " + "9" * 5000],
)
def test_what_is_not_toml_is_refused_with_what_the_parser_says(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text).startswith("dgbudget.toml is not TOML: ")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / PROJECT_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"dgbudget\.toml is not UTF-8"):
        read_project_file(tmp_path)
    (tmp_path / PROJECT_FILE).unlink()
    (tmp_path / PROJECT_FILE).mkdir()
    with pytest.raises(SettingsError, match=r"dgbudget\.toml can't be read: Is a directory"):
        read_project_file(tmp_path)


@given(st.text("[]{}=\"'.#\\\n ab0", max_size=40))
def test_whatever_is_in_the_file_is_read_or_refused(text: str) -> None:
    try:
        read_fields = fields_of(text)
    except SettingsError:
        return
    assert read_fields == NOTHING


# What it costs where there is none


def test_without_the_file_nothing_that_reads_it_is_loaded(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from pytest_dgbudget.config.resolve import resolve\n"
        "root = Path(sys.argv[1])\n"
        "resolve(command_line={}, environment={}, ini={}, rootdir=root, current_dir=root)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pytest_dgbudget.config.project_file" in loaded
    files = ("toml_text", "amounts", "window_settings", "path_settings", "price_settings")
    ours = {"pytest_dgbudget.model", *(f"pytest_dgbudget.config.{name}" for name in files)}
    assert not loaded & {*ours, "tomllib", "tomli", "decimal", "difflib"}
