"""What is recorded of a test that passed becomes cassettes: all of it, or nothing and a reason."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_dgbudget.cassette.cassette import Cassette
from pytest_dgbudget.cassette.store import cassettes_in
from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.control import cassettes as keeping
from pytest_dgbudget.control.cassettes import CassetteKeeper, MadeCassettes, NotMade, RecordedTest, why_no_place
from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.errors import CassetteRefused, GatewayError
from pytest_dgbudget.protocol.operations import RecordCassette, WriteRecordings
from tests.support.cassettes import CONVERSATION, ended
from tests.support.recorded_sessions import Step, record
from tests.support.recordings import ATTEMPT

REFUSED = CassetteRefused("line 3 has a key: have dg_scrub replace it", kind="a key", line=3, pointer="/content")
REPLAYED = {"cassette": "cassettes/it/1", "recorded_at": None, "mismatch": None}


class Gateway:
    """Answers as a gateway does whose disk has taken everything when it is asked again so often."""

    def __init__(self, *, slow: int = 0, gone: bool = False) -> None:
        self._slow = slow
        self._gone = gone
        self.told: list[Any] = []

    def ask(self, operation: WriteRecordings) -> bool:
        assert operation == WriteRecordings(attempt=ATTEMPT)
        if self._gone:
            raise GatewayError("gone")
        self._slow -= 1
        return self._slow < 0

    def send(self, operation: Any) -> None:
        self.told.append(operation)


class World:
    """The sessions of one attempt, and a folder for its cassettes."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.folder = folder / "tests/cassettes/it"
        self.sessions = 0

    def records(self, *sessions: str, steps: Sequence[Step] = CONVERSATION, **usage: Any) -> None:
        for session in sessions:
            record(self.root / "spool", [*steps, ended(**usage)], session=session)
        self.sessions += 0 if usage.get("replay") else len(sessions)

    def keep(
        self, how: str = "rewrite", gateway: Gateway | None = None, scrub: Callable[[str], str] | None = None
    ) -> MadeCassettes | None:
        test = RecordedTest(
            attempt=ATTEMPT, sessions=self.sessions, spool=self.root / "spool" / ATTEMPT, cassettes=self.folder
        )
        keeper = CassetteKeeper(run_config(self.root, how), self.root, scrub)
        return keeper.keep(cast("GatewayClient", gateway or Gateway()), test)

    @property
    def cassettes(self) -> list[Cassette]:
        return cassettes_in(self.folder)


def run_config(root: Path, how: str) -> RunConfig:
    given = {"dg_target": "live", "dg_record": how}
    return resolve(command_line=given, environment={}, ini={}, rootdir=root, current_dir=root)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_sessions_become_cassettes_in_the_order_of_their_dials_and_the_gateway_learns_which(world: World) -> None:
    world.records("0002", "0001", ms=3000)
    gateway = Gateway()
    assert world.keep(gateway=gateway) == MadeCassettes(count=2, ms=6000)
    assert gateway.told == [
        RecordCassette(session="0001", cassette="tests/cassettes/it/1"),
        RecordCassette(session="0002", cassette="tests/cassettes/it/2"),
    ]
    assert [cassette.facts.ms for cassette in world.cassettes] == [3000, 3000]


def test_rewrite_replaces_the_whole_set_and_once_goes_on_after_it(world: World) -> None:
    world.records("0001", "0002")
    world.keep()
    world.records("0003")
    world.keep("once")
    assert [cassette.folder.name for cassette in world.cassettes] == ["1", "2", "3", "4", "5"]
    world.keep("rewrite")
    assert [cassette.folder.name for cassette in world.cassettes] == ["1", "2", "3"]


def test_what_was_replayed_is_not_recorded_again(world: World) -> None:
    world.records("0001", replay=REPLAYED)
    assert world.keep("once") is None
    assert world.cassettes == []
    world.records("0002", replay=None)
    gateway = Gateway()
    assert world.keep("once", gateway) == MadeCassettes(count=1, ms=3000)
    assert gateway.told == [RecordCassette(session="0002", cassette="tests/cassettes/it/1")]


