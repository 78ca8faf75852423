"""Where a message that a client sent differs from the cassette's, as JSON; and how that is shown."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from pytest_dgbudget.recording.known_secrets import SCRUBBED
from pytest_dgbudget.recording.lines import to_json
from pytest_dgbudget.recording.secret_places import parse_inner
from pytest_dgbudget.rules.cassette_ignore import escaped, pointer_of
from pytest_dgbudget.units import counted

Path = tuple[str, ...]

# Three lines each.
_MOST_SHOWN = 6
_MOST_NAMED = 6
# Characters: of a value, and of what is the same before and behind a difference.
_LONGEST = 100
_CONTEXT = 24


class _Missing:
    """Stands for what is not there."""


MISSING: Final = _Missing()


class Withheld(NamedTuple):
    """Stands for a value that a client sent and that nobody is to see."""

    size: int

    def __str__(self) -> str:
        size = counted(self.size, "byte")
        return f"({size}, not shown: pytest_dgbudget_scrub replaces something in such a message)"


class Difference(NamedTuple):
    """``expected`` stands in the cassette and ``sent`` in the message; either may be ``MISSING``."""

    path: Path
    expected: Any
    sent: Any


def differences(
    expected: Any,
    sent: Any,
    is_ignored: Callable[[Path], bool] = lambda path: False,
    as_recorded: Callable[[str], str] = str,
) -> Iterator[Difference]:
    """Yield what differs, in the cassette's order.

    ``as_recorded`` gives a sent text the cassette's ids. Where the cassette has ``[scrubbed]``, any text may stand.
    """
    # No recursion: a client may nest as it likes.
    pairs: list[Difference] = [Difference((), expected, sent)]
    while pairs:
        pair = pairs.pop()
        if is_ignored(pair.path):
            continue
        if isinstance(pair.expected, dict) and isinstance(pair.sent, dict):
            pairs.extend(reversed([*_fields(pair, as_recorded)]))
        elif isinstance(pair.expected, list) and isinstance(pair.sent, list):
            pairs.extend(reversed([*_elements(pair)]))
        elif not _is_same(pair.expected, pair.sent, as_recorded):
            yield pair


def _fields(pair: Difference, as_recorded: Callable[[str], str]) -> Iterator[Difference]:
    sent = {as_recorded(key): value for key, value in pair.sent.items()}
    scrubbed = [key for key in pair.expected if SCRUBBED in key and key not in sent]
    for key, value in pair.expected.items():
        found = sent.pop(key, MISSING)
        if key in scrubbed:  # several keys may have become one
            for each in [each for each in sent if each not in pair.expected and _stands_for(key, each)]:
                found = sent.pop(each)
        yield Difference((*pair.path, key), value, found)
    for key, value in sent.items():
        yield Difference((*pair.path, key), MISSING, value)


def _elements(pair: Difference) -> Iterator[Difference]:
    for number in range(max(len(pair.expected), len(pair.sent))):
        expected, sent = (each[number] if number < len(each) else MISSING for each in (pair.expected, pair.sent))
        yield Difference((*pair.path, str(number)), expected, sent)


def _is_same(expected: Any, sent: Any, as_recorded: Callable[[str], str]) -> bool:
    if isinstance(expected, str) and isinstance(sent, str):
        sent = as_recorded(sent)
        return expected == sent or (SCRUBBED in expected and _may_be(expected, sent, as_recorded))
    if _is_number(sent):
        return expected == SCRUBBED or (_is_number(expected) and bool(expected == sent))
    return type(expected) is type(sent) and bool(expected == sent)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _may_be(expected: str, sent: str, as_recorded: Callable[[str], str]) -> bool:
    """Return whether a text is what it was before it was scrubbed. JSON in it was written anew then."""
    if _stands_for(expected, sent):
        return True
    one, other = parse_inner(expected, 0), parse_inner(sent, 0)
    if one is None or other is None:
        return False
    return next(differences(one, other, as_recorded=as_recorded), None) is None


def _stands_for(scrubbed: str, text: str) -> bool:
    """Return whether ``[scrubbed]`` in one text can stand for what the other has there."""
    begin, *middle, end = scrubbed.split(SCRUBBED)
    if len(text) < len(begin) + len(end) or not text.startswith(begin) or not text.endswith(end):
        return False
    at, last = len(begin), len(text) - len(end)
    for part in middle:
        found = text.find(part, at, last)
        if found < 0:
            return False
        at = found + len(part)
    return True


def shown(kind: str | None, found: Iterable[Difference]) -> tuple[str, ...]:
    """Return the lines of a diff: ``TYPE/POINTER``, as ``dg_cassette_ignore`` takes it, and what stands there."""
    rest = iter(found)
    lines = [line for each in islice(rest, _MOST_SHOWN) for line in _lines(kind, each)]
    more = list(islice(rest, 1000))
    if more:
        named = ", ".join(_place(kind, each.path) for each in more[:_MOST_NAMED])
        lines.append(f"… and {len(more)} more: {named}{', …' if len(more) > _MOST_NAMED else ''}")
    return tuple(lines)


def _lines(kind: str | None, each: Difference) -> tuple[str, ...]:
    return (_place(kind, each.path), *value_lines(each.expected, each.sent))


def value_lines(expected: Any, sent: Any) -> tuple[str, str]:
    """Return two values, one a line; either may be ``MISSING``."""
    texts = _inner(expected, sent) or [_json(expected), _json(sent)]
    if max(map(len, texts)) > _LONGEST and MISSING not in (expected, sent) and not isinstance(sent, Withheld):
        texts = _without_beginning(texts)
        texts = [text[::-1] for text in _without_beginning([text[::-1] for text in texts])]
    return f"  expected {in_short(texts[0])}", f"  sent     {in_short(texts[1])}"


def _inner(expected: Any, sent: Any) -> list[str] | None:
    """Return the JSON that two strings hold, which can be read; None where they hold none, or differ in its form."""
    if not (isinstance(expected, str) and isinstance(sent, str)):
        return None
    inner = [parse_inner(expected, 0), parse_inner(sent, 0)]
    if not all(isinstance(value, (dict, list)) for value in inner):
        return None
    one, other = map(_json, inner)
    return None if one == other else [one, other]


def _without_beginning(texts: list[str]) -> list[str]:
    """Leave out most of what both begin with."""
    same = same_beginning(*texts) - _CONTEXT
    return ["…" + text[same:] for text in texts] if same > 0 else texts


def same_beginning(one: Sequence[object], other: Sequence[object]) -> int:
    """Return how much two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, others) in pairs if mine != others), min(len(one), len(other)))


