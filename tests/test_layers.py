"""The floor plan of the house, by what its modules import: down, or sideways inside one package."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pytest_dgbudget
from pytest_dgbudget import cli

PACKAGE = Path(pytest_dgbudget.__file__).parent
NAME = PACKAGE.name

# A new name must be given a layer here.
LAYERS = {
    "errors": 0,
    "credentials": 0,
    "folder_names": 0,
    "model": 0,
    "instants": 0,
    "units": 0,
    "paths": 0,
    "processes": 0,
    "terminals": 0,
    "config": 1,
    "rules": 1,
    "protocol": 2,
    "ledger": 2,
    "deepgram": 2,
    "recording": 2,
    "cassette": 3,
    "report": 3,
    "reconcile": 3,
    "control": 4,
    "gateway": 4,
    "emulator": 4,
    "client": 5,
    "redirect": 1,
    "drill": 5,
    "plugin": 6,
    "cli": 6,
    "public": 7,
}
ROOT_MODULES = {path.stem for path in PACKAGE.glob("*.py")}
HEAVY = {"websockets", "rich", "sqlite3", "urllib3", "psycopg", "asyncio"}


@dataclass(frozen=True)
class Import:
    """``importer`` and ``imported`` are dotted names without our package's; ``imported`` is whole for others'."""

    importer: str
    imported: str
    ours: bool
    at_run_time: bool
    in_function: bool

    @property
    def top(self) -> str:
        return self.imported.split(".")[0]

    @property
    def home(self) -> str:
        return self.importer.split(".")[0]


# Tests as users write them, which run in pytests of their own.
PROJECTS = PACKAGE / "drill" / "projects"


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(set(PACKAGE.rglob("*.py")) - set(PROJECTS.glob("*.py"))):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@cache
def trees() -> dict[str, ast.Module]:
    return {dotted: ast.parse(path.read_text(encoding="utf-8")) for dotted, path in modules()}


@cache
def nodes(dotted: str) -> list[ast.AST]:
    return [*ast.walk(trees()[dotted])]


# All of them are read once, by the first test that asks, and not by each worker that collects.
@cache
def imports() -> list[Import]:
    return [
        one
        for importer, tree in trees().items()
        for one in _imports_in(importer, tree, at_run_time=True, in_function=False)
    ]


def ours() -> list[Import]:
    return [one for one in imports() if one.ours]


def others() -> list[Import]:
    return [one for one in imports() if not one.ours]


def _imports_in(importer: str, node: ast.AST, *, at_run_time: bool, in_function: bool) -> Iterator[Import]:
    for name in _imported(importer, node):
        ours = name == NAME or name.startswith(f"{NAME}.")
        yield Import(importer, name[len(NAME) + 1 :] if ours else name, ours, at_run_time, in_function)
    inside = in_function or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):  # most of what there is, and none of it imports
            continue
        runs = at_run_time and not (typing_only and isinstance(node, ast.If) and child in node.body)
        yield from _imports_in(importer, child, at_run_time=runs, in_function=inside)


def _imported(importer: str, node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and importer.split(".")[0] == "redirect" and node.level:
        return [f"{NAME}.{_folder(importer, node.level)}.{node.module}"]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "inside the package, names are written in full"
        if node.module == NAME:
            return [f"{NAME}.{alias.name}" for alias in node.names]
        return [str(node.module)]
    return []


def _folder(importer: str, level: int) -> str:
    """Return the package that a relative import of a module begins at."""
    parts = importer.split(".")
    is_package = (PACKAGE.joinpath(*parts) / "__init__.py").exists()
    return ".".join(parts[: len(parts) - level + is_package])


def importers_of(name: str) -> set[str]:
    return {one.importer for one in others() if one.top == name}


def homes_of(name: str) -> set[str]:
    return {importer.split(".")[0] for importer in importers_of(name)}


def test_these_tests_see_the_imports() -> None:
    assert len(ours()) > 100
    assert len(others()) > 200
    assert Import("rules.budget", "model", ours=True, at_run_time=True, in_function=False) in ours()
    assert any(not one.at_run_time for one in ours())
    assert any(one.in_function for one in ours())


def test_every_module_has_a_layer() -> None:
    assert {dotted.split(".")[0] for dotted, _ in modules()} - {""} == LAYERS.keys()


def test_imports_point_down_or_sideways_inside_one_package() -> None:
    assert [one for one in ours() if one.importer and not points_down_or_sideways(one)] == []


def points_down_or_sideways(one: Import) -> bool:
    # Modules that stand beside one another in the root are in one package, too.
    beside = one.home == one.top or {one.home, one.top} <= ROOT_MODULES
    return LAYERS[one.top] < LAYERS[one.home] or (beside and LAYERS[one.top] == LAYERS[one.home])


def in_circles(known: dict[str, set[str]]) -> list[str]:
    """Return the nodes of one circle of a graph; empty when there is none."""
    try:
        TopologicalSorter(known).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_files_import_one_another_in_no_circle() -> None:
    """What is imported for its types alone counts, too."""
    known: dict[str, set[str]] = {}
    for one in ours():
        known.setdefault(one.importer, set()).add(one.imported)
    assert in_circles(known) == []


def modules_of_classes(packages: set[str]) -> dict[str, list[str]]:
    """Return, for each class name in these packages, the modules that define it."""
    places: dict[str, list[str]] = {}
    for dotted in trees():
        if dotted.split(".")[0] in packages:
            for node in nodes(dotted):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(dotted)
    return places


def test_a_class_name_is_used_once_outside_the_emulator() -> None:
    # What also runs in children has the name of an error that users meet here.
    places = modules_of_classes({"", *LAYERS} - {"emulator", "redirect"})
    assert len(places) > 100
    assert {name: homes for name, homes in places.items() if len(homes) > 1} == {}


def test_a_class_name_is_used_once_within_the_emulator() -> None:
    places = modules_of_classes({"emulator"})
    assert len(places) > 50
    assert {name: homes for name, homes in places.items() if len(homes) > 1} == {}


# In which process a line runs, by the folder that it stands in.
IN_PYTEST_OR_CLI = {"control", "client", "plugin", "cli"}
IN_A_PROCESS_OF_ITS_OWN = {"gateway", "emulator"}


def test_no_code_of_one_process_is_imported_in_another() -> None:
    elsewhere = [
        one
        for one in ours()
        if (one.top in IN_A_PROCESS_OF_ITS_OWN and one.home != one.top)
        or (one.top in IN_PYTEST_OR_CLI and one.home in IN_A_PROCESS_OF_ITS_OWN)
    ]
    assert elsewhere == []


def test_a_command_is_a_module_of_the_command_line_or_a_program_of_its_own() -> None:
    homes = {name: module.split(".")[1] for name, (_, module) in cli._COMMANDS.items()}
    assert homes == {name: "emulator" if name == "emulator" else "cli" for name in homes}


# What tests replace. Our threads go on meanwhile, so functions of these are imported by name, before any test.
REPLACED_BY_TESTS = {"asyncio", "json", "os", "secrets", "socket", "subprocess", "threading", "time"}
BESIDE_TESTS = {"client", "control", "protocol", "rules"}
# Called on the thread of a test alone, by xdist's controller, which runs none, and by a command.
NOT_BESIDE_TESTS = {
    *("control.activation", "control.environment", "control.on_demand", "control.real_time"),
    "client.cassette_client",
}
NOT_REPLACED = {"os.fsdecode", "os.fspath", "os.register_at_fork"}


def test_what_runs_beside_a_test_looks_up_no_name_that_tests_replace() -> None:
    looked_up = [
        f"{dotted}: {called}"
        for dotted in trees()
        if dotted.split(".")[0] in BESIDE_TESTS and dotted not in NOT_BESIDE_TESTS
        for node in nodes(dotted)
        if isinstance(node, ast.Call)
        and (called := ast.unparse(node.func)) not in NOT_REPLACED
        and called.rpartition(".")[0] in REPLACED_BY_TESTS
    ]
    by_name = [
        f"{one.importer}: {one.imported}"
        for one in others()
        if one.home in {"client", "control"} and one.imported == "time"
    ]
    assert looked_up == []
    assert by_name == ["control.real_time: time"]


def test_what_both_processes_agree_on_is_pure() -> None:
    allowed = {"__future__", "collections", "dataclasses", "functools", "hmac", "http", "json", "types", "typing"}
    assert {one.top for one in others() if one.home == "protocol"} <= allowed


@pytest.mark.parametrize("package", sorted({path.parent.parent.name for path in PACKAGE.glob("*/*/__init__.py")}))
def test_the_folders_inside_a_package_know_one_another_in_one_direction_only(package: str) -> None:
    known: dict[str, set[str]] = {}
    for one in ours():
        (top, *importer), (other_top, *imported) = one.importer.split("."), one.imported.split(".")
        if top == other_top == package and importer and imported and importer[0] != imported[0] and one.at_run_time:
            known.setdefault(importer[0], set()).add(imported[0])
    assert len(known) > 1
    TopologicalSorter(known).prepare()  # CycleError names those that go round


def test_what_redirects_imports_nothing_of_ours_but_itself_and_by_relative_names() -> None:
    assert {one.top for one in ours() if one.home == "redirect"} == {"redirect"}
    absolute = [
        one
        for dotted in trees()
        if dotted.split(".")[0] == "redirect"
        for one in nodes(dotted)
        if isinstance(one, ast.ImportFrom) and one.level == 0 and str(one.module).split(".")[0] == NAME
    ]
    assert absolute == []


def test_what_redirects_imports_clients_only_where_they_are_in_use() -> None:
    of_clients = [one for one in others() if one.home == "redirect" and one.top not in sys.stdlib_module_names]
    assert {one.top for one in of_clients} == {"aiohttp", "httpcore", "multidict", "urllib3"}
    assert all(one.in_function for one in of_clients)


def test_plugin_and_cli_know_nothing_of_each_other() -> None:
    assert not [one for one in ours() if {one.home, one.top} == {"plugin", "cli"}]


def test_the_emulator_is_imported_by_nothing_but_its_command() -> None:
    assert {one.home for one in ours() if one.top == "emulator"} == {"emulator"}


def test_the_emulator_imports_nothing_of_ours_but_layer_0_and_the_audio_rules() -> None:
    # Of audio the two must agree on everything: what a sample is, and which words it carries.
    imported = {one.imported for one in ours() if one.home == "emulator" and one.top != "emulator"}
    above = {name for name in imported if LAYERS[name.split(".")[0]] > 0}
    assert above == {"rules.audio", "rules.carried_words", "rules.samples"}


def test_the_package_imports_nothing_of_ours_before_it_is_used() -> None:
    assert {one.imported for one in imports() if not one.importer and one.at_run_time and not one.in_function} == {
        "__future__",
        "importlib",
        "typing",
    }


def test_nothing_below_layer_4_knows_asyncio() -> None:
    assert min(LAYERS[home] for home in homes_of("asyncio")) >= 4


def test_the_rules_are_pure() -> None:
    allowed = {"__future__", "bisect", "collections", "dataclasses", "enum", "fnmatch", "json", "typing", "re", "math"}
    of_figures = {"statistics"}
    of_samples = {"array", "operator", "sys", "zlib"}  # of zlib the checksum
    of_commands = {"shlex"}  # its quote, for commands that messages advise
    of_memory = {"functools"}
    known = allowed | of_samples | of_figures | of_commands | of_memory
    assert {one.top for one in others() if one.home == "rules"} <= known


def test_the_settings_read_nothing_but_what_they_are_given() -> None:
    impure = {"socket", "threading", "asyncio", "pytest", "subprocess", "tempfile", "random"}
    assert not impure & {one.top for one in others() if one.importer == "config.resolve"}
    used = {ast.unparse(node) for node in nodes("config.resolve") if isinstance(node, ast.Attribute)}
    assert {name for name in used if re.fullmatch(r"(os|time)\.\w+", name)} == {
        "os.urandom",
        "time.strftime",
        "time.gmtime",
    }


def test_pytest_is_spoken_to_by_the_plugin_alone_and_asked_for_its_configuration_by_one_file() -> None:
    assert homes_of("pytest") == {"plugin", "cli"}
    assert {name for name in importers_of("pytest") if name.split(".")[0] == "cli"} == {"cli.configuration"}
    assert homes_of("_pytest") == set()


def test_what_is_drilled_is_started_and_not_imported() -> None:
    of_drill = {one.top for one in ours() if one.home == "drill"}
    assert of_drill - ROOT_MODULES == {"drill", "rules"}
    assert {one.home for one in ours() if one.top == "drill"} == {"drill", "cli"}


def test_xdist_is_never_imported() -> None:
    assert importers_of("xdist") == set()


def test_websockets_is_known_to_those_who_speak_it() -> None:
    assert homes_of("websockets") == {"client", "drill", "gateway", "emulator"}


def test_sqlite_is_known_to_one_module() -> None:
    assert importers_of("sqlite3") == {"ledger.sqlite"}


def test_urllib3_is_known_to_one_module() -> None:
    assert importers_of("urllib3") - {"redirect.clients.urllib3_pool"} == {"deepgram.transport"}


def test_rich_is_imported_where_something_is_drawn_and_then_only() -> None:
    assert [one for one in others() if one.top == "rich"]
    assert all(one.in_function for one in others() if one.top == "rich")


# What loading costs


def printed(program: str, *arguments: str, cwd: Path | None = None) -> set[str]:
    """Return the words that a program of a fresh interpreter prints last."""
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["", ".plugin"])
def test_loading_imports_nothing_heavy(module: str) -> None:
    program = f"import sys, pytest; before = set(sys.modules); import {NAME}{module}; print(*set(sys.modules) - before)"
    loaded = printed(program)
    assert f"{NAME}{module}" in loaded
    assert not HEAVY & loaded


def test_a_gateway_starts_without_what_only_its_end_needs() -> None:
    loaded = printed(f"import sys, {NAME}.gateway.process; print(*sys.modules)")
    assert f"{NAME}.gateway.closing" in loaded
    assert "urllib3" not in loaded


@pytest.mark.parametrize("arguments", [["--co", "-q"], ["--version", "--version"], []], ids=" ".join)
def test_a_pytest_that_asks_for_no_session_imports_nothing_heavy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "test_trivial.py").write_text("def test_trivial(): pass\n", encoding="utf-8")
    program = (
        "import sys, pytest; status = pytest.main(sys.argv[1:]); print('\\n', *sys.modules, 'status', int(status))"
    )
    plain = printed(program, *arguments, "-p", "no:cacheprovider", cwd=tmp_path)
    ours = printed(program, *arguments, "-p", "no:cacheprovider", "-p", "dgbudget", cwd=tmp_path)
    assert f"{NAME}.plugin" in ours - plain
    assert not HEAVY & (ours - plain)
