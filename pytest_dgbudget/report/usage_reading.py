"""Reading ``usage.json`` of other runs: files that somebody names, and may have taken for something else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.paths import require_file
from pytest_dgbudget.report.document import SCHEMA, UsageDocument
from pytest_dgbudget.report.usage_file import FILE_NAME

# Sums of more than these would not be exact, or not be numbers.
_LARGEST = 1e15
N = TypeVar("N", int, float)

_KIND, _, _ = SCHEMA.partition("/")


def usage_files(named: Path) -> list[Path]:
    """Return the file that is named, or each ``usage.json`` in a folder and below; raises SettingsError."""
    if not named.is_dir():
        return [named]
    found = sorted(path for path in named.rglob(FILE_NAME) if path.is_file())
    if not found:
        raise SettingsError(f"{named}: there is no {FILE_NAME} in this folder, nor below it")
    return found


def read_usage(path: Path, folder: Path) -> UsageDocument:
    """Return the document, with the paths of its artifacts relative to ``folder``; raises SettingsError."""
    document = _parsed(path)
    if not isinstance(document, dict) or not str(document.get("schema")).startswith(f"{_KIND}/"):
        raise SettingsError(f'{path}: this is no usage.json of pytest-dgbudget, it has no "schema": "{SCHEMA}"')
    if document["schema"] != SCHEMA:
        raise SettingsError(
            f"{path}: its schema is {document['schema']}, and this version of pytest-dgbudget reads {SCHEMA}: use the "
            "version that wrote it"
        )
    _require_form(path, document)
    for test in document["tests"]:
        test["artifacts"] = [_relative(path.parent / artifact, folder) for artifact in test["artifacts"]]
    return cast(UsageDocument, document)


def _parsed(path: Path) -> Any:
    try:
        require_file(path)
        return json.loads(
            path.read_bytes(), parse_constant=_refuse_constant, parse_float=_number(float), parse_int=_number(int)
        )
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file") from None
    except OSError as error:
        raise SettingsError(f"{path}: it can't be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: it is not JSON ({error}); was it written and copied whole?") from None


def _number(read: Callable[[str], N]) -> Callable[[str], N]:
    def number(text: str) -> N:
        value = read(text)
        if abs(value) > _LARGEST:
            raise ValueError(f"{text[:20]} is larger than any figure of ours")
        return value

    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _require_form(path: Path, document: dict[str, Any]) -> None:
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator()(document)
    except JsonSchemaValueException as error:
        raise SettingsError(f"{path}: it has not the form of {SCHEMA}: {error.message}") from None
    if not _is_numbered(document):
        raise SettingsError(
            f"{path}: it is a merged document whose tests or sessions don't say of which shard they are"
        )


@cache
def _validator() -> Callable[[Any], Any]:
    import fastjsonschema

    schema = files("pytest_dgbudget.report").joinpath("usage.schema.json").read_text(encoding="utf-8")
    compiled: Callable[[Any], Any] = fastjsonschema.compile(json.loads(schema), use_default=False)
    return compiled


def _is_numbered(document: dict[str, Any]) -> bool:
    """Without its shard's number, an entry of a merged document would be lost."""
    numbers = range(len(document["shards"])) if "shards" in document else [None]
    return all(entry.get("shard") in numbers for entry in (*document["tests"], *document["sessions"]))


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
