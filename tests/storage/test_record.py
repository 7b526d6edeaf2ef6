from zlib import crc32

import orjson
import pytest
from homeiq.errors import LogCorrupt
from homeiq.storage.record import (
    COLUMNS,
    HOUSEKEEPING,
    ORIGIN_RANK,
    ORIGINS,
    Event,
    Record,
    blank,
    decode,
    encode,
    encode_group,
    housekeeping_event,
    text_of,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBER = st.integers(-(2**63), 2**63 - 1)
EVENT = st.builds(Event, NUMBER, NUMBER, TEXT, st.sampled_from(ORIGINS), TEXT, st.none() | TEXT, st.none() | TEXT, TEXT)


@given(seq=st.integers(1, 2**63 - 1), event=EVENT)
@example(seq=1, event=Event(0, 0, "s", "live", "t", None, "", '\0 " \\ \n \r\n \u2028 é 𝄞 ' + "x" * 100_000))
def test_a_record_comes_back_as_it_was_given(seq: int, event: Event) -> None:
    line = encode(seq, event)
    record = decode(line)
    assert record == Record(seq, *(getattr(event, name) for name in COLUMNS[1:]))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1, "a line feed inside would tear the record apart"
    assert decode(line[:-1]) == record
    assert encode(seq, record) == line


@given(event=EVENT)
def test_a_line_is_documented_json(event: Event) -> None:
    line = encode(7, event)
    told = orjson.loads(line)
    assert tuple(told) == ("v", *COLUMNS, "crc")
    assert told["raw"] == event.raw
    covered = line[: line.rindex(b',"crc":')]
    assert told["crc"] == f"{crc32(covered):08x}"


@given(event=EVENT, data=st.data())
@settings(max_examples=200)
def test_any_changed_byte_is_noticed(event: Event, data: st.DataObject) -> None:
    line = bytearray(encode(1, event))
    line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(LogCorrupt):
        decode(bytes(line))


@given(line=st.binary(max_size=100))
def test_foreign_bytes_are_not_a_record(line: bytes) -> None:
    with pytest.raises(LogCorrupt):
        decode(line)


@pytest.mark.parametrize("body", [b'{"seq":1', b"[1", b'{"seq":1,"surprise":2', b"{"])
def test_a_right_checksum_alone_makes_no_record(body: bytes) -> None:
    with pytest.raises(LogCorrupt, match="not a record"):
        decode(b'%b,"crc":"%08x"}\n' % (body, crc32(body)))


@given(first=st.integers(1, 10**12), group=st.lists(EVENT, max_size=5))
def test_a_group_is_its_lines_numbered_on(first: int, group: list[Event]) -> None:
    assert encode_group(first, group) == b"".join(encode(first + place, one) for place, one in enumerate(group))


@given(received=st.binary())
@example(received="21.5 °C".encode())
@example(received=b"\xff\xfe")
def test_received_bytes_can_always_be_had_back(received: bytes) -> None:
    text = text_of(received)
    try:
        assert text == received.decode()
    except UnicodeDecodeError:
        import base64

        told = orjson.loads(text)
        assert told["encoding"] == "base64"
        assert base64.b64decode(told["data"]) == received


def test_origins_are_ranked_from_live_down() -> None:
    ranked = sorted(ORIGINS, key=ORIGIN_RANK.__getitem__, reverse=True)
    assert ranked == ["live", "manual", "backfill", "snapshot", "import", "simulated"]


def test_housekeeping_is_told_by_its_event_type() -> None:
    told = housekeeping_event(5, "home_assistant", "connected", attempt=2)
    assert (told.event_type, told.time, told.raw) == (HOUSEKEEPING + "connected", 5, '{"attempt":2}')
    empty = blank(9, 5, "weather", "expired")
    assert (empty.seq, empty.event_type, empty.state) == (9, HOUSEKEEPING + "blank", None)
    assert orjson.loads(empty.raw) == {"reason": "expired"}
