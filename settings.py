"""Settings: homeiq.yaml, and environment variables that win over it.

Precedence, highest first: the names that HomeIQ installations already have (HOME_ASSISTANT_URL, INFLUXDB_TOKEN, …),
`HOMEIQ_<SECTION>__<KEY>`, homeiq.yaml, the defaults here. Each secret may come from a file: a variable's name with
`_FILE` behind it, or in homeiq.yaml the key with `_file` behind it.

Sections that are not named here belong to connectors and normalizers, which nobody here knows: they are handed out as
they were read. commands/configuration.py refuses those that nobody knows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableVariable

from .choice import Choice, Exclude, Include
from .errors import SettingsError
from .layout import LayoutName, LayoutOptions, RepeatEvery
from .listening import HttpSettings
from .misspelt import explained, nearest, refuse_unknown_variables
from .retention import RetentionSettings
from .sections import Sections, other_variables, secret_in
from .target_settings import HttpUrl, InfluxDBSettings, TargetSettings

__all__ = [
    "HttpUrl",
    "TargetSettings",
    "HOMEIQ_NAMES",
    "HomeAssistantSettings",
    "HttpSettings",
    "InfluxDBSettings",
    "RecordingSettings",
    "ReplaySettings",
    "RetentionSettings",
    "Settings",
    "load",
    "find_config",
    "nearest",
    "user_data_dir",
]

HOMEIQ_NAMES = {
    "HOME_ASSISTANT_URL": ("home_assistant", "url"),
    "HOME_ASSISTANT_TOKEN": ("home_assistant", "token"),
    "INFLUXDB_URL": ("influxdb", "url"),
    "INFLUXDB_TOKEN": ("influxdb", "token"),
    "INFLUXDB_ORG": ("influxdb", "org"),
    "INFLUXDB_BUCKET": ("influxdb", "bucket"),
}


def user_data_dir() -> Path:
    """Return the data folder of the user who runs this, where none is named."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "homeiq"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HomeAssistantSettings(_Section):
    """Where Home Assistant is, and the long-lived access token to speak to it."""

    url: HttpUrl = Field(default="", description="its address, such as http://homeassistant.local:8123")
    token: SecretStr = Field(
        default=SecretStr(""),
        description="a long-lived access token: your profile there → Security, at the very bottom",
    )

    @property
    def configured(self) -> bool:
        """Both the address and the token are there."""
        return bool(self.url and self.token.get_secret_value())

    def missing(self) -> str:
        """Return one sentence on what is missing and how to set it, or an empty text."""
        for name, value in (("url", self.url), ("token", self.token.get_secret_value())):
            if not value:
                return (
                    f"Home Assistant is not configured: set home_assistant.{name} in homeiq.yaml,"
                    f" or HOME_ASSISTANT_{name.upper()}"
                )
        return ""


class RecordingSettings(_Section):
    """How the recorder groups, bounds and seals what it takes."""

    group_seconds: float = Field(
        default=1.0, gt=0, description="at the latest so many seconds after it came, a record is durable"
    )
    group_records: int = Field(default=1_000, ge=1, description="a group of so many records is written at once")
    buffer_bytes: int = Field(
        default=64_000_000, ge=100_000, description="raw text held at most while the disk does not answer"
    )
    reserve_bytes: int = Field(
        default=4 << 20,
        ge=0,
        description="room that is kept in the data folder for the moment in which its disk is full",
    )
    heartbeat_seconds: float = Field(default=60.0, gt=0, le=60.0, description="seconds between two heartbeat records")
    seal_records: int = Field(default=50_000, ge=1, description="a tail of so many records is sealed into a segment")
    seal_hours: float = Field(default=24.0, gt=0, description="a tail that old is sealed, however small")
    silence_after_minutes: float = Field(
        default=15.0, gt=0, description="so many minutes without any event, and /ready says that something is wrong"
    )
    include: Include = Field(default=Include(), description="what of Home Assistant is recorded; by default all")
    exclude: Exclude = Field(default=Exclude(), description="what of Home Assistant is not recorded")

    def choice(self) -> Choice:
        """Return what is recorded."""
        return Choice(self.include, self.exclude)


