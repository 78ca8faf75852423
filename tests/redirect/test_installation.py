"""A redirect is installed, nested and removed; nothing of it stays, and what is somebody else's is left to them."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget import redirect
from pytest_dgbudget.redirect import RedirectSettings, install, patches, settings
from pytest_dgbudget.redirect.finder import WATCHED, Finder
from tests.projects.redirect.dial import websocket_client, websockets_asyncio, websockets_sync
from tests.redirect.names import AGENT_URL, ANOTHER_TOKEN, KEY, TOKEN
from tests.support.recording_server import RecordingServer

FOLDER = Path(redirect.__file__).parent


CLIENTS = ("websockets", "websocket", "aiohttp", "httpx", "urllib3")  # those that this environment has


def load_all() -> None:
    for name in [name for name in WATCHED if name.partition(".")[0] in CLIENTS]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # websockets.legacy
            with suppress(ModuleNotFoundError):  # its version has another client less
                importlib.import_module(name)


def everything_patched() -> dict[str, Any]:
    """Return what each watched module has, two levels deep, and what finds modules."""
    found: dict[str, Any] = {"meta_path": list(sys.meta_path)}
    for name in WATCHED:
        module = sys.modules.get(name)
        for attribute, value in vars(module).items() if module else ():
            found[f"{name}.{attribute}"] = value
            if inspect.isclass(value):
                found.update({f"{name}.{attribute}.{inner}": one for inner, one in vars(value).items()})
                codes = {
                    inner: getattr(getattr(one, "__func__", one), "__code__", None)
                    for inner, one in vars(value).items()
                }
                found.update({f"{name}.{attribute}.{inner}()": code for inner, code in codes.items()})
            if inspect.isfunction(value):
                found[f"{name}.{attribute}()"] = (value.__code__, value.__defaults__, dict(vars(value)))
        if module is not None:
            found[f"{name} loader"] = (module.__loader__, module.__spec__ and module.__spec__.loader)
    return found


def test_nothing_stays_after_it_is_uninstalled(settings: RedirectSettings) -> None:
    load_all()
    before = everything_patched()
    installed = install(settings)
    changed = [name for name, value in everything_patched().items() if before.get(name, None) is not value]
    assert len(changed) > len(WATCHED) // 2
    installed.uninstall()
    after = everything_patched()
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == []


def test_uninstalling_twice_or_installing_twice_changes_nothing_more(settings: RedirectSettings) -> None:
    load_all()
    before = list(sys.meta_path)
    first, second = install(settings), install(settings)
    assert sum(isinstance(finder, Finder) for finder in sys.meta_path) == 1
    first.uninstall()
    first.uninstall()
    assert sum(isinstance(finder, Finder) for finder in sys.meta_path) == 1
    second.uninstall()
    assert sys.meta_path == before


def test_the_innermost_settings_are_in_force(gateway: RecordingServer, settings: RedirectSettings) -> None:
    outer = install(RedirectSettings(gateway.netloc, TOKEN, AGENT_URL))
    inner = install(RedirectSettings(gateway.netloc, ANOTHER_TOKEN, AGENT_URL))
    websockets_sync(AGENT_URL, KEY)
    assert gateway.take().credential == f"Token {ANOTHER_TOKEN}"
    inner.uninstall()
    websockets_sync(AGENT_URL, KEY)
    assert gateway.take().credential == f"Token {TOKEN}"
    outer.uninstall()
    with pytest.raises(OSError, match="not looked up"):
        websockets_sync(AGENT_URL, KEY)


def test_an_outer_one_can_end_first(gateway: RecordingServer, settings: RedirectSettings) -> None:
    outer = install(RedirectSettings(gateway.netloc, TOKEN, AGENT_URL))
    inner = install(RedirectSettings(gateway.netloc, ANOTHER_TOKEN, AGENT_URL))
    outer.uninstall()
    websocket_client(AGENT_URL, KEY)
    assert gateway.take().credential == f"Token {ANOTHER_TOKEN}"
    inner.uninstall()


def test_what_somebody_else_replaced_meanwhile_is_left_to_them(
    settings: RedirectSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from websockets.asyncio.client import connect

    installed = install(settings)
    ours = connect.__init__

    def theirs(self: Any, *args: Any, **kwargs: Any) -> None:
        ours(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "__init__", theirs)
        installed.uninstall()
        assert connect.__init__ is theirs
        with pytest.raises(OSError, match="not looked up"):  # what they call of ours does nothing any more
            websockets_asyncio(AGENT_URL, KEY)
        patch.undo()
    monkeypatch.setattr(connect, "__init__", ours.__wrapped__)  # type: ignore[attr-defined]


def test_a_module_that_is_imported_later_is_patched_then(
    gateway: RecordingServer, settings: RedirectSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "websocket"]:
        monkeypatch.delitem(sys.modules, name)
    installed = install(settings)
    assert not [name for name in sys.modules if name.partition(".")[0] == "websocket"]
    websocket_client(AGENT_URL, KEY)
    assert gateway.take().credential == f"Token {TOKEN}"
    module = sys.modules["websocket._core"]
    assert type(module.__loader__) is type(module.__spec__.loader) is type(json_loader())  # type: ignore[union-attr]
    installed.uninstall()
    assert "dgbudget" not in repr(module.WebSocket.connect.__code__)


def json_loader() -> Any:
    import json

    return json.__loader__


def test_installing_imports_no_client(settings: RedirectSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = {name.partition(".")[0] for name in WATCHED if name != "ssl"}
    for name in [name for name in sys.modules if name.partition(".")[0] in clients]:
        monkeypatch.delitem(sys.modules, name)
    installed = install(settings)
    assert not [name for name in sys.modules if name.partition(".")[0] in clients]
    installed.uninstall()


def test_a_client_that_has_changed_too_much_is_imported_all_the_same(
    settings: RedirectSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "websocket").mkdir()
    (tmp_path / "websocket" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "websocket" / "_core.py").write_text("VERSION = 99\n", encoding="utf-8")
    for name in [name for name in sys.modules if name.partition(".")[0] == "websocket"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    installed = install(settings)
    assert importlib.import_module("websocket._core").VERSION == 99
    installed.uninstall()
    for name in ("websocket", "websocket._core"):
        monkeypatch.delitem(sys.modules, name)


def answer(question: str, *, loud: bool = False) -> str:
    return question.upper() if loud else question


def test_a_function_stays_the_same_object_while_its_code_is_another() -> None:
    same, signature, code = answer, inspect.signature(answer), answer.__code__
    patches.replace_code(answer, lambda original: lambda *args, **kwargs: "redirected " + original(*args, **kwargs))
    assert same("a", loud=True) == "redirected A"
    assert inspect.signature(answer) == signature
    patches.restore_all()
    assert (same("a"), answer.__code__, vars(answer)) == ("a", code, {})
    assert not [name for name in globals() if "dgbudget" in name]


class Answers:
    """Has what a function's code can have: a class that it names, and an await."""

    def sync(self) -> str:
        return str(__class__.__name__)  # type: ignore[name-defined]

    async def later(self) -> str:
        return str(__class__.__name__)  # type: ignore[name-defined]


