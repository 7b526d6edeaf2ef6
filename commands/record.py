"""`homeiq record` and `homeiq run`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..clock import SystemClock
from ..connectors.base import Around, Connector, Poller
from ..connectors.home_assistant.client import HomeAssistantConnector
from ..connectors.registry import create
from ..errors import SettingsError
from ..recorder.companion import Companion
from ..recorder.daemon import Recorder, Watcher
from ..settings import Settings
from .logs import log_options

__all__ = ["follow_command", "follower_environment", "followers_of", "record", "run", "run_recorder", "upkeep_command"]

_log = logging.getLogger(__name__)


def record(settings: Settings, config: Path | None) -> None:
    """Record until SIGTERM or SIGINT. Raises LogError when the log cannot be opened."""
    run_recorder(settings, (), purpose="homeiq record", upkeep=upkeep_command(settings.data_dir, config))


def run(settings: Settings, config: Path | None) -> None:
    """Record, and keep a process for each target that follows the log. Raises LogError when the log cannot be opened."""
    upkeep = upkeep_command(settings.data_dir, config)
    run_recorder(settings, followers_of(settings, config), purpose="homeiq run", upkeep=upkeep)


def followers_of(settings: Settings, config: Path | None) -> list[Companion]:
    """Return the other processes of `run`, one a target: they have only the log in common with this one."""
    names = list(settings.all_targets())
    return [
        Companion(
            follow_command(settings.data_dir, config, name),
            "the follower" if len(names) == 1 else f"the follower into {name}",
            follower_environment(os.environ),
            unblocks=True,
        )
        for name in names
    ]


def follower_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a follower, which lives for months: what it has freed is to be used again, by all threads.

    With an arena for each thread, and Arrow's own pool beside them, each diagnosis left some memory behind: measured, a
    quarter more. Whoever has set these himself has his way.
    """
    return {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system", **environment}


def follow_command(data_dir: Path, config: Path | None, target: str = "") -> list[str]:
    """Return the command that follows a log into a target as long as this process lives."""
    command = [*_homeiq(data_dir, config, log_options()), "replay", "--follow", "--parent", str(os.getpid())]
    return [*command, "--target", target] if target else command


def upkeep_command(data_dir: Path, config: Path | None) -> list[str]:
    """Return the command that merges small segments of a log, and lets expire what the settings say, in the background."""
    as_text = ("--log-format", "text")  # the last line that it says of a failure stands in the recorder's own log
    return [*_homeiq(data_dir, config, as_text), "compact", "--background"]


def _homeiq(data_dir: Path, config: Path | None, options: Sequence[str]) -> list[str]:
    command = [sys.executable, "-m", "homeiq", *options, "--data-dir", str(data_dir)]
    return command if config is None else [*command, "--config", str(config)]


def run_recorder(
    settings: Settings,
    companions: Sequence[Companion],
    *,
    purpose: str,
    watcher: Watcher | None = None,
    upkeep: Sequence[str] = (),
) -> None:
    """Record what is configured; say what is missing, and go on without it. Raises SettingsError.

    `upkeep` is the command that merges segments and lets records expire.
    """
    if wrong := settings.http.wrong():
        raise SettingsError(wrong)
    missing = settings.home_assistant.missing()
    if missing:
        _log.warning("%s; recording goes on without it", missing)
    connectors: list[Connector] = [] if missing else [HomeAssistantConnector(settings.home_assistant)]
    asyncio.run(_run(settings, connectors, companions, purpose, watcher, upkeep))


class _Configured:
    """Makes the connectors that have a section in homeiq.yaml."""

    def __init__(self, settings: Settings) -> None:
        self.streams: list[Connector] = []
        self._pollers: list[Poller[Any]] = []
        self._home_config: Callable[[], Mapping[str, Any]] = dict
        around = Around(SystemClock(), settings.home_assistant, self._config)
        for name in settings.sections:
            try:
                made = create(name, settings.section(name), around)
            except SettingsError as error:
                _log.warning("%s; recording goes on without it", error)
                continue
            if isinstance(made, Poller):
                self._pollers.append(made)
            elif made is not None:
                self.streams.append(made)

    def _config(self) -> Mapping[str, Any]:
        return self._home_config()

    def pollers(self, home_config: Callable[[], Mapping[str, Any]]) -> Sequence[Poller[Any]]:
        """Return those that are polled, which from now on know the home by `home_config`."""
        self._home_config = home_config
        return self._pollers


async def _run(
    settings: Settings,
    connectors: list[Connector],
    companions: Sequence[Companion],
    purpose: str,
    watcher: Watcher | None,
    upkeep: Sequence[str],
) -> None:
    configured = _Configured(settings)
    recorder = Recorder(
        settings.data_dir,
        settings.recording,
        [*connectors, *configured.streams],
        companions=companions,
        purpose=purpose,
        upkeep=upkeep,
        pollers=configured.pollers,
    )
    recorder.health.unconfigured = settings.home_assistant.missing()
    await recorder.run(watcher, settings.http)
