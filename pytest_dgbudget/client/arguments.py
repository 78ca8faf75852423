"""The arguments of a function call, held against what Settings declare."""

from __future__ import annotations

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
        place = "".join("/" + each.replace("~", "~0").replace("/", "~1") for each in error.path[1:])
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


@lru_cache(maxsize=64)
def _validator(name: str, parameters: str) -> Any:
    import fastjsonschema

    try:
        return fastjsonschema.compile(
            loads(parameters), handlers={"http": _refuse, "https": _refuse}, use_default=False
        )
    except (fastjsonschema.JsonSchemaDefinitionException, SettingsError) as error:
        raise SettingsError(f"the parameters of the function {name} in the settings: {error}") from None


def _refuse(uri: str) -> NoReturn:
    raise SettingsError(f"{uri} is elsewhere: a schema can refer to its own parts only")
