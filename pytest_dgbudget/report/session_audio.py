"""What is kept of a session's audio: a stereo WAV file, and in its own form what can't be decoded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pytest_dgbudget.recording.lines import AUDIO_FILES, Side
from pytest_dgbudget.recording.reading import is_audio_file
from pytest_dgbudget.recording.wav import wav_header
from pytest_dgbudget.report.session_summary import SessionSummary
from pytest_dgbudget.report.stereo import Lines, RecordedSide, StereoRecording

Create = Callable[[str], AbstractContextManager[BinaryIO]]
_FULL = "what a run may keep of audio is used up"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opaque:
    """A side whose bytes are no samples."""

    side: Side
    path: Path
    what: str


def write_audio(
    session: Path, summary: SessionSummary, lines: Lines, label: str, create: Create, take_room: Callable[[int], int]
) -> tuple[str, ...]:
    """Write a session's audio, into files with this label; return what is to be known of them. Raises OSError."""
    sampled: list[RecordedSide] = []
    opaque: list[_Opaque] = []
    for side, path in _files(session, lines):
        _sort(side, path, summary, sampled, opaque)
    notes = [_kept_as_it_is(each, label, create, take_room) for each in opaque]
    if sampled:
        notes = [*_stereo(StereoRecording(summary, sampled, lines), f"session{label}.wav", create, take_room), *notes]
    return tuple(notes)


def _files(session: Path, lines: Lines) -> Iterator[tuple[Side, Path]]:
    """Yield the files that a recording names; by their endings alone."""
    for line in lines():
        if is_audio_file(line) and line.payload["name"] is not None:
            side: Side = line.payload["direction"]
            path = (session / AUDIO_FILES[side]).with_suffix(Path(line.payload["name"]).suffix)
            if path.exists():
                yield side, path


def _sort(side: Side, path: Path, summary: SessionSummary, sampled: list[RecordedSide], opaque: list[_Opaque]) -> None:
    audio = summary.audio[side]
    if audio.is_sampled:
        header = (wav_header(audio.format) or b"") if path.suffix == ".wav" else b""
        sampled.append(
            RecordedSide(
                side=side,
                format=audio.format,
                path=path,
                header_bytes=len(header),
                has_headers=audio.container == "wav",
            )
        )
    else:
        what = audio.format.encoding if audio.container == "none" else audio.container
        opaque.append(_Opaque(side=side, path=path, what=what))


def _stereo(recording: StereoRecording, name: str, create: Create, take_room: Callable[[int], int]) -> Iterator[str]:
    """Write as many seconds as there is room for."""
    seconds = recording.seconds()
    granted = take_room(recording.size(seconds))
    kept = seconds if granted >= recording.size(seconds) else max(0, granted - recording.size(0)) // recording.a_second
    if kept:
        with create(name) as file:
            recording.write(file, kept)
        yield f"{name}, user left, agent right"
    if kept < seconds:
        yield f"{seconds - kept} of {seconds} s are not kept: {_FULL}"


def _kept_as_it_is(opaque: _Opaque, label: str, create: Create, take_room: Callable[[int], int]) -> str:
    who, size = AUDIO_FILES[opaque.side], opaque.path.stat().st_size
    if take_room(size) < size:
        return f"the {who}'s side, {opaque.what}, is not kept: {_FULL}"
    name = f"{who}{label}{opaque.path.suffix}"
    with opaque.path.open("rb") as source, create(name) as file:
        shutil.copyfileobj(source, file)
    return f"{name}, the {who}'s side, which can't be decoded here: {opaque.what}"
