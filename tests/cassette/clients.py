"""Clients that do what a recorded one did, otherwise: other pieces, another pace, more silence; or something else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import silence
from tests.cassette.replays import Act, speech_in

Acts = list[Act]


def in_other_pieces(acts: Sequence[Act], random: Random) -> Acts:
    """Cut the audio anywhere, through samples too, and put pieces together that no text is between."""
    cut: Acts = []
    for act in acts:
        if not isinstance(act.what, bytes):
            cut.append(act)
        elif cut and isinstance(cut[-1].what, bytes) and random.random() < 0.5:
            cut[-1] = replace(cut[-1], what=cut[-1].what + act.what)
        else:
            at = random.randrange(len(act.what) + 1)
            cut += [replace(act, what=act.what[:at]), replace(act, what=act.what[at:], took_ms=0)]
    return cut


def with_keep_alives(acts: Sequence[Act], random: Random) -> Acts:
    return list(_with_some(acts, random, {"type": "KeepAlive"}))


def with_silence(acts: Sequence[Act], random: Random, format_: AudioFormat) -> Acts:
    nothing = silence(format_.encoding, format_.sample_rate // 50)
    return list(_with_some(acts, random, nothing)) if nothing else list(acts)


def _with_some(acts: Sequence[Act], random: Random, what: Any) -> Iterator[Act]:
    """Put something before some acts, in the time that they take."""
    for act in acts:
        if act.answers is None and random.random() < 0.3:
            before_ms = act.took_ms * random.random()
            yield Act(what, act.received, before_ms)
            yield replace(act, took_ms=act.took_ms - before_ms)
        else:
            yield act


def without_silence(acts: Sequence[Act], strip: Callable[[bytes], bytes]) -> Acts:
    """Send nothing where the recorded client sent silence."""
    spoken = (replace(act, what=strip(act.what)) if isinstance(act.what, bytes) else act for act in acts)
    return [act for act in spoken if act.what != b""]


def faster(acts: Sequence[Act], format_: AudioFormat) -> Acts:
    return [replace(act, took_ms=act.took_ms / 10) for act in acts]


def as_fast(acts: Sequence[Act], format_: AudioFormat) -> Acts:
    return list(acts)


def slower(acts: Sequence[Act], format_: AudioFormat) -> Acts:
    """Take ten times as long for all but silence, as far as that is waited for."""
    silent = [act for act in acts if isinstance(act.what, bytes) and not speech_in(act.what, format_)]
    return [act if act in silent else replace(act, took_ms=min(act.took_ms * 10, act.took_ms + 900)) for act in acts]


def eager(acts: Sequence[Act], random: Random) -> Acts:
    """Wait for nothing before some acts, but for the first messages, and at the end."""
    return [replace(act, received=0) if act.what is not None and random.random() < 0.5 else act for act in acts]


def with_answers_in_any_order(acts: Sequence[Act], random: Random) -> Acts:
    """Take another time for each answer."""
    return [act if act.answers is None else replace(act, took_ms=act.took_ms * random.random()) for act in acts]


def is_text(act: Act) -> bool:
    return isinstance(act.what, dict) and act.what.get("type") != "KeepAlive"


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where the values of a JSON document stand that have none below."""
    children: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    else:
        yield path
    for key, child in children:
        yield from leaves(child, (*path, key))


def with_one_leaf_changed(payload: Any, random: Random) -> tuple[Any, tuple[str | int, ...]]:
    """Change, remove or add a value; return the message, and where that is."""
    changed = copy.deepcopy(payload)
    path = random.choice(list(places_in(payload)))
    holder, key = _at(changed, path[:-1]), path[-1]
    how = random.choice((_change, _wrap, _remove, _add))
    return changed, (*path[:-1], how(holder, key))


def places_in(payload: Any) -> Iterator[tuple[str | int, ...]]:
    """Yield where a message's values stand: not its type, nor what any text can stand for."""
    return (each for each in leaves(payload) if each[0] != "type" and "[scrubbed]" not in str(_at(payload, each)))


def _change(holder: Any, key: Any) -> Any:
    old = holder[key]
    if isinstance(old, str):
        holder[key] = _with_another_middle(old)
    elif isinstance(old, bool):
        holder[key] = not old
    else:
        holder[key] = 1 if old is None else old + 1
    return key


def _with_another_middle(text: str) -> str:
    return f"{text[: len(text) // 2]}!{text[len(text) // 2 :]}"


def _wrap(holder: Any, key: Any) -> Any:
    holder[key] = {"value": holder[key]}
    return key


def _remove(holder: Any, key: Any) -> Any:
    if isinstance(holder, list):
        holder.pop()
        return len(holder)
    del holder[key]
    return key


def _add(holder: Any, key: Any) -> Any:
    if isinstance(holder, list):
        holder.append("one more")
        return len(holder) - 1
    holder["a/new~key"] = 1
    return "a/new~key"


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        value = value[key]
    return value
