"""Settings that nobody knows, in homeiq.yaml and in variables: which was meant, and where it stands. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError

from .errors import SettingsError
from .sections import section_of

__all__ = ["explained", "names_of", "nearest", "refuse_unknown_variables"]

_SURELY: Final = 0.8
"""A variable without a section is ours only if it is so similar to one of ours: others may begin with HOMEIQ_ too."""


def nearest(name: str, known: Sequence[str]) -> str:
    """Say which of the known names was probably meant."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"


def names_of(model: type[BaseModel]) -> list[str]:
    """Return the keys that a section may have: a secret also as the file that it stands in."""
    secrets = [f"{name}_file" for name, field in model.model_fields.items() if field.annotation is SecretStr]
    return [*model.model_fields, *secrets]


def refuse_unknown_variables(environ: Mapping[str, str], settings: type[BaseModel], *, anybodys: Iterable[str]) -> None:
    """Raise SettingsError for a variable HOMEIQ_SECTION__KEY, or one like HOMEIQ_DATA_DIR, that is none of ours.

    Sections whose keys are names that a person gives are not looked at; nor those that others know.
    """
    known = [_variable(name) for name in _names_below(settings)]
    maps = tuple(f"{_variable(name)}__" for name in _maps_below(settings))
    alone = list(settings.model_fields)
    for variable in environ:
        name, section = variable.upper(), section_of(variable)
        if name in known or name.removesuffix("_FILE") in known or name.startswith(maps):
            continue
        if section in settings.model_fields and section not in anybodys:
            raise SettingsError(f"{variable} is not a setting", hint=nearest(name, [*known, *_files(settings)]))
        word = name.removeprefix("HOMEIQ_").lower()
        meant = [] if section or len(word) == len(name) else difflib.get_close_matches(word, alone, 1, _SURELY)
        if meant:
            raise SettingsError(f"{variable} is not a setting", hint=f"did you mean {_variable(meant[0])}?")


def explained(
    error: ValidationError, settings: type[BaseModel], place: str, environ: Mapping[str, str]
) -> SettingsError:
    """Return the error that says in one sentence which setting is unknown or cannot be read, and where it stands."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    name = ".".join(path)
    variable = next((each for each in environ if each.upper() == _variable("__".join(path))), "")
    said = variable or f"{name} in {place}"
    if first["type"] == "extra_forbidden":
        known = names_of(_model_at(settings, path[:-1]))
        if variable:
            known = [_variable("__".join([*path[:-1], each])) for each in known]
        hint = nearest(variable.upper() or path[-1], known)
        return SettingsError(f"{said} is not a setting", hint=hint)
    reason = first["msg"].removeprefix("Value error, ")
    return SettingsError(f"{said} cannot be read", hint=reason[:1].lower() + reason[1:], place=name)


def _model_at(model: Any, path: Sequence[str]) -> type[BaseModel]:
    for part in path:
        if part in model.model_fields:  # else it is a name that is given to something
            model = model.model_fields[part].annotation
            model = next((of for of in get_args(model) if hasattr(of, "model_fields")), model)
    found: type[BaseModel] = model
    return found


def _variable(name: str) -> str:
    return f"HOMEIQ_{name}".upper()


def _names_below(model: Any) -> Iterator[str]:
    """Yield the names of all settings, those of nested sections too: section__key__key."""
    for name, field in getattr(model, "model_fields", {}).items():
        yield name
        for key in _names_below(field.annotation):
            yield f"{name}__{key}"


def _maps_below(model: Any) -> Iterator[str]:
    """Yield the names of those settings whose keys a person names."""
    for name, field in getattr(model, "model_fields", {}).items():
        if get_origin(field.annotation) is dict:
            yield name
        for key in _maps_below(field.annotation):
            yield f"{name}__{key}"


def _files(settings: type[BaseModel]) -> Iterator[str]:
    """Yield the variables that name a file with a secret in it."""
    for section, field in settings.model_fields.items():
        for key, inner in getattr(field.annotation, "model_fields", {}).items():
            if inner.annotation is SecretStr:
                yield _variable(f"{section}__{key}_file")
