"""Dataclasses as JSON and back, by their annotations: what one process writes, another reads as the same class."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict


def to_json(value: Any) -> Any:
    """Return a value as JSON has it: a dataclass as an object with all of its fields, a tuple as an array."""
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_json(each) for each in value]
    return value


def from_json(kind: Any, value: Any) -> Any:
    """Return a value of JSON as ``kind``: a dataclass, a tuple of any length, a union with None, a literal,
    a type or Any; a TypedDict is any object.

    Raises ValueError when the value is none: a field is missing, unknown, or of another type.
    """
    if kind is Any:
        return value
    if is_typeddict(kind):
        return _checked(dict, value)
    if is_dataclass(kind):
        return _object(kind, value)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return from_json(NoneType if value is None else _only_kind(arguments), value)
    if origin is tuple:
        return tuple(from_json(arguments[0], each) for each in _checked(list, value))
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{value!r} is none of {arguments}")
        return value
    return _checked(origin or kind, value)


def _object(kind: Any, value: Any) -> Any:
    kinds = _kinds_of_fields(kind)
    if _checked(dict, value).keys() != kinds.keys():
        raise ValueError(f"{kind.__name__} has the fields {sorted(kinds)}, not {sorted(value)}")
    return kind(**{name: from_json(each, value[name]) for name, each in kinds.items()})


@cache
def _kinds_of_fields(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _only_kind(arguments: tuple[Any, ...]) -> Any:
    """Return what a value that may be None is otherwise."""
    (kind,) = (argument for argument in arguments if argument is not NoneType)
    return kind


def _checked(kind: Any, value: Any) -> Any:
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{type(value).__name__} in place of {kind.__name__}")
    return value
