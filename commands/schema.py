"""The JSON schema of homeiq.yaml, by which an editor completes and checks it: made from the models that read it.

What belongs together (latitude and longitude, a provider and its key) only the models know; what is wrong by the schema
is wrong for them too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ..connectors.registry import connector_names
from ..replayer.normalizers.registry import normalizer_classes
from ..replayer.normalizers.rules import Rule
from ..settings import Settings
from .configuration import models_of

__all__ = ["schema", "schema_text"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_NULLABLE: Final = frozenset({"Include", "Exclude"})
_REF: Final = "#/$defs/"


def schema() -> dict[str, Any]:
    """Return the schema, with the sections of all connectors and normalizers there are: those of plug-ins too."""
    sections = _models_of_sections()
    models: list[type[BaseModel]] = [Settings, Rule]
    for kinds in sections.values():
        models += kinds
    inputs: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in models]
    names, whole = models_json_schema(inputs)
    definitions = whole["$defs"]
    own = _at(names[Settings, "validation"], definitions)
    properties = {name: _plain(content) for name, content in own["properties"].items()}
    properties["rules"]["items"] = dict(names[Rule, "validation"])
    for section, kinds in sections.items():
        parts = [_at(names[kind, "validation"], definitions) for kind in kinds]
        properties[section] = _section(parts, _what(kinds[0]))
    used = {name: _plain(content) for name, content in definitions.items() if name.isidentifier()}
    properties = {name: content if name == "rules" else _or_nothing(content) for name, content in properties.items()}
    found: dict[str, Any] = {
        "$schema": _DIALECT,
        "title": "homeiq.yaml",
        "description": "Settings of homeiq; variables of the environment win over them",
        "type": "object",
        "additionalProperties": False,
        "properties": dict(sorted(properties.items())),
    }
    return {**found, "$defs": _reached(found, used)}


def schema_text() -> str:
    """Return the schema as a file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _models_of_sections() -> dict[str, list[type[BaseModel]]]:
    """Return the models that read each section of connectors and normalizers, the connector's first."""
    found: dict[str, list[type[BaseModel]]] = {}
    for name in sorted({*connector_names(), *normalizer_classes()} - {"home_assistant", *Settings.model_fields}):
        models = models_of(name)
        if any(model.model_fields for model in models):
            found[name] = models
    return found


def _what(model: type[BaseModel]) -> str:
    """Return in a line what a section is for: what its module says of itself."""
    return (sys.modules[model.__module__].__doc__ or "").partition("\n")[0].rstrip(".")


def _section(parts: list[dict[str, Any]], what: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for part in reversed(parts):
        properties |= part.get("properties", {})
    whole = {"type": "object", "description": what, "additionalProperties": False, "properties": properties}
    made: dict[str, Any] = _plain(whole)
    return made


def _plain(content: Any) -> Any:
    """Return a part of a schema as a person writes it: secrets from files, lists also as one text; without titles."""
    if isinstance(content, list):
        return [_plain(each) for each in content]
    if not isinstance(content, dict):
        return content
    made = {key: _plain(value) for key, value in content.items() if key not in ("title", "properties")}
    if "properties" in content:
        made["properties"] = _with_files({name: _plain(value) for name, value in content["properties"].items()})
    if _says_nothing(made.get("default")):
        made.pop("default", None)
    if made.get("type") == "array" and made.get("items", {}).get("type") == "string":
        rest = {key: made.pop(key) for key in ("description", "default") if key in made}
        return {**rest, "anyOf": [made, {"type": "string"}]}
    if made.get("$ref", "").removeprefix(_REF) in _NULLABLE:
        return _or_nothing(made)
    return made


def _says_nothing(default: Any) -> bool:
    """Tell whether a default is better left out: an empty one, and what is long."""
    return default in ("", None) or isinstance(default, dict) or (isinstance(default, list) and len(default) > 10)


def _with_files(properties: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, content in properties.items():
        if content.get("format") == "password":
            content = {key: value for key, value in content.items() if key not in ("format", "writeOnly")}
            found[f"{name}_file"] = {"type": "string", "description": f"a file that holds {name}"}
        found[name] = content
    return found


def _or_nothing(content: Mapping[str, Any]) -> dict[str, Any]:
    """Let nothing stand behind a key, too."""
    rest = {key: value for key, value in content.items() if key not in ("description", "default")}
    words = {key: value for key, value in content.items() if key in ("description", "default")}
    return {**words, "anyOf": [rest, {"type": "null"}]}


def _at(reference: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definitions[reference["$ref"].removeprefix(_REF)]
    return found


def _reached(content: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definitions that a schema refers to, and those that these refer to."""
    found: dict[str, Any] = {}
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix(_REF)
            if name and name not in found:
                found[name] = definitions[name]
                waiting.append(definitions[name])
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return dict(sorted(found.items()))
