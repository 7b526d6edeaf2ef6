"""The pictures of docs/benchmarks.md, of what benchmarks/run.py has saved: bars that lie, as SVG.

python benchmarks/picture.py           all of them, from benchmarks/results into docs/images
python benchmarks/picture.py NAME …    some of them
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

RESULTS: Final = Path(__file__).parent / "results"
IMAGES: Final = Path(__file__).parent.parent / "docs" / "images"

_LEFT, _RIGHT, _MARGIN, _BAR = 230, 760, 70, 17
_OURS, _THEIRS, _LIMIT = "#00796b", "#9e9e9e", "#cfd8dc"
_STEPS: Final = 6
"""The most lines of a linear scale, beside that of zero."""

Bar = tuple[str, int]
"""The name of a figure, and the number of its kind."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn of one file of results."""

    name: str
    results: str
    label: str
    kinds: Sequence[tuple[str, str]]
    """Title and colour of each kind of bar; a title may hold names of results in braces."""
    rows: Sequence[tuple[str, Sequence[Bar]]]
    shown: Callable[[float], str]
    """Makes the text of a figure, with its unit."""
    powers: tuple[int, int] | None = None
    """The powers of ten at the ends of the scale, where each line is ten times the one before; else it is linear."""


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def _rate(value: float) -> str:
    return f"{value:,.0f}/s"


def _bytes(value: float) -> str:
    return f"{value:,.1f} bytes" if 0 < value < 100 and value % 1 else f"{value:,.0f} bytes"


def _megabytes(value: float) -> str:
    return f"{value:.3g} MB"


_QUESTIONS = {
    "count_by_entity": "count by entity",
    "daily_mean_of_all": "daily mean of every sensor",
    "time_in_state_by_day": "time in state by entity and day",
    "hourly_mean_of_one": "hourly mean of one sensor",
    "last_state_of_all": "last state of all",
    "last_day_of_one": "one entity's last day",
}

PICTURES: Final = (
    Picture(
        "queries",
        "queries",
        "Seconds for each question, homeiq and Home Assistant's SQLite",
        (("homeiq sql", _OURS), ("Home Assistant's SQLite", _THEIRS)),
        [
            (title, ((f"query_{name}_seconds", 0), (f"query_{name}_ha_seconds", 1)))
            for name, title in _QUESTIONS.items()
        ],
        _seconds,
        (-3, 2),
    ),
    Picture(
        "appending",
        "appending",
        "Durable appends a second of one caller and of 100: homeiq, SQLite, plain write and fdatasync",
        (("homeiq", _OURS), ("SQLite", _THEIRS), ("plain write + fdatasync", _LIMIT)),
        [
            (title, [(f"append_{how}_{who}_a_second", kind) for kind, who in enumerate(("homeiq", "sqlite", "plain"))])
            for how, title in (("alone", "one caller"), ("hundred", "100 callers at once"))
        ],
        _rate,
        (2, 6),
    ),
    Picture(
        "written",
        "appending",
        "Bytes written to disk for an event: homeiq and Home Assistant's recorder",
        (("homeiq", _OURS), ("Home Assistant", _THEIRS), ("what came", _LIMIT)),
        (
            ("the event itself", (("received_bytes_an_event", 2),)),
            ("homeiq, as it comes", (("written_bytes_an_event_to_the_tail", 0),)),
            ("homeiq, sealing it later", (("written_bytes_an_event_sealing", 0),)),
            ("Home Assistant's recorder", (("written_bytes_an_event_by_ha_recorder", 1),)),
        ),
        _bytes,
    ),
    Picture(
        "size",
        "size",
        "Bytes an event: segments, gzip and xz of the same frames, Home Assistant's own database",
        (("homeiq", _OURS), ("others", _THEIRS)),
        (
            ("sealed, eight small segments", (("size_sealed_bytes_an_event", 0),)),
            ("merged into one", (("size_merged_bytes_an_event", 0),)),
            ("gzip -6 of the frames", (("size_gzip_bytes_an_event", 1),)),
            ("xz of the frames", (("size_xz_bytes_an_event", 1),)),
            ("Home Assistant's recorder", (("size_recorder_bytes_an_event", 1),)),
        ),
        _bytes,
    ),
    Picture(
        "starting",
        "starting",
        "Seconds until a recorder that was killed records again, and until its log is open",
        (("{starting_events:,} events", _OURS), ("none", _THEIRS)),
        [
            (title, ((f"starting_large_{what}_seconds", 0), (f"starting_none_{what}_seconds", 1)))
            for what, title in (("records_again", "the recorder records again"), ("open_torn", "only EventLog opens"))
        ],
        _seconds,
    ),
    Picture(
        "memory",
        "hour",
        "Memory of the recorder at each tenth of an hour's events",
        (("resident memory of the recorder", _OURS),),
        [(f"{tenth * 36_000:,} events", ((f"hour_rss_mb {tenth}", 0),)) for tenth in range(1, 11)],
        _megabytes,
    ),
)


