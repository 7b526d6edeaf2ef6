import pytest
from homeiq.connectors.home_assistant.history import Chunk, row_events
from homeiq.connectors.pushed import events_of
from homeiq.storage.agreement import disagreement, is_blank
from homeiq.storage.record import Event, Record, blank

NOW = 1_800_000_000_000_000
PUSHED = [
    b'{"event_type":"state_changed","data":{"entity_id":"a.b","new_state":{"state":"1","last_updated":"2026-01-01T00:00:00+00:00"}}}',
    b'{"event_type":"state_changed","entity_id":"a.b","new_state":{"state":1.5}}',
    b'{"event_type":"state_changed","entity_id":"a.b","new_state":"on","time_fired":"2026-01-01T00:00:00Z"}',
    b'{"event_type":"state_changed","entity_id":"a.b","new_state":null,"data":{"more":1}}',
    b'{"event_type":"state_changed","new_state":{"entity_id":"a.b","state":"\\ud83d"}}',
    b'{"event_type":"call_service","data":{"entity_id":"a.b"},"time_fired":"2026-01-01T00:00:00Z"}',
    b'{"event_type":"call_service","entity_id":"a.b"}',
]


def numbered(event: Event) -> Record:
    return Record(1, *(getattr(event, name) for name in Event.__slots__))


@pytest.mark.parametrize("body", PUSHED)
def test_what_is_pushed_agrees_and_each_column_matters(body: bytes) -> None:
    (event,) = events_of(body, "manual", NOW)
    record = numbered(event)
    assert disagreement(record) == ""
    assert record.entity_id == "a.b"
    record.entity_id = "a.c"
    assert disagreement(record) == "has another entity_id than its raw text"
    record.entity_id = "a.b"
    if event.event_type == "state_changed":
        record.state = "off"
        assert disagreement(record) == "has another state than its raw text"
        record.state = event.state
    if b"2026-01-01" in body and event.event_type == "state_changed":
        record.time += 1
        assert disagreement(record) == "has another time than its raw text"
        record.time -= 1
    record.event_type = "call_service" if event.event_type == "state_changed" else "state_changed"
    assert disagreement(record) == "has another event_type than its raw text"


def test_rows_of_a_history_agree() -> None:
    raw = '{"a.b":[{"s":"1","a":{},"lu":1767225600.123456},{"s":"","a":{},"lu":1767225601.5,"lc":1767225600.5}]}'
    for event in row_events(raw, Chunk(("a.b",), 0, 2**62), NOW, "backfill"):
        record = numbered(event)
        assert disagreement(record) == ""
        record.time += 1
        assert disagreement(record) == "has another time than its raw text"


@pytest.mark.parametrize("reason", ["expired", "forgotten"])
def test_blank_rows_keep_their_place_and_say_why(reason: str) -> None:
    record = Record(7, NOW, NOW, "pushed", "import", "blank", None, None, f'{{"reason":"{reason}"}}')
    assert is_blank(record)
    assert disagreement(record) == ""
    assert disagreement(blank(7, NOW, "homeiq", "damaged")) == ""
    record.state = "on"
    assert disagreement(record) == "has another state than its raw text"
    record.state, record.time = None, NOW - 1
    assert disagreement(record) == "has another time than its raw text"
    record.raw = "{}"
    assert disagreement(record) == "is blank and does not say why"


def test_what_is_not_json_is_unparsed() -> None:
    record = Record(1, NOW, NOW, "home_assistant", "live", "unparsed", None, None, "{")
    assert disagreement(record) == ""
    record.event_type = "state"
    assert disagreement(record) == "has a raw text that is not JSON"