def test_a_dialled_session_without_a_recording_is_missed_beside_replays(world: World) -> None:
    world.records("0001", replay=REPLAYED)
    world.sessions += 1
    with pytest.raises(NotMade, match="of its 1 session 1 could not be recorded"):
        world.keep("once")


def test_a_slow_disk_is_waited_for(world: World) -> None:
    world.records("0001")
    assert world.keep(gateway=Gateway(slow=3)) == MadeCassettes(count=1, ms=3000)


def test_a_test_without_sessions_keeps_what_it_has(world: World) -> None:
    assert world.keep() is None
    assert world.cassettes == []


def test_the_hook_is_applied_to_every_text(world: World) -> None:
    world.records("0001")
    world.keep(scrub=lambda text: text.replace("order", "[thing]"))
    assert b"order" not in (world.folder / "1/session.jsonl").read_bytes()


def gap(world: World) -> None:
    steps = [*CONVERSATION[:4], (600, "gateway", ("(lost)", {"bytes": 3, "direction": "server_to_client"}))]
    world.records("0002", steps=steps)


def no_recording(world: World) -> None:
    world.sessions += 1


@pytest.mark.parametrize(
    ("spoil", "gateway", "why"),
    [
        (gap, Gateway(), "the recording has a gap: more passed than could be written in time"),
        (no_recording, Gateway(), "of its 2 sessions 1 could not be recorded"),
        (lambda _: None, Gateway(slow=100), "the disk did not take the recording in time"),
        (lambda _: None, Gateway(gone=True), "the gateway died"),
    ],
    ids=["a gap", "no recording", "a slow disk", "no gateway"],
)
def test_where_one_session_can_not_be_kept_none_is_and_none_is_replaced(
    world: World, spoil: Callable[[World], None], gateway: Gateway, why: str
) -> None:
    world.records("0001")
    world.keep()
    before = world.cassettes
    spoil(world)
    for how in ("rewrite", "once"):
        with pytest.raises(NotMade) as error:
            world.keep(how, gateway)
        assert str(error.value) == why
    assert world.cassettes == before
    assert gateway.told == []


@pytest.mark.parametrize(
    ("raised", "why"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "cassettes can't be written in tests/cassettes (No space left on device): free some space, or name another "
            "folder with --dg-cassette-dir",
        ),
        (
            OSError(errno.EACCES, "Permission denied"),
            "cassettes can't be written in tests/cassettes (Permission denied): make it writable, or name another "
            "folder with --dg-cassette-dir",
        ),
        (REFUSED, str(REFUSED)),
    ],
    ids=["full", "not writable", "refused"],
)
def test_what_keeps_cassettes_from_being_written_is_said_with_what_to_do(
    world: World, monkeypatch: pytest.MonkeyPatch, raised: Exception, why: str
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(keeping, "write_cassettes", fail)
    world.records("0001")
    gateway = Gateway()
    with pytest.raises(NotMade) as error:
        world.keep(gateway=gateway)
    assert str(error.value) == why
    assert gateway.told == []


def test_a_place_for_cassettes_is_tried_and_leaves_nothing_new(tmp_path: Path) -> None:
    assert why_no_place(tmp_path / "tests/cassettes/it", tmp_path) is None
    assert [*(tmp_path / "tests").rglob("*")] == []
    (tmp_path / "tests/cassettes").mkdir()
    assert why_no_place(tmp_path / "tests/cassettes/it", tmp_path) is None
    assert [*(tmp_path / "tests").rglob("*")] == [tmp_path / "tests/cassettes"]


@pytest.mark.parametrize("file", ["tests", "tests/cassettes", "tests/cassettes/it"])
def test_a_file_in_the_place_of_cassettes_is_named(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("mine", encoding="utf-8")
    why = why_no_place(tmp_path / "tests/cassettes/it", tmp_path)
    assert why is not None
    assert why.startswith("cassettes can't be written in tests/cassettes (")
    assert why.endswith(f"): {file} is a file: move it away, or name another folder with --dg-cassette-dir")


def test_a_place_outside_the_rootdir_is_named_by_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("mine", encoding="utf-8")
    why = why_no_place(tmp_path / "shared/it", tmp_path / "project")
    assert why is not None
    assert why.startswith(f"cassettes can't be written in {tmp_path}/shared (")
