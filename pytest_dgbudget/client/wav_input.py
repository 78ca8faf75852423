"""A WAV file as a session's input: as it is where it fits, converted where nothing is lost or that was asked for."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from shlex import quote

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.recording.wav import WavFile, read_wav
from pytest_dgbudget.rules.audio import WAV_TAGS, AudioFormat
from pytest_dgbudget.rules.resampling import resample
from pytest_dgbudget.rules.samples import SAMPLED, decode, encode, little_endian

# Kinds of samples, by the file's tag and the bytes of one.
_ENCODINGS = {(tag, AudioFormat(name).bytes_per_sample): name for name, tag in WAV_TAGS.items()}
_BYTES, _WIDE, _WIDEST, _FLOAT = (1, 1), (1, 3), (1, 4), (3, 4)
_NAMES = {**_ENCODINGS, _BYTES: "8 bit PCM", _WIDE: "24 bit PCM", _WIDEST: "32 bit PCM", _FLOAT: "32 bit float"}
# More than 16 bits, which linear32 alone keeps.
_FINE = {_WIDE, _WIDEST, _FLOAT}
_FFMPEG_CODECS = {"linear16": "pcm_s16le", "linear32": "pcm_f32le", "mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}


def wav_input(file: bytes, path: str | None, format_: AudioFormat, *, may_resample: bool) -> bytes:
    """Return a WAV file's audio in a session's input format.

    ``path`` is where it was read from, if that is known. Raises SettingsError where a conversion changes the rate,
    mixes channels or drops bits and ``may_resample`` is false, and for what can't be read or converted.
    """
    name = path or "the WAV audio"
    try:
        wav = read_wav(file)
    except ValueError as error:
        raise SettingsError(
            f"{name} can't be read as a WAV file: {error}; audio without a header is sent as bytes or as an open file"
        ) from error
    if format_.encoding not in SAMPLED:
        raise SettingsError(
            f"{name} is a WAV file, and the session's audio.input is {format_.encoding}, into which nothing is "
            "converted here. Change audio.input in the settings, or send raw audio in that encoding, as bytes or as an "
            "open file, with pace=None."
        )
    return _Input(wav, path, format_).converted(may_resample=may_resample)


@dataclass(frozen=True, slots=True)
class _Input:
    """A WAV file, and the format that it is wanted in."""

    wav: WavFile
    path: str | None
    wanted: AudioFormat

    @property
    def kind(self) -> tuple[int, int]:
        return self.wav.tag, self.wav.width

    def converted(self, *, may_resample: bool) -> bytes:
        wav, wanted = self.wav, self.wanted
        if self.kind not in _NAMES:
            name = self.path or "the WAV audio"
            raise SettingsError(
                f"{name} is a WAV file of format {wav.tag} with {wav.bits} bits a sample, which is not read here: "
                f"{self._how_to_convert()}"
            )
        misfits = self._misfits()
        if misfits and not may_resample:
            raise SettingsError(self._refusal(misfits))
        if wav.channels == 1 and wav.rate == wanted.sample_rate and _ENCODINGS.get(self.kind) == wanted.encoding:
            return wav.audio
        samples = _mono(_samples(wav.audio, self.kind), wav.channels)
        return encode(wanted.encoding, resample(samples, wav.rate, wanted.sample_rate))

    def _misfits(self) -> list[str]:
        """Return what can't be converted without a loss that the session's encoding doesn't ask for."""
        wav, wanted = self.wav, self.wanted
        misfits = []
        if wav.rate != wanted.sample_rate:
            misfits.append(f"its sample rate is {wav.rate} Hz, not {wanted.sample_rate} Hz")
        if wav.channels != 1:
            misfits.append(f"it has {wav.channels} channels, not 1")
        if self.kind in _FINE and wanted.encoding != "linear32":
            misfits.append(f"its samples are {_NAMES[self.kind]}, not {wanted.encoding}")
        return misfits

    def _refusal(self, misfits: Sequence[str]) -> str:
        fixes = ["Pass resample=True, and it is converted each time.", f"Or {self._how_to_convert()}"]
        if self.wav.channels == 1:
            encoding = "linear32" if self.kind in _FINE else _ENCODINGS.get(self.kind, "linear16")
            declared = f'{{"encoding": "{encoding}", "sample_rate": {self.wav.rate}}}'
            fixes.insert(0, f"Change the settings to audio.input = {declared}.")
        name = self.path or "the WAV audio"
        return f"{name} does not fit the session's audio.input: {'; '.join(misfits)}. {' '.join(fixes)}"

    def _how_to_convert(self) -> str:
        rate, path = self.wanted.sample_rate, PurePath(self.path or "input.wav")
        into = path.with_name(f"{path.stem}-{rate}.wav")
        codec = _FFMPEG_CODECS[self.wanted.encoding]
        return f"convert the file once: ffmpeg -i {quote(str(path))} -ac 1 -ar {rate} -c:a {codec} {quote(str(into))}"


def _samples(audio: bytes, kind: tuple[int, int]) -> Sequence[float]:
    """Return the samples of all channels, from -32768 to 32767."""
    if kind in _ENCODINGS:
        return decode(_ENCODINGS[kind], audio)
    _, width = kind
    if kind == _BYTES:
        return [(byte - 128) * 256 for byte in audio]
    # As numbers of 32 bits, of which the lowest byte may be missing.
    wide = bytearray(len(audio) // width * 4)
    for byte in range(width):
        wide[4 - width + byte :: 4] = audio[byte::width]
    return [number / 65536 for number in little_endian("i", bytes(wide))]


def _mono(samples: Sequence[float], channels: int) -> Sequence[float]:
    """Return the mean of the channels."""
    if channels == 1:
        return samples
    each = (samples[channel::channels] for channel in range(channels))
    return array("d", (sum(frame) / channels for frame in zip(*each, strict=True)))
