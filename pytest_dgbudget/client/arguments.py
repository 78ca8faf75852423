"""The arguments of a function call, held against what Settings declare."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from json import dumps, loads
from typing import Any, NoReturn

from pytest_dgbudget.errors import BadFunctionCall, SettingsError
from pytest_dgbudget.rules.vendor_messages import FunctionCall


def check_arguments(call: FunctionCall, parameters: Any) -> None:
    """Hold a call's arguments against a JSON Schema (draft 7); None: anything that is a JSON object goes.

    Raises BadFunctionCall with the place and the value, and SettingsError for a schema that is none.
    """
    try:
        arguments = call.parsed_arguments
    except ValueError:
        raise _bad(call, "", call.arguments, "must be a JSON object") from None
    if parameters is None:
        return
    from fastjsonschema import JsonSchemaValueException  # here: few tests have functions

    try:
        _validator(call.name, dumps(parameters))(arguments)
    except JsonSchemaValueException as error:
        place = _pointer(arguments, (error.name or "").removeprefix("data"), error.value)
        what = error.message.removeprefix(error.name or "").strip()
        raise _bad(call, place, error.value, what) from None


def _bad(call: FunctionCall, place: str, value: Any, what: str) -> BadFunctionCall:
    found = f"{place} is {dumps(value, default=str)}, which {what}" if place else f"they {what}"
    return BadFunctionCall(
        f"the agent called {call.name} with arguments that its parameters in the settings don't allow: {found}; "
        f"all of them: {call.arguments}",
        function=call.name,
        path=place,
        value=value,
        arguments=call.arguments,
    )


def _pointer(arguments: Any, name: str, value: Any) -> str:
    """Return the JSON Pointer to what fastjsonschema names like ``.parts[0].a.b``: a property may be called "a.b"."""
    places = list(_places(arguments, name))
    return next((place for place, found in places if found is value), places[0][0] if places else "")


def _places(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not name:
        yield "", value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _below(child, name, f".{key}", key.replace("~", "~0").replace("/", "~1"))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _below(child, name, f"[{index}]", str(index))


def _below(child: Any, name: str, step: str, token: str) -> Iterator[tuple[str, Any]]:
    if name.startswith(step):
        for place, found in _places(child, name[len(step) :]):
            yield f"/{token}{place}", found


class _Nowhere(dict[str, Callable[[str], Any]]):
    """Handlers of references for every scheme, none included: fastjsonschema opens what it has no handler for."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __missing__(self, scheme: str) -> Callable[[str], NoReturn]:
        return _refuse


def _refuse(uri: str) -> NoReturn:
    raise SettingsError(
        f"$ref to {uri}, which is not in the schema and is not fetched; "
        'copy what it refers to under "$defs", and write "$ref": "#/$defs/NAME"'
    )


@lru_cache(maxsize=64)
def _validator(name: str, parameters: str) -> Any:
    import fastjsonschema

    try:
        return fastjsonschema.compile(loads(parameters), handlers=_Nowhere(), use_default=False)
    except Exception as error:  # of a schema that is none, fastjsonschema raises AttributeError and others
        raise SettingsError(f"the parameters of the function {name} in the settings: {_fault(error)}") from None


def _fault(error: Exception) -> str:
    if isinstance(error, SettingsError):
        return str(error)
    if isinstance(error, re.error):
        pattern = str(error.pattern).replace(r"\Z", "$")  # what fastjsonschema makes of a $
        return f"Python's re can't read the pattern {pattern}: {error}; write it in what JavaScript and Python share"
    what = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return f"they are no JSON Schema (draft 7): {what}; correct them"
