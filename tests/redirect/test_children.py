"""Python children are redirected from their start, and notice nothing of it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from pytest_dgbudget import redirect
from pytest_dgbudget.redirect import NAME_IN_CHILDREN, VARIABLE, RedirectSettings
from pytest_dgbudget.redirect.children import CHILD_FOLDER, children_environment
from tests.redirect.names import AGENT_URL, ANOTHER_TOKEN, KEY, TOKEN
from tests.support.project import PROJECTS
from tests.support.recording_server import RecordingServer
from tests.support.variables import clean_environment

CHILD = PROJECTS / "redirect" / "child.py"
SITECUSTOMIZE = Path(CHILD_FOLDER) / "sitecustomize.py"
SAYS_WHO_IT_IS = "import sys; print(getattr(sys.modules.get('sitecustomize'), '__file__', None))"
INTERPRETERS = [f"python3.{minor}" for minor in range(7, 15)]


def run(
    arguments: list[str], settings: RedirectSettings | None, changes: dict[str, str] | None = None, python: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(changes or {})
    if settings is not None:
        environment.update(children_environment(environment, settings))
    command = [python or sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A folder of the user's with a sitecustomize that leaves a trace."""
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "sitecustomize.py").write_text("import sys\nsys.users_ran = __name__\n", encoding="utf-8")
    return tmp_path / "users"


# The environment


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, [CHILD_FOLDER]),
        ("", [CHILD_FOLDER]),
        ("/a", [CHILD_FOLDER, "/a"]),
        ("/a::/b", [CHILD_FOLDER, "/a", "", "/b"]),
        (CHILD_FOLDER, [CHILD_FOLDER]),
        (os.pathsep.join(["/a", CHILD_FOLDER]), [CHILD_FOLDER, "/a"]),
    ],
)
def test_the_users_pythonpath_follows_ours(before: str | None, after: list[str], settings: RedirectSettings) -> None:
    environ = {} if before is None else {"PYTHONPATH": before}
    changes = children_environment(environ, settings)
    assert changes["PYTHONPATH"].split(os.pathsep) == after
    assert redirect.settings.from_json(changes[VARIABLE]).token == settings.token
    assert changes.keys() == {"PYTHONPATH", VARIABLE}


def test_the_folder_holds_nothing_else_that_could_be_imported() -> None:
    assert [path.name for path in Path(CHILD_FOLDER).iterdir() if path.name != "__pycache__"] == ["sitecustomize.py"]


def test_the_names_in_the_child_are_those_of_the_package() -> None:
    text = SITECUSTOMIZE.read_text(encoding="utf-8")
    assert f'"{VARIABLE}"' in text
    assert f'"{NAME_IN_CHILDREN}"' in text


def test_its_syntax_is_that_of_every_python() -> None:
    newer = (
        ast.AnnAssign,
        ast.AsyncFunctionDef,
        ast.Await,
        ast.JoinedStr,
        ast.NamedExpr,
        ast.Nonlocal,
        ast.Starred,
        ast.YieldFrom,
    )
    for node in ast.walk(ast.parse(SITECUSTOMIZE.read_text(encoding="utf-8"))):
        assert not isinstance(node, newer), ast.dump(node)
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            assert not node.args.kwonlyargs
            assert not [argument for argument in node.args.args if argument.annotation]


# Children


def test_a_child_is_redirected_and_the_users_sitecustomize_still_runs(
    gateway: RecordingServer, settings: RedirectSettings, users: Path
) -> None:
    changes = {"PYTHONPATH": str(users), "DEEPGRAM_API_KEY": KEY}
    program = f"import sys; sys.argv = ['x', 'websockets_sync', '{AGENT_URL}', 'at_import']; sys.path[0:0] = "
    program += f"['{CHILD.parent}']; import child; print(sys.users_ran, [p for p in sys.path if p == '{CHILD_FOLDER}'])"
    ended = run(["-c", program], settings, changes)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == "sitecustomize []"
    assert gateway.take().credential == f"Token {TOKEN}"


@pytest.mark.slow
@pytest.mark.parametrize("client", ["websockets_asyncio", "websocket_client", "aiohttp_session", "httpx_ws"])
def test_a_grandchild_is_redirected(client: str, gateway: RecordingServer, settings: RedirectSettings) -> None:
    program = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    ended = run(["-c", program, str(CHILD), client, AGENT_URL, "hard_coded"], settings)
    assert ended.returncode == 0, ended.stderr
    assert gateway.take().credential == f"Token {TOKEN}"


@pytest.mark.slow
def test_a_run_inside_a_child_has_its_own_settings_and_gives_them_back(
    gateway: RecordingServer, settings: RedirectSettings
) -> None:
    """An xdist worker is such a child: it has its controller's settings, until its plugin installs its own."""
    ended = run([str(PROJECTS / "redirect" / "worker.py"), gateway.netloc, ANOTHER_TOKEN], settings)
    assert ended.returncode == 0, ended.stderr
    shown = [request.credential for request in gateway.requests]
    assert shown == [f"Token {TOKEN}", f"Token {ANOTHER_TOKEN}", f"Token {TOKEN}"]


