"""Replaced attributes and functions of other people's modules, to be put back where they are still ours."""

from __future__ import annotations

import functools
import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_COROUTINE = 0x80  # inspect.CO_COROUTINE

# What undoes each patch, in the order in which they were made.
_undo: list[Callable[[], None]] = []


def restore_all() -> None:
    while _undo:
        _undo.pop()()


def undo_by(undo: Callable[[], None]) -> None:
    """Have something else undone, too."""
    _undo.append(undo)


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace an attribute of a class or module by ``make(the present one)``."""
    original = owner.__dict__[name]
    ours = make(original)
    setattr(owner, name, ours)

    def put_back() -> None:
        if owner.__dict__.get(name) is ours:
            setattr(owner, name, original)

    _undo.append(put_back)


def replace_code(function: Any, make: Callable[[Any], Any]) -> None:
    """Make a function do what ``make(a copy of it)`` does; it stays the same object, whoever has imported its name."""
    was = (function.__code__, function.__defaults__, function.__kwdefaults__)
    copy = _copied(function)
    name = "_dgbudget_redirected_" + function.__qualname__.replace(".", "_")
    function.__globals__[name] = make(copy)
    ours = _calling(name, function.__code__)
    function.__code__, function.__defaults__, function.__kwdefaults__ = ours, None, None
    described = "__wrapped__" in function.__dict__
    function.__dict__.setdefault("__wrapped__", copy)  # its signature

    def put_back() -> None:
        if function.__code__ is ours:
            function.__code__, function.__defaults__, function.__kwdefaults__ = was
        function.__globals__.pop(name, None)
        if not described and function.__dict__.get("__wrapped__") is copy:
            del function.__dict__["__wrapped__"]

    _undo.append(put_back)


def _copied(function: Any) -> types.FunctionType:
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    for name in functools.WRAPPER_ASSIGNMENTS:
        setattr(copy, name, getattr(function, name))
    return copy


def _calling(name: str, original: types.CodeType) -> types.CodeType:
    """Return code that passes its arguments to a global, and can take the place of a function's.

    So it is a coroutine function's if that is one, and has its free variables, which are there without being used.
    """
    define, give = ("async def", "return await") if original.co_flags & _COROUTINE else ("def", "return")
    free = original.co_freevars
    source = [
        "def outer():",
        *(f"    {variable} = None" for variable in free),
        f"    {define} {original.co_name}(*args, **kwargs):",
        *(f"        {variable}" for variable in free),
        f"        {give} {name}(*args, **kwargs)",
        f"    return {original.co_name}",
    ]
    namespace: dict[str, Any] = {}
    exec(compile("\n".join(source), original.co_filename, "exec"), namespace)
    code = namespace["outer"]().__code__
    assert isinstance(code, types.CodeType)
    return code


def parameters_of(function: Any) -> tuple[str, ...]:
    """Return the names of a function's parameters, those of ``*`` and ``**`` excepted."""
    code = function.__code__
    return tuple(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def is_replaced(package: str, *places: tuple[Any, str]) -> bool:
    """Return whether somebody, most likely a mock, has put something else into one of these places of a package.

    Where a function's code comes from can't be copied, as its names can. A place that this version lacks is skipped.
    """
    values = [vars(owner)[name] for owner, name in places if name in vars(owner)]
    return any(not _is_native(value, package) for value in values)


def _is_native(value: Any, package: str) -> bool:
    code = getattr(value, "__code__", None)
    if type(code) is types.CodeType:  # an AsyncMock has one of its own, which says that it is an instance
        folder = os.path.dirname(getattr(sys.modules.get(package), "__file__", None) or package)
        return code.co_filename.startswith(folder + os.sep)
    return str(getattr(value, "__module__", "")).split(".")[0] == package
