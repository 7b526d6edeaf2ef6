"""homeiq: a durable, replayable recorder for Home Assistant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .storage.notebook import Log

__all__ = ["__version__", "open"]

__version__ = "0.1.0"


def open(path: str | Path) -> Log:
    """Open the log of a data folder for reading, in a notebook say; a recorder may write to it meanwhile.

    Returns an object with `sql`, `events`, `states` (Arrow tables) and `connection` (DuckDB with all views). Raises
    LogError where there is no log. Loads duckdb and pyarrow, which `import homeiq` alone does not.
    """
    from .storage.notebook import Log

    return Log(Path(path).expanduser())
