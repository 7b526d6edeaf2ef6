"""The events that are measured with: frames as a Home Assistant sent them."""

from __future__ import annotations

import lzma
import re
from pathlib import Path
from typing import Any

from homeiq.clock import from_iso, to_iso
from homeiq.connectors.home_assistant.protocol import HomeAssistantProtocol
from homeiq.storage import segment
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import seal
from homeiq.storage.record import Event, Record

__all__ = ["corpus_log", "events_of", "frames", "moved", "segment_bytes"]

_SAMPLE = Path(__file__).parent / "sample.ndjson.xz"
_TIME = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
_GROUP = 1_000


def frames(path: Path | None) -> list[bytes]:
    """Return frames, as bytes without a line feed."""
    chosen = path or _SAMPLE
    content = chosen.read_bytes()
    content = lzma.decompress(content) if chosen.suffix == ".xz" else content
    return [frame for frame in content.split(b"\n") if frame]


def events_of(sample: list[bytes]) -> list[Event]:
    """Return the events of frames, as the connector takes them."""
    protocol = HomeAssistantProtocol("")
    protocol.receive(b'{"type":"auth_ok","ha_version":"2024.3.3"}', 0)
    return [action for frame in sample for action in protocol.receive(frame, 1) if isinstance(action, Event)]


def segment_bytes(sample: list[bytes]) -> dict[str, Any]:
    """Return the size of one sealed segment of the sample."""
    records = [
        Record(seq, e.time, e.time + 2_000, e.source, e.origin, e.event_type, e.entity_id, e.state, e.raw)
        for seq, e in enumerate(events_of(sample), 1)
    ]
    content = segment.write([segment.table_of(records)], 1, len(records), "")
    raw = sum(len(record.raw.encode()) for record in records)
    return {"segment_bytes_an_event": len(content) / len(records), "raw_bytes_an_event": raw / len(records)}


def corpus_log(sample: list[bytes], data_dir: Path, count: int) -> dict[str, Any]:
    """Write a log that repeats the sample, later each time, until it has `count` events; sealed but for the last tail."""
    first = min(from_iso(match.decode()) for frame in sample for match in _TIME.findall(frame))
    last = max(event.time for event in events_of(sample))
    length = last - first + 1_000_000
    written = 0
    with EventLog(data_dir) as log:
        shift = 0
        while written < count:
            some = [moved(frame, shift) for frame in sample] if shift else sample
            events = events_of(some)[: count - written]
            for start in range(0, len(events), _GROUP):
                log.append(events[start : start + _GROUP])
            written += len(events)
            shift += length
        log.rotate()
    seal(data_dir)
    return {"replayed_log_events": written}


def moved(frame: bytes, shift: int) -> bytes:
    """Return a frame whose times are `shift` microseconds later."""
    return _TIME.sub(lambda match: to_iso(from_iso(match.group().decode()) + shift).encode(), frame)