class ReplaySettings(_Section):
    """How the follower and replays work."""

    poll_seconds: float = Field(default=0.5, gt=0, description="seconds between two looks at the log's end")
    jobs: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="processes in which `homeiq replay` makes points, 0: in its own; by default as suits the machine",
    )
    include: Include = Field(default=Include(), description="what of the log is projected; by default all")
    exclude: Exclude = Field(default=Exclude(), description="what of the log is not projected")
    layout: LayoutName = Field(
        default="homeiq", description="homeiq, or home_assistant: as its influxdb integration writes"
    )
    layout_options: LayoutOptions = Field(
        default=LayoutOptions(),
        description="options of the layout home_assistant, by their names in configuration.yaml",
    )
    rewrite_changed: Literal["when_asked", "at_once"] = Field(
        default="when_asked",
        description="at_once: the follower redoes all days of a normalizer that has changed, else only the newest",
    )
    repeat_state_every: RepeatEvery = Field(
        default=None, description="so often, such as 1h, each entity's last state is written again; by default never"
    )

    def choice(self) -> Choice:
        """Return what is projected."""
        return Choice(self.include, self.exclude)


class _Environment(EnvSettingsSource):
    """The variables HOMEIQ_<SECTION>__<KEY>; those that name a file are read elsewhere."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        for section, content in values.items():
            if isinstance(content, dict):
                values[section] = {key: value for key, value in content.items() if not _names_a_file(section, key)}
        return values


class Settings(BaseSettings):
    """Everything that can be set. `data_dir` holds the log and all that is computed from it.

    `rules` are as they were read: replayer/normalizers/rules.py knows what they may say.
    """

    model_config = SettingsConfigDict(
        env_prefix="HOMEIQ_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    data_dir: Path = Field(
        default_factory=user_data_dir,
        description="folder of the log and of all that is computed from it; by default ~/.local/share/homeiq",
    )
    normalizers_dir: Path | None = Field(default=None, description="folder of a user's own normalizers")
    home_assistant: HomeAssistantSettings = Field(
        default=HomeAssistantSettings(), description="where Home Assistant is, and the token to speak to it"
    )
    influxdb: InfluxDBSettings = Field(
        default=InfluxDBSettings(), description="the InfluxDB that is written to; without a url, the embedded target"
    )
    targets: dict[str, TargetSettings] = Field(
        default_factory=dict, description="more targets beside it, by names of yours"
    )
    recording: RecordingSettings = Field(
        default=RecordingSettings(), description="how the recorder groups, bounds and seals what it takes"
    )
    http: HttpSettings = Field(
        default=HttpSettings(), description="where the recorder takes events by POST, and says how it is"
    )
    replay: ReplaySettings = Field(default=ReplaySettings(), description="how the follower and replays work")
    retention: RetentionSettings = Field(
        default=RetentionSettings(), description="what expires from the log; by default nothing ever does"
    )
    rules: list[Any] = Field(default=[], description="what is wanted otherwise of Home Assistant's states")

    _others: Sections = PrivateAttr(default_factory=lambda: Sections({}, {}, ""))

    def all_targets(self) -> dict[str, TargetSettings]:
        """Return all targets by name: InfluxDB, or without one the embedded target, and those under `targets`."""
        influxdb = {"kind": "influxdb", **dict(self.influxdb)}
        first = "influxdb" if self.influxdb.url else "embedded"
        own = TargetSettings.model_validate(influxdb if self.influxdb.url else {"kind": "embedded"})
        return {first: own, **self.targets}

    @property
    def sections(self) -> list[str]:
        """The names of the sections that are not known here."""
        return sorted({*self._others.file, *self._others.environment})

    def section(self, name: str) -> dict[str, Any]:
        """Return such a section as it was set, `api_key_file: PATH` as the content of PATH; empty if it was not.

        Raises SettingsError for a section that has no keys, and for a file that cannot be read.
        """
        return self._others.section(name)

    def place_of(self, section: str, key: str = "") -> str:
        """Return where such a section's key was set, for a message: a variable's name, or key and file."""
        return self._others.place_of(section, key)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the file (given at construction) behind the environment."""
        del env_settings, dotenv_settings, file_secret_settings
        names = InitSettingsSource(settings_cls, init_kwargs=_homeiq_names(os.environ))
        return names, _Environment(settings_cls), init_settings


