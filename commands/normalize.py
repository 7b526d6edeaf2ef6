"""`homeiq normalize test`: what rules, or a normalizer of one's own, would make of recorded events. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from ..clock import DAY, SystemClock, to_iso
from ..connectors.pushed import Refused, TooManyEvents, events_of
from ..doctor.words import count as count_of
from ..errors import LogCorrupt, UsageError
from ..replayer.audit import Difference
from ..replayer.conditions import Conditions
from ..replayer.home import HOME_TYPES, Home
from ..replayer.normalizers.base import Normalizer
from ..replayer.normalizers.home_assistant import HomeAssistantNormalizer
from ..replayer.normalizers.registry import Normalizers, new_normalizer, normalizers_of
from ..replayer.normalizers.rules import read_rules
from ..replayer.normalizers.users import Unusable, load_file
from ..replayer.point import Point
from ..replayer.projection import normalized
from ..replayer.replay import home_zone
from ..replayer.windows import Counts, home_of, scan_for
from ..settings import Settings
from ..storage.log import require_log
from ..storage.reader import records_of
from ..storage.record import Event, Record, decode
from ..storage.tail import lines_of
from ..storage.view import LogView
from ..verbatim import loads
from .proof import example_text, left_out_texts
from .terminal import long_work, print_json, print_line
from .times import parse_time

__all__ = ["Trial", "try_out"]

_EACH = 10
_MOST = 50_000
"""So many records are looked at."""

_SHOWN_FIELDS = 12


@dataclass(frozen=True, slots=True)
class Trial:
    """What `homeiq normalize test` was asked for, as it was typed."""

    file: Path
    events: Path | None = None
    since: str | None = None
    until: str | None = None
    entity: str = ""
    limit: int = 10
    as_json: bool = False


@dataclass
class _Shown:
    """A record of which other points are made than today."""

    record: Record
    differences: list[Difference]


@dataclass
class _Outcome:
    """How many records were looked at, what of their points would be new, changed, …; and some of them."""

    normalizer: str
    records: int = 0
    differing: int = 0
    points: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("new", "changed", "removed", "unchanged"), 0))
    shown: list[_Shown] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


def try_out(settings: Settings, trial: Trial) -> None:
    """Print what would become of recorded events; exit code 1 where the normalizer fails on one. Raises HomeiqError."""
    today = normalizers_of(settings)
    before, after = _pair(settings, trial.file, today)
    if trial.events is None:
        home, records = _of_log(settings, trial, today, after)
    else:
        home, records = _of_file(trial.events, today, after)
    outcome = _Outcome(after.name)
    chosen = (record for record in records if not trial.entity or fnmatchcase(record.entity_id or "", trial.entity))
    with long_work("nothing was changed; run it again, or try less by --since") as display:
        for record in islice(chosen, _MOST):
            _look(record, (before, after), home, outcome, trial.limit)
            if outcome.records % _EACH == 0:
                display.show("tried", outcome.records, unit="events")
    outcome.shown.sort(key=lambda shown: (shown.record.time, shown.record.seq))
    if trial.as_json:
        print_json(_as_json(outcome))
    else:
        _print(outcome)
    if outcome.counts.failed:
        raise SystemExit(1)


# --- what is compared ------------------------------------------------------------------------------------------------


def _pair(settings: Settings, file: Path, today: Normalizers) -> tuple[Normalizer | None, Normalizer]:
    """Return today's normalizer, None if there is none, and the one that the file makes of it."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}", hint="give rules in YAML, or a normalizer in Python")
    if file.suffix == ".py":
        return _python(settings, file, today)
    if file.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{file} is neither .yaml nor .py", hint="give rules in YAML, or a normalizer in Python")
    after = HomeAssistantNormalizer({"rules": read_rules(_rules_in(file), str(file))})
    after.choice = settings.replay.choice()
    return _named(today, after.name), after


def _python(settings: Settings, file: Path, today: Normalizers) -> tuple[Normalizer | None, Normalizer]:
    known = {one.name: one.measurements for one in today if one.name != file.stem or not one.source}
    try:
        after = new_normalizer(load_file(file, known), settings.section)
    except Unusable as error:
        raise UsageError(str(error)) from None
    after.choice = settings.replay.choice()
    return _named(today, after.name), after


def _named(today: Normalizers, name: str) -> Normalizer | None:
    return next((one for one in today if one.name == name), None)


