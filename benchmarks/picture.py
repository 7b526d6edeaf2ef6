"""The picture of docs/benchmarks.md: how long each question takes; each line of the scale is ten times the one before.

python benchmarks/picture.py benchmarks/results/queries.json docs/images/queries.svg
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

_TITLES = {
    "count_by_entity": "count by entity",
    "daily_mean_of_all": "daily mean of every sensor",
    "time_in_state_by_day": "time in state by entity and day",
    "hourly_mean_of_one": "hourly mean of one sensor",
    "last_state_of_all": "last state of all",
    "last_day_of_one": "one entity's last day",
}
_LEAST, _MOST = 0.001, 100.0
_LEFT, _RIGHT, _ROW = 230, 760, 46
_OURS, _THEIRS = "#00796b", "#9e9e9e"


def picture(results: dict[str, float]) -> str:
    """Return it as SVG."""
    height = 60 + _ROW * len(_TITLES)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_RIGHT + 70} {height}" font-family="sans-serif"'
        ' font-size="13" role="img" aria-label="Seconds for each question, homeiq and Home Assistant\'s SQLite">',
        f'<rect width="{_RIGHT + 70}" height="{height}" fill="#fff"/>',
        f'<rect x="{_LEFT}" y="8" width="12" height="12" fill="{_OURS}"/><text x="{_LEFT + 18}" y="19">homeiq sql</text>',
        f'<rect x="{_LEFT + 110}" y="8" width="12" height="12" fill="{_THEIRS}"/>'
        f'<text x="{_LEFT + 128}" y="19">Home Assistant\'s SQLite</text>',
    ]
    for power in range(round(math.log10(_LEAST)), round(math.log10(_MOST)) + 1):
        x = _place(10.0**power)
        parts.append(f'<path d="M{x:.0f} 30V{height - 24}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x:.0f}" y="{height - 8}" text-anchor="middle" fill="#555">{_seconds(10.0**power)}</text>'
        )
    for row, (name, title) in enumerate(_TITLES.items()):
        y = 36 + _ROW * row
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 22}" text-anchor="end">{title}</text>')
        for place, (key, colour) in enumerate(
            ((f"query_{name}_seconds", _OURS), (f"query_{name}_ha_seconds", _THEIRS))
        ):
            end, top = _place(results[key]), y + 17 * place
            parts.append(f'<rect x="{_LEFT}" y="{top}" width="{end - _LEFT:.0f}" height="14" fill="{colour}"/>')
            parts.append(f'<text x="{end + 5:.0f}" y="{top + 12}" font-size="11">{_seconds(results[key])}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _place(seconds: float) -> float:
    share = math.log10(max(seconds, _LEAST) / _LEAST) / math.log10(_MOST / _LEAST)
    return _LEFT + share * (_RIGHT - _LEFT)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(picture(json.loads(Path(sys.argv[1]).read_text())), encoding="utf-8")
