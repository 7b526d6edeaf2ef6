"""The page of the metrics at `/metrics`."""

from __future__ import annotations

from homeiq.recorder import metrics

__all__ = ["page"]

_HEAD = """# Metrics

Made from `recorder/metrics.py`. `http://127.0.0.1:8002/metrics` gives them in the text format of Prometheus
(`docs/http.md`). The counters begin with the recorder's start; a sample that is not known yet is missing. Besides, there
are `process_…`: CPU time, memory and open files of the recorder's process.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
"""


def page() -> str:
    """Return the page."""
    rows = [(one.name, one.explanation, one.labels) for one in metrics.METRICS]
    rows.append((*metrics._COMMIT_SECONDS, ()))
    return _HEAD + "".join(_row(*row) for row in sorted(rows))


def _row(name: str, explanation: str, labels: tuple[str, ...]) -> str:
    kind = "counter" if name.endswith("_total") else "gauge"
    kind = "histogram" if name == metrics._COMMIT_SECONDS[0] else kind
    said = explanation.replace("|", "\\|").replace("<", "&lt;")
    return f"| `{name}` | {kind} | {', '.join(labels)} | {said} |\n"
