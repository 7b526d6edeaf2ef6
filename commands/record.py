"""`homeiq record` and `homeiq run`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from ..connectors.base import Connector
from ..connectors.home_assistant.client import HomeAssistantConnector
from ..errors import SettingsError
from ..recorder.companion import Companion
from ..recorder.daemon import Recorder, Watcher
from ..settings import Settings

__all__ = ["follow_command", "follower_of", "record", "run", "run_recorder"]

_log = logging.getLogger(__name__)


def record(settings: Settings) -> None:
    """Record until SIGTERM or SIGINT. Raises LogError when the log cannot be opened."""
    run_recorder(settings, None, purpose="homeiq record")


def run(settings: Settings, config: Path | None) -> None:
    """Record, and keep a second process that follows the log. Raises LogError when the log cannot be opened."""
    run_recorder(settings, follower_of(settings, config), purpose="homeiq run")


def follower_of(settings: Settings, config: Path | None) -> Companion:
    """Return the second process of `run`: it has only the log in common with this one."""
    return Companion(follow_command(settings.data_dir, config), "the follower")


def follow_command(data_dir: Path, config: Path | None) -> list[str]:
    """Return the command that follows a log as long as this process lives."""
    command = [sys.executable, "-m", "homeiq", "--data-dir", str(data_dir)]
    if config is not None:
        command += ["--config", str(config)]
    return [*command, "replay", "--follow", "--parent", str(os.getpid())]


def run_recorder(
    settings: Settings, companion: Companion | None, *, purpose: str, watcher: Watcher | None = None
) -> None:
    """Record what is configured; say what is missing, and go on without it. Raises SettingsError."""
    if wrong := settings.http.wrong():
        raise SettingsError(wrong)
    missing = settings.home_assistant.missing()
    if missing:
        _log.warning("%s; recording goes on without it", missing)
    connectors: list[Connector] = [] if missing else [HomeAssistantConnector(settings.home_assistant)]
    asyncio.run(_run(settings, connectors, companion, purpose, watcher))


async def _run(
    settings: Settings, connectors: list[Connector], companion: Companion | None, purpose: str, watcher: Watcher | None
) -> None:
    recorder = Recorder(
        settings.data_dir,
        settings.recording,
        connectors,
        companion=companion,
        purpose=purpose,
        http=settings.http,
    )
    recorder.health.unconfigured = settings.home_assistant.missing()
    await recorder.run(watcher)
