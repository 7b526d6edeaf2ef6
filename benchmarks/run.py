"""The figures of README and docs/benchmarks.md: `make bench`. Ratios within one run; machines are noisy.

recorded      events/s made durable from a socket: a process sends the frames, another records them
replayed      events/s from sealed segments to nowhere, one process
influxdb      points/s replayed into a real InfluxDB, and as a ratio to what the same server takes from a plain client
segment       bytes an event in a sealed segment
memory        of the recorder process while it records

Only by name (--only): they take long, or want an idle disk.

appending     durable appends/s, one caller and a hundred: homeiq, SQLite, plain write and fdatasync; bytes written to disk
queries       ten million events of a year: homeiq sql against Home Assistant's own database (--events makes it smaller)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from appending import appends, written
from queries import queries
from recording import from_socket
from replaying import into_influxdb, to_nowhere
from workload import corpus_log, events_of, frames, segment_bytes

HERE = Path(__file__).parent
_BY_NAME = ("appending", "queries")


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, help="events in the log that is replayed (400,000) or asked (10,000,000)")
    parser.add_argument("--only", metavar="NAME", help="measure only this")
    parser.add_argument("--frames", type=Path, help="captured frames (NDJSON) instead of the shipped sample")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"python": platform.python_version(), "cpus": os.cpu_count()}
    sample = frames(arguments.frames)
    results["sample_events"] = len(sample)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "replayed"
        chosen = [
            (name, measure)
            for name, measure in _measures(sample, log, arguments.events, Path(folder))
            if name == arguments.only or (not arguments.only and name not in _BY_NAME)
        ]
        if not chosen:
            parser.error(f"there is nothing named {arguments.only}")
        for name, measure in chosen:
            began = time.monotonic()
            results.update(measure())
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    for name, value in results.items():
        print(f"{name:44} {value:,.2f}" if isinstance(value, float) else f"{name:44} {value}")
    output = HERE / "results" / f"{arguments.only or 'latest'}.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n")


def _measures(
    sample: list[bytes], log: Path, events: int | None, folder: Path
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "segment", lambda: segment_bytes(sample)
    yield "recorded", lambda: from_socket(sample, folder / "recorded")
    yield "log", lambda: corpus_log(sample, log, events or 400_000)
    yield "replayed", lambda: to_nowhere(log)
    yield "influxdb", lambda: into_influxdb(log, folder)
    yield (
        "appending",
        lambda: appends(events_of(sample), folder / "appends") | written(events_of(sample), folder / "written"),
    )
    yield "queries", lambda: queries(folder / "queries", events or 10_000_000)


if __name__ == "__main__":
    main()
