"""The page of all settings: those of homeiq itself, and those of connectors and normalizers, from their models."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from homeiq.commands.configuration import models_of
from homeiq.connectors.registry import connector_names
from homeiq.replayer.normalizers.registry import normalizer_classes
from homeiq.settings import HOMEIQ_NAMES, Settings
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

__all__ = ["page"]

_HEAD = """# Settings

Made from the code. Each can stand in `homeiq.yaml` or in the environment, which wins: `HOMEIQ_<SECTION>__<KEY>`; some have
a shorter name. A secret may stand in a file: in `homeiq.yaml` by the key with `_file` behind it, in the environment by the
variable with `_FILE` behind it. A list or a map in a variable is JSON. An unknown key is refused
(exit code 2). `homeiq.yaml` is looked for here, in `~/.config/homeiq` and in `/etc/homeiq`; `--config FILE` names another.
"""
_SHORT = {path: name for name, path in HOMEIQ_NAMES.items()}
_FACTORIES = {"data_dir": "`~/.local/share/homeiq`"}


def page() -> str:
    """Return the page."""
    parts = [_HEAD, "## In no section\n", *_table(_plain(Settings), ())]
    for name, field in Settings.model_fields.items():
        model = _model_of(field.annotation)
        if model is not None:
            named = "targets.NAME" if name == "targets" else name
            parts += [f"\n## {named}\n", _first_sentence(model), "", *_table(model.model_fields, (name,))]
    for name in sorted({*connector_names(), *normalizer_classes()} - set(Settings.model_fields)):
        parts += _of_plugins(name)
    return "\n".join(parts).rstrip("\n") + "\n"


def _plain(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {name: field for name, field in model.model_fields.items() if _model_of(field.annotation) is None}


def _of_plugins(name: str) -> Iterator[str]:
    """Yield the section of a connector and of the normalizer of the same name."""
    models = models_of(name)[::-1]
    fields: dict[str, FieldInfo] = {}
    for model in models:  # whom a connector asks, and what a normalizer does with nobody asked
        fields = {
            **model.model_fields,
            **{key: field for key, field in fields.items() if key not in model.model_fields},
        }
    providers = [
        get_args(model.model_fields["provider"].annotation) for model in models if "provider" in model.model_fields
    ]
    if not fields:
        return
    yield f"\n## {name}\n"
    if (Path(__file__).parent.parent.parent / "docs" / "utilities" / f"{name}.md").exists():
        yield f"What they mean: `docs/utilities/{name}.md`.\n"
    words = [f"`{word}`" for some in reversed(providers) for one in some for word in get_args(one)]
    rows = [*_table(fields, (name,))]
    yield from (_with_providers(row, " or ".join(dict.fromkeys(words))) for row in rows)


def _with_providers(row: str, words: str) -> str:
    cells = row.split(" | ")
    return " | ".join([cells[0], words, *cells[2:]]) if cells[0] == "| `provider`" else row


def _table(fields: dict[str, FieldInfo], path: tuple[str, ...]) -> Iterator[str]:
    yield "| setting | is | default | variable | |"
    yield "| --- | --- | --- | --- | --- |"
    yield from _rows(fields, path)


def _rows(fields: dict[str, FieldInfo], path: tuple[str, ...]) -> Iterator[str]:
    for name, field in fields.items():
        whole = (*path, name)
        below = _model_of(field.annotation)
        if below is not None:
            yield from _rows(below.model_fields, whole)
            continue
        shown = ".".join(whole[1:] or whole)
        cells = (f"`{shown}`", _GIVEN_AS.get(name) or _type(field), _default(name, field), _variable(whole))
        yield f"| {' | '.join(cells)} | {_cell(field.description or '')} |"


def _variable(whole: tuple[str, ...]) -> str:
    if whole[0] == "targets":
        return ""
    short = _SHORT.get((whole[0], whole[-1])) if len(whole) == 2 else None
    return f"`{short or 'HOMEIQ_' + '__'.join(whole).upper()}`"


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for one in (
        annotation,
        *(get_args(annotation) if get_origin(annotation) is dict and "Target" in str(annotation) else ()),
    ):
        if inspect.isclass(one) and issubclass(one, BaseModel):
            return one
    return None


_GIVEN_AS = {"age": "age: `400d`, `2y`", "total_size": "size: `20GB`", "repeat_state_every": "interval: `1h`"}
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", SecretStr: "secret"}


def _type(field: FieldInfo) -> str:
    words = _word(field.annotation)
    for bound in field.metadata:
        for kind, before in ((Ge, "from"), (Gt, "more than"), (Le, "up to"), (Lt, "less than")):
            if isinstance(bound, kind):
                words += f" {before} {_number(getattr(bound, kind.__name__.lower()))}"
    return words


def _number(bound: float) -> str:
    return f"{int(bound):,}" if bound == int(bound) else f"{bound:g}"


def _word(annotation: Any) -> str:
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    if origin in (list, tuple, set, frozenset):
        return "list"
    if origin is dict:
        return "map"
    words = [_word(one) for one in arguments if one is not type(None) and (inspect.isclass(one) or get_origin(one))]
    return " or ".join(dict.fromkeys(words)) or "text"


def _default(name: str, field: FieldInfo) -> str:
    value = field.default
    if name in _FACTORIES:
        return _FACTORIES[name]
    if (
        value is PydanticUndefined
        or value is None
        or isinstance(value, SecretStr | BaseModel)
        or value in ("", [], {}, ())
    ):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | list | frozenset):
        return "built in"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _first_sentence(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