@pytest.mark.slow
def test_without_settings_it_only_hands_on(users: Path) -> None:
    path = os.pathsep.join([CHILD_FOLDER, str(users)])
    program = f"{SAYS_WHO_IT_IS}; print(sys.users_ran, sorted(m for m in sys.modules if 'dgbudget' in m))"
    ended = run(["-c", program], None, {"PYTHONPATH": path})
    assert ended.stdout.split("\n")[:2] == [str(users / "sitecustomize.py"), "sitecustomize []"]


@pytest.mark.slow
@pytest.mark.parametrize("text", ["raise ValueError('theirs')", "import no_such_module", "1/0", "x = ("])
@pytest.mark.parametrize("flags", [[], ["-v"]], ids=["plain", "verbose"])
def test_errors_of_the_users_sitecustomize_are_as_without_ours(
    text: str, flags: list[str], users: Path, settings: RedirectSettings
) -> None:
    (users / "sitecustomize.py").write_text(text + "\n", encoding="utf-8")
    program = [*flags, "-c", "import sys; print('sitecustomize' in sys.modules)"]
    without = run(program, None, {"PYTHONPATH": str(users)})
    ours = run(program, settings, {"PYTHONPATH": str(users)})
    assert (ours.returncode, ours.stdout) == (without.returncode, without.stdout)
    if not flags:
        assert ours.stderr == without.stderr
    assert without.stderr.splitlines()[-1] in ours.stderr


@pytest.mark.slow
def test_the_sitecustomize_of_a_virtual_environment_still_runs(
    tmp_path: Path, gateway: RecordingServer, settings: RedirectSettings
) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (site / "sitecustomize.py").write_text("", encoding="utf-8")
    ended = run(["-c", SAYS_WHO_IT_IS], settings, python=str(tmp_path / "venv" / "bin" / "python"))
    assert (ended.stdout.strip(), ended.stderr) == (str(site / "sitecustomize.py"), "")


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["{", "null", '{"gateway": 5}', "x" * 100])
def test_settings_that_cannot_be_read_break_no_child(broken: str) -> None:
    ended = run(["-c", "import ssl, asyncio; print(1)"], None, {"PYTHONPATH": CHILD_FOLDER, VARIABLE: broken})
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("flags", ["-S", "-E", "-I", "-s", "-W error", "-O", "-OO", "-X dev"])
def test_a_child_started_with_any_flag_works(flags: str, settings: RedirectSettings) -> None:
    ended = run([*flags.split(), "-c", "import ssl; print(1)"], settings)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


@pytest.fixture
def vendor() -> Iterator[RecordingServer]:
    """A server with a certificate, which these children don't look at."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("agent.deepgram.com").configure_cert(tls)
    with RecordingServer(tls=tls) as server:
        yield server


@pytest.fixture
def copied(settings: RedirectSettings, users: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of children whose redirect is a copy: a Python 2 leaves its .pyc files beside the sources."""
    shutil.copytree(Path(CHILD_FOLDER).parent, tmp_path / "package")
    environment = children_environment({"PYTHONPATH": str(users)}, settings)
    environment["PYTHONPATH"] = environment["PYTHONPATH"].replace(CHILD_FOLDER, str(tmp_path / "package" / "child"))
    return environment


def interpreter(name: str) -> str:
    python = shutil.which(name)
    if python is None or subprocess.run([python, "-c", "import ssl"], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no {name} here")
    return python


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python2.7", "python3.6"])
def test_a_child_of_a_python_that_is_too_old_is_as_without_us(name: str, copied: dict[str, str]) -> None:
    program = "import sys, ssl; print(sys.users_ran); print([m for m in sys.modules if 'dgbudget' in m])"
    ended = run(["-W", "error", "-c", program], None, copied, python=interpreter(name))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "sitecustomize\n[]\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", INTERPRETERS)
def test_a_child_of_another_python_is_refused_what_cannot_be_redirected(
    name: str, gateway: RecordingServer, vendor: RecordingServer, copied: dict[str, str]
) -> None:
    child = str(PROJECTS / "redirect" / "raw_child.py")
    python = interpreter(name)
    ended = run(["-W", "error", child, str(vendor.port)], None, copied, python=python)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "BypassRefused\n", "")
    assert json.loads(gateway.take().body)["program"] == child
    assert run([child, str(vendor.port)], None, python=python).stdout == "sent\n"


@pytest.mark.slow
def test_a_child_that_uses_no_client_costs_at_most_five_milliseconds_of_cpu_more(
    settings: RedirectSettings,
) -> None:
    plain = clean_environment({})
    plain.pop("PYTHONDONTWRITEBYTECODE", None)
    environments = {"plain": plain, "redirected": {**plain, **children_environment(plain, settings)}}
    seconds: dict[str, list[float]] = {name: [] for name in environments}
    for _ in range(60):
        for name, environment in environments.items():
            child = subprocess.Popen([sys.executable, "-c", "pass"], env=environment)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            assert child.returncode == 0
            seconds[name].append(used.ru_utime + used.ru_stime)
    more = statistics.median(
        redirected - plain for plain, redirected in zip(seconds["plain"], seconds["redirected"], strict=True)
    )
    print(f"median {more * 1000:.2f} ms more")
    assert more < 0.005
