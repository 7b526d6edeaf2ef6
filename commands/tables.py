"""A query's result as a table, CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from ..errors import UsageError

__all__ = ["print_table"]

_MOST_ROWS = 1_000


def print_table(table: pa.Table, form: str, parquet: Path | None) -> None:
    """Print a result (`form`: table, csv or json), or write it to a Parquet file. Raises UsageError."""
    if parquet is not None:
        beside = parquet.with_name(f"{parquet.name}.{os.getpid()}.tmp")
        try:
            pq.write_table(table, beside, compression="zstd")
            beside.replace(parquet)
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(
                f"{parquet} cannot be written ({reason})", hint="name another file with --parquet"
            ) from None
        finally:
            beside.unlink(missing_ok=True)
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.column_names)
        writer.writerows(_rows(table))
    elif form == "json":
        names = table.column_names
        lines = (
            orjson.dumps(dict(zip(names, row, strict=True)), default=str).decode() for row in _rows(table, plain=True)
        )
        sys.stdout.write("[" + ",\n ".join(lines) + "]\n")
    else:
        _print_for_people(table)


def _rows(table: pa.Table, *, plain: bool = False) -> Iterator[list[Any]]:
    for batch in table.to_batches(max_chunksize=10_000):
        columns = [column.to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield [_cell(value, plain) for value in row]


def _cell(value: Any, plain: bool) -> Any:
    """Times in ISO 8601, UTC; the rest as it is, or as a text."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return moment.isoformat(sep=" ", timespec="microseconds").replace("+00:00", "Z" if plain else "")
    if isinstance(value, dict | list):
        return value if plain else orjson.dumps(value, default=str).decode()
    return value


def _print_for_people(table: pa.Table) -> None:
    shown = Table(show_edge=False, header_style="bold")
    for field in table.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        shown.add_column(field.name, justify="right" if number else "left", overflow="fold")
    for row in _rows(table.slice(0, _MOST_ROWS)):
        shown.add_row(*("" if value is None else str(value) for value in row))
    console = Console(soft_wrap=False, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = max(console.width, 200)
    console.print(shown)
    left = table.num_rows - _MOST_ROWS
    if left > 0:
        console.print(f"… and {left} more rows; --csv, --json and --parquet give all")
