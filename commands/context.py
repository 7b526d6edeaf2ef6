"""What the options that all commands share come to."""

from __future__ import annotations

from pathlib import Path

import click

from ..settings import Settings
from .configuration import load_settings

__all__ = ["Context", "shared"]


class Context:
    """The options that all commands share; the settings are read by the commands that need them."""

    def __init__(self, config: Path | None, data_dir: Path | None) -> None:
        self.config = config
        self.data_dir = data_dir

    @property
    def settings(self) -> Settings:
        """All settings; raises SettingsError."""
        return load_settings(self.config, data_dir=self.data_dir)


shared = click.make_pass_decorator(Context)
