"""The metrics say what the status says, in Prometheus' form."""

from pathlib import Path
from typing import Any

from homeiq.recorder.metrics import METRICS, Metrics
from homeiq.recorder.schedule import PollState
from homeiq.recorder.supervisor import SourceState
from homeiq.storage.record import housekeeping_event
from prometheus_client.parser import text_string_to_metric_families

from recorder.test_health import Made, event


def samples(made: Made) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(Metrics(made.health).text().decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_each_is_named_once_and_explained() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert all(metric.explanation.endswith(".") for metric in METRICS)
    assert all(metric.name.startswith("homeiq_") for metric in METRICS)


def test_they_say_what_happened(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.health.sources = [
        SourceState("home_assistant", connected=True, since=3_000_000),
        PollState("weather", reason="it answers 500"),
    ]
    for what in ("connected", "disconnected"):
        made.health.committed([housekeeping_event(1, "home_assistant", what)], 0.2)
    made.health.committed([event(), event("pushed", "manual", at=9_000_000)], 0.003)
    made.clock.advance(4)
    made.health.requests["/events", 201] += 2
    made.intake.durable_seq, made.intake.dropped = 7, 3
    found = samples(made)
    expected: dict[tuple[str, ...], Any] = {
        ("homeiq_info", "0.1.0"): 1,
        ("homeiq_ready",): 1,
        ("homeiq_source_connected", "home_assistant"): 1,
        ("homeiq_source_connected", "weather"): 0,
        ("homeiq_source_since_seconds", "home_assistant"): 3,
        ("homeiq_last_event_time_seconds", "pushed"): 9,
        ("homeiq_last_event_age_seconds", "pushed"): 4,
        ("homeiq_events_total", "home_assistant", "live"): 1,
        ("homeiq_events_total", "pushed", "manual"): 1,
        ("homeiq_durable_seq",): 7,
        ("homeiq_unsynced_records",): 0,
        ("homeiq_dropped_events_total",): 3,
        ("homeiq_log_writable",): 1,
        ("homeiq_gaps_total", "home_assistant"): 1,
        ("homeiq_gap_seconds_total", "home_assistant"): 4,
        ("homeiq_http_requests_total", "/events", "201"): 2,
        ("homeiq_commit_seconds_bucket", "0.0025"): 0,
        ("homeiq_commit_seconds_bucket", "0.005"): 1,
        ("homeiq_commit_seconds_bucket", "+Inf"): 3,
        ("homeiq_commit_seconds_count",): 3,
    }
    labels = {key: found.get(key, found.get((key[0], *reversed(key[1:])))) for key in expected}
    assert labels == expected
    assert ("homeiq_source_since_seconds", "weather") not in found
    assert ("homeiq_disk_free_bytes",) not in found, "what is not known is not made up"
    assert found["process_resident_memory_bytes",] > 1e6
    made.log.close()
