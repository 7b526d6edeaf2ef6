"""Events/s replayed: to nowhere, and into a real InfluxDB."""

from __future__ import annotations

import http.client
import os
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from homeiq.replayer.point import Point, line
from homeiq.replayer.replay import replay, replay_to_output
from homeiq.replayer.targets.base import Target, WindowWriter
from homeiq.settings import InfluxDBSettings, Settings

from servers import influxdb as influx
from servers.influxdb import InfluxDBServer

__all__ = ["into_influxdb", "to_nowhere"]

_BATCH = 5_000
_PAIRS = 7


class Nowhere(Target):
    """Makes every line, and throws it away."""

    name = title = "nowhere"

    def __init__(self) -> None:
        self.bytes = 0
        self.lines = 0

    def connect(self, position: int) -> None:
        """There is nothing to connect to."""

    def write(self, points: Sequence[Point]) -> None:
        """Make the bytes that would be sent."""
        self.bytes += len("\n".join([line(point) for point in points]).encode())
        self.lines += len(points)

    def live(self, normalizer: str) -> WindowWriter:
        """Take points as they come."""
        return self

    @contextmanager
    def window(self, start: int, upto: int, normalizer: str) -> Iterator[WindowWriter]:
        """Take the window's points as they come."""
        yield self

    def close(self) -> None:
        """There is nothing to close."""


def to_nowhere(log: Path) -> dict[str, Any]:
    """Return how fast a log becomes lines, by wall clock and by CPU time of this one process."""
    best: dict[str, Any] = {}
    for _ in range(3):
        target = Nowhere()
        began, cpu = time.monotonic(), time.process_time()
        progress = replay_to_output(Settings(data_dir=log), "-", target=target)
        seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu
        events = _events(log)
        found = {
            "replayed_events_a_second": events / seconds,
            "replayed_events_a_cpu_second": events / cpu_seconds,
            "replayed_points_a_second": progress.counts.points / seconds,
            "bytes_a_line": target.bytes / max(1, target.lines),
            "replayer_peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        if not best or found["replayed_events_a_second"] > best["replayed_events_a_second"]:
            best = found
    return best


def _events(log: Path) -> int:
    from homeiq.storage.view import LogView

    return LogView(log).last_seq


def into_influxdb(log: Path, folder: Path) -> dict[str, Any]:
    """Return the speed of a replay into a real InfluxDB, and of the same lines from a plain HTTP client."""
    if not influx.INSTALLATION.complete:
        return {"influxdb": "not installed: make servers"}
    lines = folder / "lines.lp"
    replay_to_output(Settings(data_dir=log), str(lines))
    server = InfluxDBServer(folder / "influxdb")
    server.start()
    try:
        plain: list[float] = []
        replayed: list[float] = []
        for number in range(_PAIRS):  # in turn, so that both see the same machine
            database = server.create_database(f"plain{number}")
            _wait_until_quiet(server)
            plain.append(_plain(server, database, lines))
            target = InfluxDBSettings(url=server.url, token="any", bucket=server.create_database(f"replayed{number}"))
            _wait_until_quiet(server)
            began = time.monotonic()
            progress = replay(Settings(data_dir=log, influxdb=target))
            replayed.append(progress.counts.points / (time.monotonic() - began))
    finally:
        server.kill()
    ratios = sorted(ours / theirs for ours, theirs in zip(replayed, plain, strict=True))
    return {
        "influxdb_points_a_second": statistics.median(replayed),
        "influxdb_plain_client_points_a_second": statistics.median(plain),
        "influxdb_ratio": statistics.median(ratios),
        "influxdb_ratios": " ".join(f"{ratio:.2f}" for ratio in ratios),
    }


def _wait_until_quiet(server: InfluxDBServer) -> None:
    """Wait until the server has done for a second nothing worth mentioning of what it was given before."""
    before = -1.0
    while (after := _cpu_seconds(server.pid)) - before > 0.05:
        before = after
        time.sleep(1)


def _cpu_seconds(pid: int) -> float:
    times = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def _plain(server: InfluxDBServer, database: str, lines: Path) -> float:
    """Return how many lines a second the server takes in batches on one connection."""
    content = lines.read_bytes().split(b"\n")
    bodies = [b"\n".join(content[start : start + _BATCH]) for start in range(0, len(content), _BATCH)]
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    began = time.monotonic()
    for body in bodies:
        connection.request("POST", f"/write?db={database}", body)
        response = connection.getresponse()
        response.read()
        assert response.status == 204, response.status
    seconds = time.monotonic() - began
    connection.close()
    return (len(content) - 1) / seconds
