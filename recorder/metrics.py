"""The live facts as Prometheus metrics: each is named and explained once, here, and described in docs/http.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..clock import SECOND
from .health import COMMIT_BUCKETS, Health

__all__ = ["METRICS", "Metrics"]

Samples = Iterable[tuple[tuple[str, ...], float | None]]


class _Named(NamedTuple):
    name: str
    explanation: str
    labels: tuple[str, ...]
    samples: Callable[[Health], Samples]


METRICS: Final[list[_Named]] = []
"""All metrics but the histogram and those of the process. A name that ends in `_total` is a counter, the others gauges."""

_COMMIT_SECONDS: Final = (
    "homeiq_commit_seconds",
    "Seconds that the write and the fdatasync of a group of records took.",
)


def _metric(name: str, explanation: str, *labels: str) -> Callable[[Callable[[Health], Samples]], None]:
    return lambda samples: METRICS.append(_Named(name, explanation, labels, samples))


def _one(value: float | None) -> Samples:
    return [((), value)]


_metric("homeiq_info", "1; the label says which version of homeiq runs.", "version")(
    lambda health: [((health.version,), 1)]
)
_metric("homeiq_start_time_seconds", "When the recorder began, as seconds since 1970 UTC.")(
    lambda health: _one(health.started_at / SECOND)
)
_metric("homeiq_ready", "1 if /ready answers 200, else 0.")(lambda health: _one(not health.not_ready()))
_metric("homeiq_source_connected", "1 while a source or utility is connected, or answers; else 0.", "source")(
    lambda health: [((source.name,), source.connected) for source in health.sources]
)
_metric(
    "homeiq_source_since_seconds",
    "Since when a source or utility has been connected, or has not, as seconds since 1970 UTC.",
    "source",
)(lambda health: [((s.name,), None if s.since is None else s.since / SECOND) for s in health.sources])
_metric("homeiq_last_event_time_seconds", "When the last event came, as seconds since 1970 UTC.", "source")(
    lambda health: [((source,), at / SECOND) for source, (at, _) in health.last_event.items()]
)
_metric("homeiq_last_event_age_seconds", "Seconds since the last event came, by the monotonic clock.", "source")(
    lambda health: [((source,), health.seconds_since(source)) for source in health.last_event]
)
_metric(
    "homeiq_events_total",
    "Events recorded durably since the start, without the recorder's own words.",
    "source",
    "origin",
)(lambda health: list(health.events.items()))
_metric("homeiq_durable_seq", "The log's position: the seq of the last record that is durable.")(
    lambda health: _one(health.intake.durable_seq)
)
_metric("homeiq_unsynced_records", "Records taken that are not durable yet.")(
    lambda health: _one(health.intake.unsynced[0])
)
_metric("homeiq_unsynced_bytes", "About how many bytes these take in memory.")(
    lambda health: _one(health.intake.unsynced[1])
)
_metric("homeiq_dropped_events_total", "Events dropped because the disk did not keep up and the memory was full.")(
    lambda health: _one(health.intake.dropped)
)
_metric("homeiq_left_out_total", "Events of Home Assistant that the settings say not to record.")(
    lambda health: _one(health.intake.left_out)
)
_metric("homeiq_log_writable", "1 while the log can be written, else 0.")(
    lambda health: _one(not health.intake.problem)
)
_metric("homeiq_gaps_total", "Intervals since the start in which a source that had been connected was not.", "source")(
    lambda health: [((source,), gaps.count) for source, gaps in health.gaps.items()]
)
_metric("homeiq_gap_seconds_total", "How long these intervals lasted, all together.", "source")(
    lambda health: [((source,), gaps.seconds) for source, gaps in health.gaps.items()]
)
_metric("homeiq_disk_free_bytes", "Room left on the disk of the data folder.")(lambda health: _one(health.disk.free))
_metric("homeiq_log_bytes", "Bytes of the log, sealed and not; looked up each ten minutes.")(
    lambda health: _one(health.disk.log_bytes)
)
_metric("homeiq_log_bytes_per_day", "What the log grows by in a day, at the rate of the last 24 hours.")(
    lambda health: _one(health.disk.bytes_per_day)
)
_metric("homeiq_disk_days_left", "Days until the disk is full at that rate.")(
    lambda health: _one(health.disk.days_left)
)
_metric(
    "homeiq_http_requests_total",
    "Requests answered, by path (other: any that is not ours) and status.",
    "path",
    "status",
)(lambda health: [((path, str(status)), count) for (path, status), count in health.requests.items()])


class _LiveFacts(Collector):
    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        for name, explanation, labels, samples in METRICS:
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(name.removesuffix("_total"), explanation, labels=labels)
            for values, value in samples(self._health):
                if value is not None:
                    family.add_metric(values, float(value))
            yield family
        cumulative = list(accumulate(self._health.commits))
        bounds = [*map(str, COMMIT_BUCKETS), "+Inf"]
        histogram = HistogramMetricFamily(*_COMMIT_SECONDS)
        histogram.add_metric([], list(zip(bounds, cumulative, strict=True)), self._health.commit_seconds)
        yield histogram


class Metrics:
    """What /metrics answers."""

    def __init__(self, health: Health) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_LiveFacts(health))
        ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
