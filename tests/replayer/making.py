"""Events, logs and targets for the tests of the replayer, and the slow way to say what a log makes."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from homeiq.clock import SECOND, from_iso, to_iso
from homeiq.replayer.home import HOME_TYPES, HomeView
from homeiq.replayer.normalizers.base import Normalizer, SetAside
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.normalizers.weather import WeatherNormalizer
from homeiq.replayer.point import Field, Point, Series
from homeiq.replayer.targets.base import Ghost, Stored, Target, WindowWriter
from homeiq.storage.log import EventLog
from homeiq.storage.record import ORIGINS, Event, Origin, Record
from homeiq.verbatim import loads

from replayer.kinds import AHEAD, Forecasts
from storage.disks import FastFiles

__all__ = [
    "DAY_0",
    "Content",
    "MemoryTarget",
    "config",
    "content_of",
    "devices",
    "entities",
    "fast_folder",
    "home_at",
    "numbered",
    "ranked",
    "registries",
    "state",
    "wanted",
    "wanted_forecasts",
    "wanted_sums",
    "write_log",
]

DAY_0 = from_iso("2026-11-23T00:00:00+00:00")

Content = dict[tuple[str, int], dict[str, Field]]


def state(
    entity_id: str,
    text: Any,
    time: int,
    origin: Origin = "live",
    *,
    attributes: dict[str, Any] | None = None,
    old: dict[str, Any] | None = None,
    whole: bool | None = None,
) -> Event:
    """Return the event of a state: as the socket sends it if `whole` (by default if live), else the state alone."""
    new = {
        "entity_id": entity_id,
        "state": text,
        "attributes": attributes or {},
        "last_changed": to_iso(time),
        "last_updated": to_iso(time),
        "context": {"id": "c", "parent_id": None, "user_id": None},
    }
    whole = origin == "live" if whole is None else whole
    frame = {"event_type": "state_changed", "data": {"entity_id": entity_id, "old_state": old, "new_state": new}}
    raw = json.dumps(frame if whole else new)
    kind = "state_changed" if whole else "state"
    indexed = text if isinstance(text, str) else None
    return Event(time, time, "home_assistant", origin, kind, entity_id, indexed, raw)


def _registry(kind: str, content: Any, time: int, origin: Origin) -> Event:
    return Event(time, time, "home_assistant", origin, kind, None, None, json.dumps(content))


def config(time: int, zone: str = "UTC", temperature: str = "°C", origin: Origin = "live") -> Event:
    """Return the record of a configuration."""
    return _registry("config", {"time_zone": zone, "unit_system": {"temperature": temperature}}, time, origin)


def devices(time: int, manufacturer: str | None = "Acme", area: str = "kitchen", origin: Origin = "live") -> Event:
    """Return the record of a device registry with the device `d`."""
    device = {"id": "d", "area_id": area, "manufacturer": manufacturer, "model": "M", "sw_version": "1"}
    return _registry("device_registry", [device], time, origin)


def entities(
    time: int, names: Sequence[str] = ("sensor.a", "sensor.b"), platform: str = "demo", origin: Origin = "live"
) -> Event:
    """Return the record of an entity registry with entities of the device `d`."""
    listed = [{"entity_id": name, "device_id": "d", "platform": platform, "area_id": None} for name in names]
    return _registry("entity_registry", listed, time, origin)


def registries(time: int) -> list[Event]:
    """Return what a first snapshot says of the home."""
    return [devices(time), entities(time), config(time)]


def numbered(events: Iterable[Event], first: int = 1) -> list[Record]:
    """Return events as the records that they will be."""
    return [Record(seq, *(getattr(event, name) for name in Event.__slots__)) for seq, event in enumerate(events, first)]


def write_log(data_dir: Path, events: Sequence[Event]) -> None:
    """Append events to a log, as one group."""
    with EventLog(data_dir, files=FastFiles()) as log:
        log.append(events)


@contextmanager
def fast_folder() -> Iterator[Path]:
    """A new folder, in memory where there is a file system for it: what is synced is no test's concern here."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder) / "data"


def wanted(records: Sequence[Record], normalizer: Normalizer | None = None) -> Content:
    """Return all points that a log makes: each record by itself, with the home of its time, and the best copy of each."""
    normalizer = normalizer or HomeAssistantNormalizer()
    best: dict[tuple[str, int], tuple[Any, Point]] = {}
    for record in records:
        if normalizer.wants(record):
            try:
                points = normalizer.normalize(record, home_at(records, record.time))
            except SetAside:
                continue
            rank = ranked(record)
            for point in points:
                if point.key not in best or rank > best[point.key][0]:
                    best[point.key] = rank, point
    return {key: point.fields for key, (_, point) in best.items()}


def wanted_forecasts(records: Sequence[Record]) -> Content:
    """Return the points of all forecasts and of the weather, of each the latest."""
    points: dict[tuple[str, int], tuple[Any, Point]] = {}
    for record in records:
        if record.source in ("forecasts", "weather"):
            normalizer = Forecasts() if record.source == "forecasts" else WeatherNormalizer()
            rank = record.time, -ORIGINS.index(record.origin), record.raw
            for point in normalizer.normalize(record, home_at(records, record.time)):
                if point.key not in points or rank > points[point.key][0]:
                    points[point.key] = rank, point
    return {key: point.fields for key, (_, point) in points.items()}


