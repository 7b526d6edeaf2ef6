"""Sections of homeiq.yaml that belong to connectors and normalizers: kept as they were set, by whom nobody here knows.

A key that ends in `_file` names a file whose content is the value. A variable HOMEIQ_<SECTION>__<KEY> wins over the file;
`__` once more goes into a map, and a value that begins with [ or { is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from .errors import SettingsError

__all__ = ["Sections", "other_variables", "secret_in", "secrets_in", "section_of"]


class Sections:
    """The sections of connectors and normalizers. Never shown: what is a secret in them is not known here."""

    def __init__(self, file: Mapping[str, Any], environment: Mapping[str, dict[str, str]], name: str) -> None:
        """`environment` holds, for each section, the keys (as in the variable's name) and their values."""
        self.file = file
        self.environment = environment
        self._name = name

    def section(self, name: str) -> dict[str, Any]:
        """Return a section; see Settings.section."""
        from_file = self.file.get(name, {})
        if not isinstance(from_file, dict):
            raise SettingsError(
                f"{name} in {self._name} must hold settings such as provider",
                hint="write each on a line of its own below it",
                place=self._name,
            )
        found: dict[str, Any] = {}
        for key, value in from_file.items():
            _set(found, [str(key)], value, f"{name}.{key}")
        variables = self.environment.get(name, {})
        for key in sorted(variables, key=lambda key: not key.endswith("_file")):  # a value wins over a file
            _set(found, key.split("__"), _value(variables[key]), f"HOMEIQ_{name}__{key}".upper())
        return found

    def place_of(self, section: str, key: str = "") -> str:
        """Return where it was set; see Settings.place_of."""
        for variable in self.environment.get(section, {}):
            if not key or variable.split("__")[0].removesuffix("_file") == key:
                return f"HOMEIQ_{section}__{variable}".upper()
        return f"{section}.{key} in {self._name}" if key else f"{section} in {self._name}"


def _set(section: dict[str, Any], path: list[str], value: Any, setting: str) -> None:
    """Set a key of a section, a nested one too; one that ends in `_file` says where its value stands."""
    for name in path[:-1]:
        inner = section.get(name)
        section[name] = section = dict(inner) if isinstance(inner, dict) else {}
    key = path[-1]
    if key.endswith("_file"):
        key, value = key.removesuffix("_file"), secret_in(setting, str(value))
    section[key] = value


def _value(text: str) -> Any:
    """Return a variable's value: a list or an object is written as JSON."""
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def secrets_in(value: object) -> Iterator[str]:
    """Yield all secrets in settings that were read, however deep."""
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        yield from (secret, secret.rpartition(":")[2])  # InfluxDB 1.8 has user:password
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from secrets_in(inner)
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from secrets_in(inner)


def secret_in(setting: str, path: str) -> str:
    """Return the content of the file that a setting names; raises SettingsError if it can't be read."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise SettingsError(
            f"{setting} names {path}, which cannot be read ({reason})",
            hint="check the path, and that homeiq may read the file",
        ) from None


def section_of(variable: str) -> str:
    """Return the section that a variable HOMEIQ_<SECTION>__<KEY> is about; an empty text for any other variable."""
    name = variable.lower()
    return name.removeprefix("homeiq_").partition("__")[0] if name.startswith("homeiq_") and "__" in name else ""


def other_variables(environ: Mapping[str, str], known: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return what the environment says of other sections than the known ones: section → key → value."""
    found: dict[str, dict[str, str]] = {}
    for variable, value in environ.items():
        section = section_of(variable)
        if section and section not in known and value:
            found.setdefault(section, {})[variable.lower().partition("__")[2]] = value
    return found
