"""`homeiq sql` with a query: asked, looked on meanwhile, and printed or written to a file."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb

from ..storage.sql import query
from .tables import print_table
from .terminal import Display, long_work, say

__all__ = ["answer"]

_LOOK_SECONDS = 0.5


def answer(data_dir: Path, sql: str, form: str, parquet: Path | None) -> None:
    """Print a query's result (`form`: table, csv or json), or write it to a Parquet file, whole or not at all.

    Raises HomeiqError; Stopped for Ctrl-C.
    """
    again = "run it again" if parquet is None else f"{parquet} is as it was before; run it again"
    with long_work(again) as display:
        looking = _Looking(display)
        try:
            table = query(data_dir, sql, looking.begin)
        finally:
            looking.end()
        if table is not None:
            print_table(table, form, parquet)
    if table is not None and parquet is not None:
        say(f"wrote {table.num_rows:,} rows into {parquet}")


class _Looking:
    """A thread that shows how far DuckDB says that it is; short queries are over before it looks."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, database: duckdb.DuckDBPyConnection) -> None:
        """Look on."""
        database.execute("SET enable_progress_bar = true")
        database.execute("SET enable_progress_bar_print = false")
        self._thread = threading.Thread(target=self._look, args=(database,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no longer."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self, database: duckdb.DuckDBPyConnection) -> None:
        while not self._done.wait(_LOOK_SECONDS):
            try:
                percent = max(0.0, database.query_progress())
            except duckdb.Error:  # closed a moment ago
                return
            self._display.show("asked", percent, share=percent / 100, unit="%")