def in_short(text: str, longest: int = _LONGEST) -> str:
    """Return a text that can be read: printable, its middle left out where it is long."""
    half = longest // 2
    return printable(text if len(text) <= longest else f"{text[:half]}…{text[-half:]}")


def _place(kind: str | None, path: Path) -> str:
    return printable(place_in(kind, path)) or "(the whole message)"


def place_in(kind: str | None, path: Path) -> str:
    """Return where in a message of a type something stands, as ``dg_cassette_ignore`` names it."""
    return f"{'' if kind is None else escaped(kind)}{pointer_of(path)}"


def withheld(found: Difference) -> Difference:
    """Return a difference without what was sent, be it a value or a key that the cassette has not."""
    if found.sent is MISSING:
        return found
    is_key = found.path and found.expected is MISSING and not found.path[-1].isdecimal()
    path = found.path[:-1] if is_key else found.path
    return Difference(path, found.expected, Withheld(len(_json(found.sent).encode())))


def _json(value: Any) -> str:
    if value is MISSING:
        return "nothing"
    if isinstance(value, Withheld):
        return str(value)
    try:
        return to_json(value).decode()
    except RecursionError:
        return "(nested too deeply to be shown)"


def printable(text: str) -> str:
    """Return a text in which no character does anything but stand there."""
    return text if text.isprintable() else "".join(each if each.isprintable() else _as_escape(each) for each in text)


def _as_escape(character: str) -> str:
    return "".join(f"\\u{unit:04x}" for unit in array("H", character.encode("utf-16", "surrogatepass"))[1:])
