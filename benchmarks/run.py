"""The figures of README and docs/benchmarks.md: `make bench`. Ratios within one run; machines are noisy.

recorded      events/s made durable from a socket: a process sends the frames, another records them
replayed      events/s from sealed segments to nowhere, one process
influxdb      points/s replayed into a real InfluxDB, and as a ratio to what the same server takes from a plain client
segment       bytes an event in a sealed segment
size          bytes an event in small and in merged segments, in gzip, xz, and Home Assistant's own database
form          bytes an event, and the time it takes to write them, with other zstd levels, page sizes, and bloom filters;
              only with `--only form`
memory        of the recorder process while it records
hour          its memory over 360,000 events, an hour at 100 events/s, forty times as fast; only with `--only hour`
appending     durable appends/s, one caller and a hundred: homeiq, SQLite, plain write and fdatasync; bytes written to disk;
              only with `--only appending`
queries       ten million events of a year (--events): homeiq sql against Home Assistant's own database; only with
              `--only queries`
starting      a recorder killed with -9: seconds from its start until it has made a record durable again, on a log of ten
              million events (--events) and on one of none; only with `--only starting`
outage        InfluxDB is away while a week at 20 events/s comes (--events: 12,096,000): seconds from its return until the
              newest event is there, and events/s of the rest; only with `--only outage`
retag         a normalizer that changes in each way over 100,000 events (--events): that what the plan foretold is what
              changed, and seconds; only with `--only retag`
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

sys.path.insert(0, str(Path(__file__).parent.parent / "packaging"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from appending import appends, written
from memory import over_an_hour
from outage import outage
from queries import queries
from recording import from_socket
from replaying import into_influxdb, to_nowhere
from retag import retag
from starting import starting
from storage_size import form, storage_size
from workload import corpus_log, events_of, frames, segment_bytes

HERE = Path(__file__).parent

LONG = ("form", "hour", "appending", "queries", "starting", "outage", "retag")
"""What takes so long that it is measured only when it is asked for."""

OF_THE_LOG = ("replayed", "influxdb")
"""What needs the log that `log` makes."""


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, help="events in the log that is replayed (400,000) or asked (10,000,000)")
    parser.add_argument("--frames", type=Path, help="captured frames (NDJSON) instead of the shipped sample")
    parser.add_argument("--only", help="the name of one measurement, such as influxdb, or of one not made by default")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"python": platform.python_version(), "cpus": os.cpu_count()}
    sample = frames(arguments.frames)
    results["sample_events"] = len(sample)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "replayed"
        wanted = ("log", arguments.only) if arguments.only in OF_THE_LOG else (arguments.only,)
        chosen = [
            (name, measure)
            for name, measure in _measures(sample, log, arguments.events, Path(folder))
            if (name in wanted if arguments.only else name not in LONG)
        ]
        if not chosen:
            parser.error(f"there is no measurement {arguments.only}")
        for name, measure in chosen:
            began = time.monotonic()
            results.update(measure())
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    for name, value in results.items():
        print(f"{name:44} {value:,.2f}" if isinstance(value, float) else f"{name:44} {value}")
    output = HERE / "results" / (f"{arguments.only}.json" if arguments.only else "latest.json")
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n")


def _measures(
    sample: list[bytes], log: Path, events: int | None, folder: Path
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "segment", lambda: segment_bytes(sample)
    yield "size", lambda: storage_size(sample)
    yield "form", lambda: form(sample)
    yield "recorded", lambda: from_socket(sample, folder / "recorded")
    yield "log", lambda: corpus_log(sample, log, events or 400_000)
    yield "replayed", lambda: to_nowhere(log)
    yield "influxdb", lambda: into_influxdb(log, folder)
    yield "hour", lambda: over_an_hour(sample, folder / "hour")
    yield (
        "appending",
        lambda: appends(events_of(sample), folder / "appends") | written(events_of(sample), folder / "written"),
    )
    yield "outage", lambda: outage(folder / "outage", events or 12_096_000)
    yield "retag", lambda: retag(folder / "retag", events or 100_000)
    yield "queries", lambda: queries(folder / "queries", events or 10_000_000)
    yield "starting", lambda: starting(events_of(sample), folder / "starting", events or 10_000_000)


if __name__ == "__main__":
    main()
