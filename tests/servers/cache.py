"""Where the installed servers are, and whether an installation is whole."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Installation", "home"]


def home() -> Path:
    """Return the folder of all servers: $HOMEIQ_TEST_SERVERS, or a folder of the user's cache."""
    chosen = os.environ.get("HOMEIQ_TEST_SERVERS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(chosen) if chosen else cache / "homeiq" / "servers").resolve()


@dataclass(frozen=True)
class Installation:
    """One server's folder. It is whole once its marker, written last, tells the recipe that is wanted now.

    So an interrupted installation, and one of an older recipe, are both seen and made anew.
    """

    name: str
    recipe: Mapping[str, str]
    program: str

    @property
    def folder(self) -> Path:
        """The folder that holds all of this server."""
        return home() / self.name

    @property
    def path(self) -> Path:
        """The program that starts the server."""
        return self.folder / self.program

    @property
    def complete(self) -> bool:
        """Whether everything is there, and as the recipe says."""
        try:
            installed = json.loads(self._marker.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        return bool(installed == self.recipe) and self.path.exists()

    @contextlib.contextmanager
    def renewed(self) -> Iterator[Path]:
        """Empty the folder, let the caller fill it, and then mark it as complete."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        yield self.folder
        self._marker.write_text(json.dumps(dict(self.recipe), indent=2), encoding="utf-8")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other installers out: two test runs of two clones may begin at the same time."""
        home().mkdir(parents=True, exist_ok=True)
        with (home() / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def _marker(self) -> Path:
        return self.folder / "installed.json"
