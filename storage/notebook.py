"""The log for a notebook: `homeiq.open(path)`. Imports duckdb and pyarrow.

log = homeiq.open("/var/lib/homeiq")
log.states(entity_id="sensor.outdoor", since="2026-11-23").to_pandas()
log.sql("SELECT entity_id, count(*) FROM events GROUP BY ALL")
log.connection.sql("FROM state_history").df()
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa

from .sql import ask, connect, refresh
from .views import quoted

__all__ = ["Log", "Time"]

Time = datetime | str
"""A time: what has no zone is UTC, as a text in ISO 8601."""


class Log:
    """A log, open for reading, while it is being written too. Its views are those of `homeiq sql`."""

    def __init__(self, data_dir: Path) -> None:
        """Raises LogError where there is no log."""
        self.data_dir = data_dir
        self.connection: duckdb.DuckDBPyConnection = connect(data_dir)
        """DuckDB with the views over the log as it was at the last `refresh`, or query of this object."""

    def sql(self, query: str) -> pa.Table | None:
        """Return what a query says of the log as it is now; None for a statement without a result.

        Raises UsageError for a query that is wrong, LogError.
        """
        return ask(self.connection, self.data_dir, query)

    def events(
        self,
        *,
        entity_id: str | None = None,
        event_type: str | None = None,
        source: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
    ) -> pa.Table:
        """Return the records of the log with a time in [since, until), in order of seq, as far as they are asked for."""
        chosen = {"entity_id": entity_id, "event_type": event_type, "source": source}
        return self._rows("events", chosen, since, until, "seq")

    def states(self, *, entity_id: str | None = None, since: Time | None = None, until: Time | None = None) -> pa.Table:
        """Return the states with a time in [since, until), in order of time, each once."""
        return self._rows("states", {"entity_id": entity_id}, since, until, "time, entity_id")

    def refresh(self) -> None:
        """Let the views of `connection` show the log as it is now; raises LogError."""
        refresh(self.connection, self.data_dir)

    def close(self) -> None:
        """Give memory and files back."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _rows(
        self, view: str, chosen: dict[str, str | None], since: Time | None, until: Time | None, order: str
    ) -> pa.Table:
        conditions = [f"{name} = {quoted(value)}" for name, value in chosen.items() if value is not None]
        conditions += [f"time >= {_text(since)}::TIMESTAMPTZ"] if since is not None else []
        conditions += [f"time < {_text(until)}::TIMESTAMPTZ"] if until is not None else []
        return self.sql(f"SELECT * FROM {view} WHERE {' AND '.join(conditions) or 'true'} ORDER BY {order}")


def _text(value: Time) -> str:
    return quoted(value if isinstance(value, str) else value.isoformat())