def _rules_in(file: Path) -> object:
    """Return the list of rules in a YAML file: the whole, or what stands in it under `rules`."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(f"{file} cannot be read as YAML", hint="see docs/normalizers.md") from None
    return content.get("rules", []) if isinstance(content, dict) else [] if content is None else content


# --- which records ---------------------------------------------------------------------------------------------------


def _of_log(
    settings: Settings, trial: Trial, today: Normalizers, normalizer: Normalizer
) -> tuple[Home, Iterator[Record]]:
    """Return the home, and records of the log: by default of the last day that has any."""
    require_log(settings.data_dir)
    zone, now = home_zone(settings.data_dir), SystemClock().now()
    start, end = parse_time(trial.since, zone, now, "--since"), parse_time(trial.until, zone, now, "--until")
    view = LogView(settings.data_dir)
    if start is None:
        times = scan_for(view, normalizer, ["time"], end=end)
        latest = max((pc.max(part["time"].cast(pa.int64())).as_py() for part in times if part.num_rows), default=0)
        start = latest - DAY + 1
    tables = scan_for(view, normalizer, start=start, end=end)
    return home_of(view, today), (record for table in tables for record in records_of(table))


def _of_file(file: Path, today: Normalizers, normalizer: Normalizer) -> tuple[Home, Iterator[Record]]:
    """Return the home, and records, that a file of events holds: lines of a tail, or what POST /events takes."""
    records = list(_read(file))
    home = Home()
    home.learn_all(record for record in records if record.event_type in HOME_TYPES)

    def read(reader: Normalizer, start: int, end: int) -> Iterator[Record]:
        return (record for record in records if start <= record.time < end and reader.wants(record))

    home.conditions = Conditions({one.name: one for one in today if one.is_condition}, read, home.at)
    return home, (record for record in records if normalizer.reads.wants(record))


def _read(file: Path) -> Iterable[Record]:
    try:
        content = file.read_bytes()
        if content.startswith((b'{"seq":', b'{"v":')):  # a line of a tail
            return [decode(line) for line in lines_of(content)]
        events = events_of(content, "live", SystemClock().now())
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})", hint="check --events") from None
    except (LogCorrupt, Refused) as error:
        raise UsageError(f"{file} does not hold events ({error})", hint="one JSON object a line") from None
    except TooManyEvents:
        raise UsageError(f"{file} holds too many events", hint="give the first thousand lines") from None
    return [Record(seq, **asdict(_as_sent(event))) for seq, event in enumerate(events, 1)]


def _as_sent(event: Event) -> Event:
    """Return an event as one of Home Assistant's own, if it has that form; a flat one stays pushed."""
    return replace(event, source="home_assistant") if "data" in loads(event.raw) else event


# --- what becomes of them --------------------------------------------------------------------------------------------


def _look(
    record: Record, pair: tuple[Normalizer | None, Normalizer], home: Home, outcome: _Outcome, limit: int
) -> None:
    """Compare what both make of a record."""
    old, new = (
        {} if one is None else {point.key: point for point, _ in normalized([record], one, home, counts)}
        for one, counts in zip(pair, (Counts(), outcome.counts), strict=True)
    )
    outcome.records += 1
    differences = [one for key in sorted({*old, *new}) if (one := _difference(old.get(key), new.get(key))) is not None]
    for one in differences:
        outcome.points[one.kind] += 1
    outcome.points["unchanged"] += len({*old, *new}) - len(differences)
    outcome.differing += bool(differences)
    if differences and len(outcome.shown) < limit:
        outcome.shown.append(_Shown(record, differences))


def _difference(old: Point | None, new: Point | None) -> Difference | None:
    before, after = (None if point is None else point.fields for point in (old, new))
    point = new or old
    if before == after or point is None:
        return None
    kind = "new" if before is None else "removed" if after is None else "changed"
    return Difference(kind, point.series.measurement, point.series.tags, point.time, before, after)


def _print(outcome: _Outcome) -> None:
    for shown in outcome.shown:
        record = shown.record
        what = f"{record.entity_id} is {record.state!r}" if record.entity_id else record.event_type
        print_line(f"record {record.seq:,} {to_iso(record.time)[:19]}Z from {record.source}: {what}")
        for difference in shown.differences:
            print_line(example_text(difference, _SHOWN_FIELDS))
    for reason, count in sorted(outcome.counts.reasons.items()):
        print_line(f"{count_of(count, 'event')} {'gives' if count == 1 else 'give'} no point of their own: {reason}")
    for text in left_out_texts(outcome.counts.left_out):
        print_line(text)
    points = ", ".join(f"{count:,} {kind}" for kind, count in outcome.points.items())
    print_line(
        f"of {outcome.records:,} events the normalizer {outcome.normalizer} makes otherwise {outcome.differing:,}:"
        f" {points} points; nothing was written"
    )


def _as_json(outcome: _Outcome) -> dict[str, Any]:
    return {
        "normalizer": outcome.normalizer,
        "events": outcome.records,
        "differing": outcome.differing,
        "points": outcome.points,
        "set_aside": outcome.counts.reasons,
        "left_out": outcome.counts.left_out,
        "failed": outcome.counts.failed,
        "traceback": next((one.traceback for one in outcome.counts.failures.values()), ""),
        "examples": [
            {
                "record": {name: getattr(shown.record, name) for name in ("seq", "time", "source", "event_type")}
                | {"entity_id": shown.record.entity_id, "state": shown.record.state},
                "points": [asdict(difference) for difference in shown.differences],
            }
            for shown in outcome.shown
        ],
    }