def find_config() -> Path | None:
    """Return homeiq.yaml: here, else in the user's, else in the system's configuration folder; None if nowhere."""
    user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for folder in (Path.cwd(), user / "homeiq", Path("/etc/homeiq")):
        if os.path.isfile(folder / "homeiq.yaml"):  # also where one may not look into the folder
            return folder / "homeiq.yaml"
    return None


def load(config: Path | None = None, *, data_dir: Path | None = None) -> Settings:
    """Read all settings; `data_dir` wins over every other place.

    Raises SettingsError, which names the setting, for a file or a value that cannot be read and for an unknown key.
    """
    file = config or find_config()
    content = _read_yaml(file) if file else {}
    values = {name: value for name, value in content.items() if name in Settings.model_fields}
    others = {name: value for name, value in content.items() if name not in Settings.model_fields}
    for folder in ("data_dir", "normalizers_dir"):
        if file and isinstance(values.get(folder), str):
            values[folder] = str(file.parent / Path(values[folder]).expanduser())
    refuse_unknown_variables(os.environ, Settings, anybodys=("targets",))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise explained(error, Settings, str(file) if file else "the environment", os.environ) from None
    except UnreadableVariable as error:
        raise SettingsError(
            f"a section in the environment is not JSON ({error})", hint="set its keys one by one"
        ) from None
    chosen = (data_dir or settings.data_dir).expanduser().absolute()
    settings = settings.model_copy(update={"data_dir": chosen, "normalizers_dir": _normalizers_dir(settings, file)})
    variables = other_variables(os.environ, Settings.model_fields)
    settings._others = Sections(others, variables, str(file) if file else "the environment")
    return settings


def _normalizers_dir(settings: Settings, file: Path | None) -> Path | None:
    """Return the folder that is named, else the folder `normalizers` beside the file if there is one."""
    if settings.normalizers_dir is not None:
        return settings.normalizers_dir.expanduser().absolute()
    beside = file.parent.absolute() / "normalizers" if file else None
    return beside if beside is not None and beside.is_dir() else None


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({error.strerror})", hint="check --config") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise SettingsError(
            f"{file}{line} is not YAML", hint="see the example in the README", place=str(file)
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{file} must hold sections such as home_assistant", hint="see the example in the README")
    return {str(key): _read_secret_files(str(key), value) for key, value in content.items() if value is not None}


def _read_secret_files(section: str, value: Any) -> Any:
    """Replace `token_file: PATH` by `token: <its content>`."""
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, content in value.items():
        name = str(key)
        if _names_a_file(section, name):
            result[name.removesuffix("_file")] = secret_in(f"{section}.{name}", str(content))
        else:
            result[name] = content
    return result


def _names_a_file(section: str, key: str) -> bool:
    """Tell whether a key says in which file the value of a setting stands."""
    field = Settings.model_fields.get(section)
    known = getattr(field.annotation, "model_fields", {}) if field else {}
    return key.endswith("_file") and key not in known and key.removesuffix("_file") in known


def _homeiq_names(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what HOME_ASSISTANT_URL and its like say; an empty variable says nothing."""
    found: dict[str, dict[str, str]] = {}
    for name, (section, key) in HOMEIQ_NAMES.items():
        if environ.get(name):
            found.setdefault(section, {})[key] = environ[name]
        elif environ.get(f"{name}_FILE"):
            found.setdefault(section, {})[key] = secret_in(f"{name}_FILE", environ[f"{name}_FILE"])
    return _with_secret_variables(environ, found)


def _with_secret_variables(environ: Mapping[str, str], found: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Add HOMEIQ_<SECTION>__<KEY>_FILE, where <KEY> is a setting of that section."""
    for variable, path in environ.items():
        section, _, key = variable.lower().removeprefix("homeiq_").partition("__")
        if variable.upper().startswith("HOMEIQ_") and path and _names_a_file(section, key):
            found.setdefault(section, {}).setdefault(key.removesuffix("_file"), secret_in(variable, path))
    return found
