"""What a gateway is told on its stdin."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from pytest_dgbudget.config.resolve import resolve
from pytest_dgbudget.protocol.startup import GatewayConfig, load

KEY, SECRET = "the-real-key", "the-control-secret"


def config() -> GatewayConfig:
    run_config = resolve(
        command_line={},
        environment={"DEEPGRAM_API_KEY": KEY},
        ini={},
        rootdir=Path("/project"),
        current_dir=Path("/project"),
    )
    return GatewayConfig(
        run_config=run_config,
        invocation="i",
        predecessor="it ended with status -9",
        takes_over=False,
        host="here",
        pid=1,
        started="1",
        temporary_folder="/tmp/dgbudget-1",
        listener=5,
        connected=((6, "R0VU"), (7, "")),
        public_listener=8,
        scripts_folder="/tmp/dgbudget-scripts-1",
        worker_tokens=("d9b0d9e7" + "0" * 32,),
        log="/project/gateway.log",
        debug=True,
        app_token="an-application's-token",
        api_key=KEY,
        secret=SECRET,
    )


def test_what_was_dumped_is_what_is_loaded() -> None:
    before = config()
    loaded = load(before.dump())
    assert loaded.run_config.to_json() == before.run_config.to_json()
    for field in fields(GatewayConfig):
        if field.name != "run_config":
            assert getattr(loaded, field.name) == getattr(before, field.name)


def test_i9_neither_key_nor_secret_is_in_its_repr() -> None:
    assert KEY not in repr(config())
    assert SECRET not in repr(config())


def test_the_key_comes_once_and_not_in_the_run_config() -> None:
    loaded = load(config().dump())
    assert (loaded.api_key, loaded.run_config.api_key) == (KEY, None)
    assert config().dump().count(KEY.encode()) == 1
