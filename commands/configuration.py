"""The settings, checked against everybody who takes a section of homeiq.yaml: connectors and normalizers."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ..connectors.registry import connector_class, connector_names
from ..errors import SettingsError
from ..misspelt import names_of, nearest
from ..sections import secrets_in
from ..settings import Settings, load
from .logs import hide

__all__ = ["load_settings", "models_of", "refuse_unknown"]

_log = logging.getLogger(__name__)


def load_settings(config: Path | None = None, *, data_dir: Path | None = None) -> Settings:
    """Read all settings; see settings.load. Raises SettingsError, for a section or key that nobody knows too."""
    settings = load(config, data_dir=data_dir)
    hide(secrets_in(settings))
    hide(os.environ.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
    refuse_unknown(settings)
    return settings


def refuse_unknown(settings: Settings) -> None:
    """Raise SettingsError for a section, key or value that neither a connector nor a normalizer takes.

    A plug-in that is broken is said and passed over: recording depends on no other part.
    """
    if settings.rules:  # what nobody has set need not be loaded
        from ..replayer.normalizers.rules import read_rules

        read_rules(settings.rules)
    for name in settings.sections:
        _check(settings, name)


def _check(settings: Settings, name: str) -> None:
    try:
        models = models_of(name)
    except SettingsError as error:
        _log.warning("%s", error)
        return
    # A user's file says what else may stand there; it is not run here, as recording depends on this check.
    users = _is_users(settings, name)
    if not models and not users:
        raise _unknown(settings, name)
    section = settings.section(name)
    known = {key for model in models for key in model.model_fields}
    named = list(dict.fromkeys(key for model in models for key in names_of(model)))
    for key in section:
        if key not in known and not users:
            variable = settings.place_of(name, key).startswith("HOMEIQ_")
            names = [f"HOMEIQ_{name}__{each}".upper() for each in named] if variable else named
            said = settings.place_of(name, key)
            raise SettingsError(f"{said} is not a setting", hint=nearest(said if variable else key, names))
    for model in models:
        _validate(settings, name, model, section)


def models_of(name: str) -> list[type[BaseModel]]:
    """Return the models of those who take a section: its connector's and its normalizer's."""
    from ..replayer.normalizers.registry import normalizer_classes

    connector = connector_class(name)
    normalizer = normalizer_classes().get(name)
    return [kind.settings_model for kind in (connector, normalizer) if kind is not None]


def _is_users(settings: Settings, name: str) -> bool:
    """Tell whether a normalizer of this name is a user's file, or one of a plug-in that can't be used."""
    from ..replayer.normalizers.registry import is_unusable_plugin
    from ..replayer.normalizers.users import file_names

    try:
        return is_unusable_plugin(name) or name in file_names(settings.normalizers_dir)
    except OSError:
        return True  # the folder cannot be read, which is said where normalizers are needed


def _unknown(settings: Settings, name: str) -> SettingsError:
    from ..replayer.normalizers.registry import normalizer_classes

    said = settings.place_of(name)
    known = sorted({*Settings.model_fields, *connector_names(), *normalizer_classes()})
    hint = nearest(name, known)
    if said.startswith("HOMEIQ_") and hint.endswith("?"):  # say it as it can be copied
        meant = hint.removeprefix("did you mean ").rstrip("?")
        hint = f"did you mean {said.replace(f'HOMEIQ_{name}__'.upper(), f'HOMEIQ_{meant}__'.upper(), 1)}?"
    return SettingsError(f"{said} is not a setting", hint=hint)


def _validate(settings: Settings, name: str, model: type[BaseModel], section: Mapping[str, Any]) -> None:
    try:
        hide(secrets_in(model.model_validate(dict(section))))
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(part) for part in first["loc"]]
        reason = first["msg"].removeprefix("Value error, ")
        place = settings.place_of(name, path[0] if path else "")
        whole = ".".join([name, *path])
        said = place if place.startswith("HOMEIQ_") or not path else place.replace(f"{name}.{path[0]}", whole, 1)
        raise SettingsError(
            f"{said} cannot be read", hint=reason[:1].lower() + reason[1:], place=f"{name}.{path}"
        ) from None
