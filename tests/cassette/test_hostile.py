"""A cassette that somebody has edited, or half of which is gone, is an error that says where, and never another one."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.cassette.cassette import Cassette
from pytest_dgbudget.cassette.store import read_cassette, write_cassettes
from pytest_dgbudget.errors import CassetteError
from tests.support.cassettes import cassette

LINES, RECORDING = "session.jsonl", "recording.json"
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    (written,) = write_cassettes(folder / "test", [cassette(folder / "recordings")])
    return written


@pytest.fixture
def session(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "test" / "1"))


def why(session: Path) -> str:
    begun = time.monotonic()
    with pytest.raises(CassetteError) as error:
        read_cassette(session)
    assert time.monotonic() - begun < 5
    return str(error.value).removeprefix(f"{session}/")


def edit_line(session: Path, number: int, text: str) -> None:
    lines = (session / LINES).read_text().split("\n")
    lines[number - 1] = text
    (session / LINES).write_text("\n".join(lines))


def edit(session: Path, change: Edit) -> None:
    fields = json.loads((session / RECORDING).read_text())
    change(fields)
    (session / RECORDING).write_text(json.dumps(fields))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "no JSON", "[]", "5", "null", '"text"', "{}", '{"from": "client"}', '{"message": {}}'),
        *('{"from": "gateway", "message": {}}', '{"from": 5, "message": {}}', '{"from": ["client"], "message": {}}'),
        *('{"from": "client", "message": NaN}', '{"from": "client", "message": 1e999}'),
        *('{"from": "client", "audio": true}', '{"from": "server", "audio": 1, "message": 5}', '{"from": "server"}'),
        *('{"from": "client", "message": 5, "scrubed": []}', '{"from": "client", "message": 5, "scrubbed": "/a"}'),
        '{"from": "client", "message": 5, "scrubbed": ["content"]}',
        *('{"from": "client", "message": 5, "scrubbed": [5]}', "\ufeff" + '{"from": "client", "message": 5}'),
        '{"from": "client", "message": ' + "[" * 101 + "]" * 101 + "}",
        '{"from": "client", "message": ' + "[" * 100_000 + "]" * 100_000 + "}",
        *(
            '{"from": "server", "message": {"type": "(not JSON)"}}',
            r'{"from": "server", "message": {"type": "(not JSON)", "text": "\ud800"}}',
        ),
        '{"from": "client", "message": {"type": "(not JSON)", "text": 5}}',
        '{"from": "client", "message": "' + "\ud800".encode("utf-8", "surrogatepass").decode("latin-1") + "}",
    ],
)
def test_a_line_that_is_none_is_named(session: Path, text: str) -> None:
    edit_line(session, 5, text)
    assert why(session).startswith(f"{LINES}, line 5: ")


def test_a_reason_that_no_close_can_have_is_named(session: Path) -> None:
    edit(session, lambda fields: fields.update(close_reason="\ud800"))
    assert why(session) == f'{RECORDING}: "close_reason" is not a text that can be sent'


def test_bytes_that_are_no_text_are_named(session: Path) -> None:
    lines = (session / LINES).read_bytes().split(b"\n")
    lines[2] = b'{"from": "client", "message": "\xff"}'
    (session / LINES).write_bytes(b"\n".join(lines))
    assert why(session).startswith(f"{LINES}, line 3: ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda fields: fields.pop("schema"), '"schema" is not dgbudget.cassette/1'),
        (lambda fields: fields.update(schema="dgbudget.cassette/2"), '"schema" is not dgbudget.cassette/1'),
        (lambda fields: fields.pop("seconds"), '"seconds" is missing'),
        (lambda fields: fields.update(seconds="3"), '"seconds" is not a number'),
        (lambda fields: fields.update(seconds=True), '"seconds" is not a number'),
        (lambda fields: fields.update(seconds=-1), '"seconds" is not a number'),
        (lambda fields: fields.update(seconds=10**400), '"seconds" is not a number'),
        (lambda fields: fields.update(cost_usd=[]), '"cost_usd" is not a number'),
        (lambda fields: fields.update(tier=5), '"tier" is not a text'),
        (lambda fields: fields.update(recorded_at="yesterday"), '"recorded_at" is not an instant'),
        (lambda fields: fields.update(closed_by="me"), '"closed_by" is not one of client, server'),
        (lambda fields: fields.update(closed_by=["client"]), '"closed_by" is not one of client, server'),
        (lambda fields: fields.update(close_code=10**9), '"close_code" is not a close code'),
        (lambda fields: fields.update(close_reason=None), '"close_reason" is not a text'),
        (lambda fields: fields.update(lines=None), '"lines" is no list of milliseconds'),
        (lambda fields: fields["lines"].pop(), f"the instants of 13 lines, and {LINES} has 14"),
        (lambda fields: fields["lines"].reverse(), "stands behind what comes after"),
        (lambda fields: fields["lines"].__setitem__(0, 10**30), '"lines" is no list of milliseconds'),
        (lambda fields: fields.update(latencies=[]), '"latencies" is not an object'),
        (lambda fields: fields.update(latencies={}), '"11" is missing'),
        (lambda fields: fields.update(latencies={"11": {"total_latency": 1}}), '"ttt_text_latency" is missing'),
        (lambda fields: fields.update(keep_alives=5), "no list of runs"),
        (lambda fields: fields.update(keep_alives=[[0, 1]]), "run 1 is none"),
        (lambda fields: fields.update(keep_alives=[[99, 1, 0, ""]]), "something comes behind line 99"),
        (lambda fields: fields.update(user=None), '"user" is not an object'),
        (lambda fields: fields["user"].update(file="../../etc/passwd"), '"file" is not the name of a file'),
        (lambda fields: fields["user"].update(file="agent.flac"), '"file" is not the name of a file'),
        (lambda fields: fields["user"].update(file="user./../x"), '"file" is not the name of a file'),
        (lambda fields: fields["user"].update(file=None), '"file" is not the name of a file'),
        (lambda fields: fields["user"].update(sample_rate=0), '"sample_rate" is not a number of Hz'),
        (lambda fields: fields["user"].update(sample_rate=10**30), '"sample_rate" is not a number of Hz'),
        (lambda fields: fields["user"].update(encoding=None), '"encoding" is not a text'),
        (lambda fields: fields["user"].update(messages={}), "no list of runs"),
        (lambda fields: fields["user"]["messages"].append([1, 2, -3, ""]), "run 2 is none"),
        (lambda fields: fields["user"]["messages"].append([1, 2.5, 3, ""]), "run 2 is none"),
        (lambda fields: fields["user"]["messages"].append([3, 500, 0, "x"]), "run 2 has a gap that is none"),
        (lambda fields: fields["user"]["messages"].append([3, 500, 0, "0*9999999"]), "more than 1000000 messages"),
        (lambda fields: fields["user"]["messages"].append([3, 500, 0, "999999999"]), "more than a week"),
        (lambda fields: fields["user"]["messages"].append([3, 500, 10**30, ""]), "user's messages have more than"),
        (lambda fields: fields["agent"]["messages"].append([3, 500, 1, ""]), f"where {LINES} has audio"),
        (lambda fields: fields["agent"].update(messages=[], file=None), f"where {LINES} has audio"),
    ],
)
def test_what_is_wrong_in_the_recording_is_named(session: Path, change: Edit, says: str) -> None:
    edit(session, change)
    found = why(session)
    assert found.startswith(f"{RECORDING}: ")
    assert says in found


@pytest.mark.parametrize("size", [2, 638, 641, 642, 10_000])
def test_audio_of_another_size_than_its_messages_is_named(session: Path, size: int) -> None:
    edit(session, lambda fields: fields["user"]["messages"][0].__setitem__(2, size))
    assert why(session).startswith(f"user.flac: it has not the {size * 10} samples, in one channel")
    audio = (session / "agent.flac").read_bytes()
    edit(session, lambda fields: fields["user"].update(encoding="opus", file="user.opus"))
    (session / "user.opus").write_bytes(audio)
    assert why(session) == f"user.opus: it has {len(audio)} bytes of audio, and not {size * 20}"


@pytest.mark.parametrize("name", [LINES, RECORDING, "user.flac", "agent.flac"])
def test_a_file_that_is_missing_or_none_is_named(session: Path, name: str) -> None:
    (session / name).unlink()
    assert why(session) == f"{name}: No such file or directory"
    os.mkfifo(session / name)
    assert why(session).startswith(f"{name}: it is no file")
    (session / name).unlink()
    (session / name).mkdir()
    assert why(session).startswith(f"{name}: ")


@pytest.mark.parametrize("name", [LINES, RECORDING, "user.flac", "agent.flac"])
def test_a_file_that_is_cut_short_or_huge_is_named(session: Path, name: str) -> None:
    whole = (session / name).read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 2):
        (session / name).write_bytes(whole[:size])
        assert Path(why(session).partition(":")[0].partition(",")[0]).name in (name, RECORDING)
    os.truncate(session / name, 2 << 30)
    assert "it is no file of at most" in why(session)


def test_a_file_that_git_lfs_has_not_fetched_says_so(session: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b\n"
    (session / "agent.flac").write_text(pointer)
    assert why(session) == "agent.flac: it stands for a file that Git LFS has: git lfs pull"


def read_or_none(session: Path) -> Cassette | None:
    try:
        return read_cassette(session)
    except CassetteError:
        return None


@given(
    name=st.sampled_from([LINES, RECORDING, "user.flac"]),
    at=st.floats(0, 1),
    of=st.integers(0, 20),
    put=st.binary(max_size=20) | st.sampled_from([b"\n", b"[", b"{", b'"', b"-", b"99999999999", b"e9", b"null"]),
)
def test_any_damage_is_a_cassette_or_an_error_of_ours(good: Path, name: str, at: float, of: int, put: bytes) -> None:
    whole = (good / name).read_bytes()
    place = int(at * len(whole))
    copy = good.parent.parent / "damaged" / "1"
    shutil.copytree(good, copy, dirs_exist_ok=True)
    (copy / name).write_bytes(whole[:place] + put + whole[place + of :])
    read_or_none(copy)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@given(pick=st.integers(0, 10_000), value=JSON)
def test_any_other_value_in_the_recording_is_an_error_of_ours(good: Path, pick: int, value: Any) -> None:
    fields = json.loads((good / RECORDING).read_text())
    found = list(places(fields))
    holder, key = found[pick % len(found)]
    holder[key] = value
    copy = good.parent.parent / "edited" / "1"
    shutil.copytree(good, copy, dirs_exist_ok=True)
    (copy / RECORDING).write_text(json.dumps(fields))
    read_or_none(copy)


def test_what_a_later_version_adds_is_no_error(session: Path) -> None:
    edit(session, lambda fields: fields.update(later={"more": 1}))
    read_cassette(session)


def test_a_text_may_be_edited(session: Path) -> None:
    path = session / LINES
    path.write_text(path.read_text().replace("order 1234", "it").replace("\n", "\r\n").rstrip("\r\n"))
    assert any("Where is it?" in str(event) for event in read_cassette(session).events)