def test_code_is_replaced_in_methods_with_free_variables_and_in_coroutine_functions() -> None:
    def adding(original: Any) -> Any:
        return lambda self: f"redirected {original(self)}"

    def adding_later(original: Any) -> Any:
        async def later(self: Answers) -> str:
            return f"redirected {await original(self)}"

        return later

    patches.replace_code(Answers.sync, adding)
    patches.replace_code(Answers.later, adding_later)
    assert inspect.iscoroutinefunction(Answers.later)
    assert (Answers().sync(), asyncio.run(Answers().later())) == ("redirected Answers", "redirected Answers")
    patches.restore_all()
    assert (Answers().sync(), asyncio.run(Answers().later())) == ("Answers", "Answers")


def test_settings_travel_as_one_line_and_show_no_token() -> None:
    written = RedirectSettings("127.0.0.1:9", TOKEN, AGENT_URL, "warn", grant=False)
    text = written.to_json()
    assert "\n" not in text
    read = settings.from_json(text)
    assert [getattr(read, name) for name in read.__slots__] == [getattr(written, name) for name in read.__slots__]
    assert TOKEN not in repr(read)


def test_settings_of_another_version_are_read() -> None:
    assert settings.from_json('{"gateway": "a:1", "token": "t", "agent_url": "u", "new": 1}').how == "clients"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"gateway": 1}'])
def test_settings_that_cannot_be_read_redirect_nothing(text: str) -> None:
    installed = install(text)
    assert settings.current() is None
    installed.uninstall()


# What an old Python, without our package, can do with it

SOURCES = sorted(path for path in FOLDER.rglob("*.py") if path.parent.name != "child")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_its_syntax_is_that_of_python_3_7(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
