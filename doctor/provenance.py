"""Every setting with its value, secrets masked, and where that came from: a variable, the file, or the default."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic import BaseModel, SecretStr

from ..errors import HomeiqError
from ..settings import HOMEIQ_NAMES, Settings, find_config
from .masking import MASK, is_secret, without_user
from .words import count

__all__ = ["Shown", "all_settings"]

_VARIABLES: Final = {place: name for name, place in HOMEIQ_NAMES.items()}


class Shown(NamedTuple):
    """A setting as it may be shown."""

    name: str
    value: str
    place: str


def all_settings(settings: Settings, config: Path | None, data_dir_given: bool = False) -> list[Shown]:
    """Return all settings, those of connectors and targets too as far as they are set."""
    file = config or find_config()
    content = _content(file)
    places = _Places(os.environ, content, file)
    shown = []
    for section in Settings.model_fields:
        value = getattr(settings, section)
        if isinstance(value, BaseModel):
            shown += [_shown(f"{section}.{key}", one, places.of(section, key)) for key, one in value]
        elif section == "targets":
            shown += [row for name, target in value.items() for row in _of_target(name, target, places)]
        elif section == "rules":
            shown += [Shown("rules", count(len(value), "rule"), places.of("rules"))] if value else []
        else:
            place = "--data-dir" if section == "data_dir" and data_dir_given else places.of(section)
            shown.append(_shown(section, value, place))
    for section in settings.sections:
        shown += _of_section(settings, section)
    return shown


def _content(file: Path | None) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


class _Places:
    """Where a setting came from, by the order in which settings.py looks."""

    def __init__(self, environ: Mapping[str, str], content: Mapping[str, Any], file: Path | None) -> None:
        self._environ = {name.upper(): name for name, value in environ.items() if value}
        self._content = content
        self._file = file.name if file else ""

    def of(self, section: str, key: str = "") -> str:
        """Return a variable's name, the file's, or `default`."""
        own = _VARIABLES.get((section, key), "")
        whole = f"HOMEIQ_{section}__{key}".upper() if key else f"HOMEIQ_{section}".upper()
        for name in filter(None, (own, own and f"{own}_FILE", whole, f"{whole}_FILE", f"HOMEIQ_{section}".upper())):
            if name in self._environ:
                return self._environ[name]
        if any(name.startswith(f"{whole}__") for name in self._environ):
            return next(real for name, real in self._environ.items() if name.startswith(f"{whole}__"))
        there = self._content.get(section)
        if there is not None and (not key or (isinstance(there, dict) and {key, f"{key}_file"} & set(there))):
            return self._file
        return "default"


def _shown(name: str, value: Any, place: str) -> Shown:
    return Shown(name, _masked(value), place)


def _masked(value: Any) -> str:
    """Return a value as text, without what is secret in it."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else "not set"
    if isinstance(value, BaseModel):
        said = {key: one for key, one in value.model_dump(mode="json", exclude_defaults=True).items() if one}
        return str(said) if said else "nothing"
    if value is None or value == "" or value == () or value == {}:
        return "not set"
    return without_user(str(value))


def _of_target(name: str, target: BaseModel, places: _Places) -> Iterator[Shown]:
    place = places.of("targets", name)
    for key in sorted(target.model_fields_set | {"kind"}):
        yield _shown(f"targets.{name}.{key}", getattr(target, key), place)


def _of_section(settings: Settings, name: str) -> Iterator[Shown]:
    """Yield the settings of a connector or normalizer; what nobody describes may be a secret, and is masked."""
    try:
        section = settings.section(name)
    except HomeiqError as error:
        yield Shown(name, error.message, settings.place_of(name))
        return
    for key, value in section.items():
        place = settings.place_of(name, key).rpartition("/")[2].rpartition(" in ")[2]
        yield Shown(f"{name}.{key}", MASK if is_secret(name, key) else _masked(value), place)
