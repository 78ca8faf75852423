"""The forms of the vendor's messages: which fields each kind has, of which JSON types, and as what audio begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from pytest_dgbudget.cassette.vendor_side import Sent
from pytest_dgbudget.rules.cassette_ignore import escaped

# That one of them is there, or isn't, is no drift: the vendor's specification has them as optional, and newer servers
# and other models have them where others don't.
OPTIONAL_FIELDS = frozenset(
    {
        "ConversationText (user)/languages",
        "ConversationText (user)/languages_hinted",
        "FunctionCallRequest/functions/*/thought_signature",
        "FunctionCallResponse/id",
        "History (function_calls)/function_calls/*/thought_signature",
    }
)
_JSON_TYPES = {bool: "a boolean", dict: "an object", list: "an array", str: "a text", type(None): "null"}
_FORMS = ((b"RIFF", "WAV"), (b"OggS", "Ogg"), (b"fLaC", "FLAC"), (b"ID3", "MP3"))
# Free-form: not the vendor's own.
_FREE = frozenset({"__customFromThinkProvider", "LatencyReport"})


class FormOfMessages:
    """Fields as KIND/POINTER, a JSON pointer in which ``*`` stands for each element of an array.

    ``types``: what each was. ``always``: those that each object of their place had.
    """

    def __init__(self, messages: Iterable[Sent]) -> None:
        self.kinds: set[str] = set()
        self.types: dict[str, set[str]] = defaultdict(set)
        self._objects: dict[str, list[Set[str]]] = defaultdict(list)
        for message in messages:
            self.kinds.add(message.kind)
            if isinstance(message.payload, Mapping) and message.kind not in _FREE:
                self._note(message.kind, message.payload)

    @property
    def always(self) -> frozenset[str]:
        common = {place: frozenset.intersection(*map(frozenset, found)) for place, found in self._objects.items()}
        return frozenset(f"{place}/{key}" for place, keys in common.items() for key in keys) - OPTIONAL_FIELDS

    def without(self, fields: Set[str]) -> Iterator[str]:
        """Yield those of the fields that one of the objects lacks that could have it."""
        for field in fields:
            place, _, key = field.rpartition("/")
            if any(key not in keys for keys in self._objects.get(place, ())):
                yield field

    def is_of_known(self, field: str, recorded: FormOfMessages) -> bool:
        """Return whether a field stands in something that was recorded, and is not optional there."""
        return field not in OPTIONAL_FIELDS and field.rpartition("/")[0] in recorded._objects

    def _note(self, place: str, value: Any) -> None:
        if isinstance(value, Mapping):
            self._objects[place].append(value.keys())
            for key, inner in value.items():
                self._note_field(f"{place}/{escaped(key)}", inner)
        elif isinstance(value, list):
            for inner in value:
                self._note_field(f"{place}/*", inner)

    def _note_field(self, place: str, value: Any) -> None:
        self.types[place].add(_JSON_TYPES.get(type(value), "a number"))
        self._note(place, value)


def audio_form(beginning: bytes) -> str:
    """Return the container that audio begins with; raw where it has none that is known."""
    return next((name for magic, name in _FORMS if beginning.startswith(magic)), "raw")
