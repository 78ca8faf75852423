"""The documentation names everything that users can touch, and nothing that does not exist."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import pytest_dgbudget
from pytest_dgbudget import cli, errors
from pytest_dgbudget.config import ACTIVE_VARIABLE, API_KEY_VARIABLE, OPTIONS, PLAN_FLAG, Option
from pytest_dgbudget.plugin import hook_payloads, hookspecs
from pytest_dgbudget.plugin.markers import BudgetOptions
from pytest_dgbudget.plugin.options import MARKERS
from pytest_dgbudget.protocol import codes as known
from pytest_dgbudget.protocol.startup import LOG_VARIABLE

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pytest_dgbudget"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def words(text: str) -> set[str]:
    """Return the text's names: of options, keys, variables, fields."""
    return set(re.findall(r"[\w.-]*\w", text))


def table_rows(text: str) -> dict[str, list[str]]:
    """Return the cells of every table row, by each `name` in its first cell."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| "):
            rows.update(dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), cells))
    return rows


# Options, marker, variables -------------------------------------------------------------------------------------------


def option_row(option: Option) -> list[str]:
    for line in text_of("docs/options.md").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if len(cells) == 5 and cells[1] == f"`{option.name}`":
            return cells
    pytest.fail(f"docs/options.md has no row for {option.name}")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_each_option_has_its_row(option: Option) -> None:
    flag, _, environment, default, meaning = option_row(option)
    value = f"={option.metavar}" if option.bare is None else f"[={option.metavar}]"
    assert flag == ("-" if option.in_ini_only else f"`{option.flag}{value}`")
    assert environment == ("-" if option.environment is None else f"`{option.environment}`")
    if option.default is not None:
        assert default == f"`{option.default}`"
    assert meaning


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_no_option_that_does_not_exist(page: Path) -> None:
    named = set(re.findall(r"--dg-[a-z-]*[a-z]", page.read_text(encoding="utf-8")))
    assert named <= {PLAN_FLAG} | {option.flag for option in OPTIONS if not option.in_ini_only}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_no_ini_key_that_does_not_exist(page: Path) -> None:
    named = set(re.findall(r"\bdg_[a-z_]*[a-z]\b", page.read_text(encoding="utf-8")))
    assert named <= {option.name for option in OPTIONS} | {*MARKERS}


def test_environment_variables_are_documented() -> None:
    documented = words(text_of("docs/fixture.md") + text_of("docs/options.md"))
    exported = {"DGBUDGET_AGENT_URL", "DGBUDGET_BASE_URL", ACTIVE_VARIABLE, API_KEY_VARIABLE, LOG_VARIABLE}
    assert exported | {option.environment for option in OPTIONS if option.environment} <= documented


def test_marker_arguments_are_documented() -> None:
    arguments = {field.name for field in dataclasses.fields(BudgetOptions)}
    assert arguments >= {"time", "idle"}
    assert arguments <= table_rows(text_of("docs/options.md")).keys()


# Errors and codes -----------------------------------------------------------------------------------------------------


def error_classes() -> list[str]:
    return [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)]


@pytest.mark.parametrize("name", error_classes())
def test_each_error_has_its_row(name: str) -> None:
    when, what_to_do = table_rows(text_of("docs/fixture.md"))[name][1:]
    assert when
    assert what_to_do


def test_error_attributes_are_documented() -> None:
    tree = ast.parse((PACKAGE / "errors.py").read_text(encoding="utf-8"))
    attributes = {
        argument.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        for argument in node.args.kwonlyargs
    }
    assert attributes <= words(text_of("docs/fixture.md"))


def test_close_codes_are_documented() -> None:
    codes = {str(value) for value in vars(known).values() if isinstance(value, int)}
    assert codes == {"4402", "4408", "4409", "4410", "4503"}
    assert codes <= table_rows(text_of("docs/fixture.md")).keys()


def test_refusal_codes_are_documented() -> None:
    codes = {value for value in vars(known).values() if re.fullmatch(r"DGBUDGET_[A-Z_]*[A-Z]", str(value))}
    assert {"DGBUDGET_UNAUTHORIZED", "DGBUDGET_EXHAUSTED"} <= codes
    documented = {cells[1].strip("`") for cells in _rows_of_refusals()}
    assert documented == codes


def _rows_of_refusals() -> Iterator[list[str]]:
    for line in text_of("docs/fixture.md").splitlines():
        if re.match(r"\| [0-9, ]+ \| `DGBUDGET_", line):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


# The report, the console script ---------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    text = (PACKAGE / "report/usage.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def section(page: str, heading: str) -> str:
    _, _, rest = page.partition(f"## `{heading}`\n")
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize("part", sorted(schema()["properties"]))
def test_report_fields_are_documented(part: str) -> None:
    documented = section(text_of("docs/report.md"), part)
    assert documented, f"docs/report.md has no section for {part}"
    properties = schema()["properties"][part]
    fields = properties.get("items", properties).get("properties", {})
    named = set(re.findall(r"`([^`]+)`", documented))
    assert fields.keys() <= named
    for field, is_ in fields.items():
        # What other versions of this report may say is in the schema already.
        known = {value for value in is_.get("enum", []) if value is not None} - LATER
        assert known <= named, field


LATER: set[str] = set()


def test_each_row_of_the_failures_is_a_test() -> None:
    rows = [
        line for line in text_of("docs/failures.md").splitlines() if line.startswith("| ") and "what fails" not in line
    ]
    for row in rows:
        named = re.findall(r"`((?:\w+/)?test_\w+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            folder = "tests" if "/" in file else "tests/process"
            source = (ROOT / folder / file).read_text(encoding="utf-8")
            assert f"def {test}(" in source, f"{file} has no {test}"


def test_console_commands_are_documented() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    documented = set(re.findall(r"(?:`|\$ )dgbudget ([a-z][a-z-]*)", pages))
    assert documented == set(cli._COMMANDS)


# Links, and the README's two lines ------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_resolve(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        path = page.parent / target if target else page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").glob("*.svg")), ids=lambda picture: picture.name)
def test_pictures_need_no_style_and_say_in_words_what_they_show(picture: Path) -> None:
    root = ElementTree.parse(picture).getroot()
    assert not {each.tag.rpartition("}")[2] for each in root.iter()} & {"style", "script", "foreignObject", "image"}
    assert not [name for each in root.iter() for name in each.attrib if name in {"style", "class"} or name[:2] == "on"]
    assert [each.tag.rpartition("}")[2] for each in root[:2]] == ["title", "desc"]
    assert root.attrib["aria-labelledby"].split() == [each.attrib["id"] for each in root[:2]]


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)\)", text_of("README.md")))
    assert {page.relative_to(ROOT).as_posix() for page in PAGES if page.name != "README.md"} <= linked


@pytest.mark.parametrize(("mark", "ends"), [("demo", r"pytest examples --dg-budget=10m"), ("tests", r"pytest -n \d+")])
def test_the_readme_has_each_of_its_lines_once(mark: str, ends: str) -> None:
    readme = text_of("README.md")
    assert readme.count(f"<!-- {mark} -->") == 1
    (line,) = re.findall(rf"<!-- {mark} -->\n```sh\n(.+)\n```", readme)
    assert line.startswith("python3 -m venv ")
    assert re.search(f" -m {ends}$", line)


def test_the_changelog_has_this_version() -> None:
    (version,) = re.findall(r'^version = "(.+)"$', text_of("pyproject.toml"), re.MULTILINE)
    assert f"## [{version}]" in text_of("CHANGELOG.md")


# Hooks ----------------------------------------------------------------------------------------------------------------

HOOKS = [name for name in vars(hookspecs) if name.startswith("pytest_dgbudget_")]
PAYLOADS = [value for value in vars(hook_payloads).values() if dataclasses.is_dataclass(value)]


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_its_row_with_its_argument(hook: str) -> None:
    _, argument, called, where = table_rows(text_of("docs/hooks.md"))[hook]
    (*arguments, config) = inspect.signature(getattr(hookspecs, hook)).parameters
    assert config == "config"
    assert re.findall("^`(.+?)`:", argument) == arguments
    assert called
    assert where in {"process with the test", "where the run ends"}


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.__name__)
def test_each_payload_has_a_section_with_its_fields_and_is_public(payload: type) -> None:
    (section,) = re.findall(
        rf"^### `{payload.__name__}`$(.*?)(?=^##)", text_of("docs/hooks.md"), re.MULTILINE | re.DOTALL
    )
    documented = set(re.findall(r"`(\w+)`", section))
    of_session = {"nodeid", "attempt", "session", "request_id", "target", "billed", "opened_at"}
    fields = {field.name for field in dataclasses.fields(payload)}
    assert fields - documented <= (of_session if "OpenedSession" in documented else set())
    assert getattr(pytest_dgbudget, payload.__name__) is payload
    assert payload.__dataclass_params__.frozen


# What pytest itself shows ---------------------------------------------------------------------------------------------


def test_help_shows_every_option(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--help")
    output = str(result.stdout)
    assert result.ret == 0, output
    assert PLAN_FLAG in output
    for option in OPTIONS:
        assert option.name in output
        value = option.metavar if option.bare is None else f"[{option.metavar}]"
        assert option.in_ini_only or f"{option.flag}={value}" in output
        assert option.environment is None or f"Environment: {option.environment}." in " ".join(output.split())


def test_markers_shows_ours(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--markers")
    output = str(result.stdout)
    assert result.ret == 0, output
    assert "@pytest.mark.dg_budget(time, cost=USD, idle=TIME): " in output
    assert "@pytest.mark.dg_latency(p50=TIME, p95=TIME, turns=N): " in output


def test_fixtures_shows_ours(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--fixtures")
    output = str(result.stdout)
    assert result.ret == 0, output
    assert "Metered Deepgram Voice Agent sessions for this test, in async and sync tests alike." in output