def wanted_sums(records: Sequence[Record]) -> Content:
    """Return at each time of a reading the sum of what the meters said last, by adding it up anew."""
    said: dict[tuple[int, str], tuple[Any, Record, float]] = {}
    for record in records:
        if record.source == "meters":
            ((meter, value),) = loads(record.raw).items()
            key = record.time, meter
            if key not in said or ranked(record) > said[key][0]:
                said[key] = ranked(record), record, value
    content: Content = {}
    for time in {time for time, _ in said}:
        total = 0.0
        for meter in sorted({meter for _, meter in said}):
            before = [at for at, of in said if of == meter and at <= time and time - at <= AHEAD]
            total += said[max(before), meter][2] if before else 0.0
        last = said[max(key for key in said if key[0] == time)][1]
        series = Series("meter", {"zone": home_at(records, time).zone.key})
        content[series.prefix, time * 1000] = {"origin": last.origin, "total": total}
    return content


def ranked(record: Record) -> tuple[int, int, str]:
    """Return by what copies are compared."""
    return -ORIGINS.index(record.origin), record.time, record.raw


def home_at(records: Sequence[Record], time: int) -> HomeView:
    """Return the home as it was at a time."""
    said: list[Any] = []
    for kind in HOME_TYPES:
        versions = sorted((r.time, *ranked(r)) for r in records if r.event_type == kind)
        before = [version for version in versions if version[0] <= time]
        applies = before[-1] if before else versions[0] if versions else None
        said.append(loads(applies[-1]) if applies else [])
    whole, entity_registry, device_registry = said
    by_entity = {entry["entity_id"]: entry for entry in entity_registry}
    view = HomeView(whole or {}, by_entity, {entry["id"]: entry for entry in device_registry})
    view.condition = lambda kind, time: _weather(records, time) if kind == "weather" else None  # type: ignore[method-assign]
    return view


def _weather(records: Sequence[Record], time: int) -> Any:
    """Return the weather of the last record that was asked for 30 s before, if it is not older than 2 h."""
    known = [
        (record.time, -ORIGINS.index(record.origin), record.raw, record)
        for record in records
        if record.source == "weather" and record.time + 30 * SECOND <= time < record.time + (7_200 + 30) * SECOND
    ]
    if not known:
        return None
    (point,) = WeatherNormalizer().normalize(max(known, key=lambda one: one[:3])[3], HomeView({}, {}, {}))
    return point.fields if 0 <= time - point.time // 1000 <= 7_200 * SECOND else None


def content_of(points: Iterable[Point]) -> Content:
    """Return points by their key."""
    return {point.key: point.fields for point in points}


class MemoryTarget(Target):
    """Holds points as InfluxDB does: a point written again keeps those of its fields that the new one does not have.

    With `reads` it is asked what it holds, and deletes: as InfluxDB 2 does, also from series that have more tags, unless
    `exact`.
    """

    def __init__(
        self,
        before: Callable[[Sequence[Point]], None] = lambda points: None,
        *,
        reads: bool = False,
        exact: bool = False,
    ) -> None:
        """`before` is called with what is to be written, and may raise; with no points before a read or a delete."""
        self.name = self.title = "memory"
        self.reads = self.deletes = reads
        self.deletes_exactly = exact
        self.everything: Content = {}
        self.series: dict[str, Series] = {}
        self.writes: list[int] = []
        self.before = before

    @property
    def content(self) -> Content:
        """All but the marker."""
        return {key: fields for key, fields in self.everything.items() if key[0] != "homeiq_target"}

    def connect(self, position: int) -> None:
        """Be there."""

    def write(self, points: Sequence[Point]) -> None:
        """Take points."""
        self.before(points)
        self.writes.append(len(points))
        self.take(points)

    def take(self, points: Sequence[Point]) -> None:
        """Take points, whatever happens before."""
        for point in points:
            self.series[point.series.prefix] = point.series
            self.everything.setdefault(point.key, {}).update(point.fields)

    def read(self, measurements: Sequence[str], start: int, end: int) -> Iterator[Stored]:
        """Give out what it holds."""
        self.before([])
        for (prefix, time), fields in list(self.everything.items()):
            series = self.series[prefix]
            if series.measurement in measurements and start * 1000 <= time < end * 1000:
                yield Stored(series.measurement, series.tags, time, dict(fields))

    def latest(self, measurement: str) -> Stored | None:
        """Return the last point."""
        return max(self.read([measurement], -(2**60), 2**60), key=lambda stored: stored.time, default=None)

    def holds(self, measurements: Sequence[str]) -> bool:
        """Tell whether there is anything."""
        return any(True for _ in self.read(measurements, -(2**60), 2**60))

    def delete(self, ghosts: Sequence[Ghost]) -> None:
        """Remove points."""
        self.before([])
        for ghost in ghosts:
            for prefix, time in list(self.everything):
                series = self.series[prefix]
                same = series.tags == ghost.tags if self.deletes_exactly else series.tags.items() >= ghost.tags.items()
                if series.measurement == ghost.measurement and same and ghost.first <= time <= ghost.last:
                    del self.everything[prefix, time]

    def live(self, normalizer: str) -> WindowWriter:
        """Take points as they come."""
        return self

    @contextmanager
    def window(self, start: int, upto: int, normalizer: str) -> Iterator[WindowWriter]:
        """Take points as they come."""
        yield self

    def close(self) -> None:
        """Hold everything."""