def draw(picture: Picture, results: Mapping[str, Any]) -> str:
    """Return it as SVG."""
    figures = dict(_figures(results))
    bottom = 36 + sum(12 + _BAR * len(bars) for _, bars in picture.rows)
    width, height = _RIGHT + _MARGIN, bottom + 24
    place, marks = _scale(picture, max(figures[name] for _, bars in picture.rows for name, _ in bars))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        f' font-size="13" role="img" aria-label={quoteattr(picture.label)}>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    x = _LEFT
    for title, colour in picture.kinds:
        said = title.format_map(results)
        parts.append(f'<rect x="{x}" y="8" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="19">{escape(said)}</text>')
        x += 30 + 8 * len(said)
    for mark in marks:
        parts.append(f'<path d="M{place(mark):.0f} 30V{bottom}" stroke="#ddd"/>')
        text = picture.shown(mark)
        parts.append(f'<text x="{place(mark):.0f}" y="{bottom + 16}" text-anchor="middle" fill="#555">{text}</text>')
    y = 36
    for title, bars in picture.rows:
        middle = y + 5 + _BAR * len(bars) // 2
        parts.append(f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end">{escape(title)}</text>')
        for name, kind in bars:
            end, colour = place(figures[name]), picture.kinds[kind][1]
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{end - _LEFT:.0f}" height="14" fill="{colour}"/>')
            parts.append(f'<text x="{end + 5:.0f}" y="{y + 12}" font-size="11">{picture.shown(figures[name])}</text>')
            y += _BAR
        y += 12
    return "\n".join([*parts, "</svg>", ""])


def _figures(results: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of results by their names; those of a list in a text are "name 1", "name 2", …"""
    for name, value in results.items():
        if isinstance(value, str) and ", " in value:
            for number, part in enumerate(value.split(", "), 1):
                yield f"{name} {number}", float(part)
        elif isinstance(value, int | float):
            yield name, float(value)


def _scale(picture: Picture, most: float) -> tuple[Callable[[float], float], list[float]]:
    """Return what tells where on the x axis a figure lies, and the figures at which lines are drawn."""
    if picture.powers:
        low, high = picture.powers
        logarithmic = [10.0**power for power in range(low, high + 1)]

        def place(value: float) -> float:
            share = math.log10(max(value, logarithmic[0]) / logarithmic[0]) / (high - low)
            return _LEFT + share * (_RIGHT - _LEFT)

        return place, logarithmic
    power = 10.0 ** math.floor(math.log10(most / _STEPS))
    step = next(size for size in (power, 2 * power, 5 * power, 10 * power) if most / size <= _STEPS)
    lines = math.ceil(most / step)
    return lambda value: _LEFT + value / (lines * step) * (_RIGHT - _LEFT), [step * n for n in range(lines + 1)]


def main(names: Sequence[str]) -> int:
    """Draw the pictures of these names, or all; say which results are missing."""
    missing = 0
    for picture in PICTURES:
        if names and picture.name not in names:
            continue
        source = RESULTS / f"{picture.results}.json"
        if not source.exists():
            print(f"{source} is missing: python benchmarks/run.py --only {picture.results}", file=sys.stderr)
            missing += 1
            continue
        text = draw(picture, json.loads(source.read_text(encoding="utf-8")))
        (IMAGES / f"{picture.name}.svg").write_text(text, encoding="utf-8")
    return missing


if __name__ == "__main__":
    raise SystemExit(1 if main(sys.argv[1:]) else 0)
