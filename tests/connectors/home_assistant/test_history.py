"""Home Assistant's history: what is asked, and how rows become records."""

import json
from itertools import pairwise
from typing import Any

import pytest
from homeiq.clock import SECOND, from_iso
from homeiq.connectors.home_assistant.history import Chunk, Plan, named, question, row_events
from homeiq.connectors.home_assistant.protocol import Answered, HomeAssistantProtocol
from homeiq.storage.record import Event
from hypothesis import example, given
from hypothesis import strategies as st

NOON = from_iso("2026-11-23T12:00:00")
ALL = Chunk(("sensor.a",), NOON - 3600 * SECOND, NOON + 3600 * SECOND)


def events(raw: str, chunk: Chunk = ALL) -> list[Event]:
    return list(row_events(raw, chunk, NOON + 1, "backfill"))


def test_what_is_asked_for() -> None:
    asked = question(["sensor.a", "Sensor.B", "sensor.c_", "no"], NOON, NOON + SECOND)
    assert asked == {
        "start_time": "2026-11-23T11:59:59.999000+00:00",
        "end_time": "2026-11-23T12:00:01.001000+00:00",
        "entity_ids": ["sensor.a"],
        "include_start_time_state": False,
        "minimal_response": False,
        "no_attributes": False,
        "significant_changes_only": False,
    }


def test_rows_are_verbatim_records() -> None:
    rows = [
        '{"s":"71.60","a":{"ü": 1e5},"lu":1795435200.184487,"lc":1795435199.0}',
        '{ "s" : "on", "a":{}, "lu":1795435201}',
        '{"s":null,"a":{},"lu":1795435202.5}',
        '{"s":"","a":{},"lc":1795435203.5}',
    ]
    made = events(f'{{"sensor.a":[{", ".join(rows)}],"light.b" : [ ]}}')
    assert [event.raw for event in made] == rows
    assert [event.time for event in made] == [1795435200184487, 1795435201000000, 1795435202500000, 1795435203500000]
    assert [event.state for event in made] == ["71.60", "on", None, None]
    assert {(e.event_type, e.entity_id, e.origin, e.received_at) for e in made} == {
        ("state", "sensor.a", "backfill", NOON + 1)
    }


@given(st.integers(1_000_000_000 * SECOND, 4_000_000_000 * SECOND))
def test_microseconds_survive_the_floats(time: int) -> None:
    raw = json.dumps({"sensor.a": [{"s": "1", "a": {}, "lu": time / 1e6}]})
    (event,) = events(raw, Chunk((), time, time + 1))
    assert event.time == time
    assert events(raw, Chunk((), time + 1, time + 9)) == events(raw, Chunk((), time - 9, time)) == []


@pytest.mark.parametrize(
    "row", ["7", "null", "{}", '{"s":"1"}', '{"s":"1","lu":"x"}', '{"s":"1","lu":1e400}', '{"lu":1,"a":{}}', "[]"]
)
def test_an_odd_row_is_kept_as_it_came(row: str) -> None:
    good = '{"s":"1","a":{},"lu":1795435200}'
    made = events(f'{{"sensor.a":[{row},{good}]}}')
    assert [(event.event_type, event.raw) for event in made] == [("unparsed", row), ("state", good)]


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
@example('{"sensor.a":[{"s":"1","lu":1795435200},')
@example('{"sensor.a":7}')
@example("{" * 10_000)
def test_no_answer_raises(raw: str) -> None:
    made = events(raw)
    assert all(event.event_type in ("state", "unparsed") for event in made)


def test_entities_are_named_elsewhere_too() -> None:
    raw = '[{"entity_id":"sensor.a"},{"statistic_id":"sensor.b"},{"statistic_id":"other:c"},{"name":"x"},7]'
    assert list(named(raw)) == ["sensor.a", "sensor.b"]


# --- the plan --------------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 130),
    st.integers(1, 40 * 86_400),
    st.lists(st.integers(0, 20_000) | st.none(), max_size=60),
)
def test_everything_is_asked_for_once(entities: int, seconds: int, answers: list[int | None]) -> None:
    """None is a question that was too much."""
    names = [f"sensor.e{number}" for number in range(entities)]
    plan = Plan(names, NOON, NOON + seconds * SECOND)
    asked: dict[str, list[tuple[int, int]]] = {name: [] for name in names}
    span: list[Chunk] = []
    steps = iter(answers)
    upto = plan.upto
    while (chunk := plan.next()) is not None:
        assert plan.next() == chunk
        assert 0 < len(chunk.entity_ids) <= 50
        assert chunk.start == plan.upto
        rows = next(steps, 0)
        if rows is None:
            plan.failed()
            span = []
            continue
        span.append(chunk)
        plan.answered(rows)
        assert plan.upto >= upto
        if plan.upto > upto:
            for each in span:
                for name in each.entity_ids:
                    asked[name].append((each.start, each.end))
            span, upto = [], plan.upto
    assert plan.upto == NOON + seconds * SECOND
    for spans in asked.values():
        assert spans[0][0] == NOON
        assert spans[-1][1] == plan.upto
        assert all(one[1] == other[0] for one, other in pairwise(spans))


def test_spans_follow_what_the_answers_hold() -> None:
    plan = Plan(["sensor.a"], 0, 10**18)
    lengths = []
    for rows in (0, 0, 0, 20_000, 2_000, 2_000, 500):
        chunk = plan.next()
        assert chunk is not None
        lengths.append((chunk.end - chunk.start) // SECOND)
        plan.answered(rows)
    assert lengths == [60, 240, 960, 3_840, 960, 960, 960]
    chunk = plan.next()
    assert chunk is not None
    assert (chunk.end - chunk.start) // SECOND == 3_840


# --- asking ----------------------------------------------------------------------------------------------------------


def connected() -> HomeAssistantProtocol:
    protocol = HomeAssistantProtocol("token")
    protocol.receive(b'{"type":"auth_ok","ha_version":"2026.11.1"}', NOON)
    return protocol


def test_an_answer_is_handed_over_as_it_came() -> None:
    protocol = connected()
    number, send = protocol.ask("history/history_during_period", entity_ids=["sensor.a"])
    assert json.loads(send.text) == {
        "id": number,
        "type": "history/history_during_period",
        "entity_ids": ["sensor.a"],
    }
    result = '{"sensor.a":[{"s":"ö","lu":1e5}]}'
    plain = f'{{"id":{number},"type":"result","success":true,"result":{result}}}'
    assert protocol.receive(plain.encode(), NOON) == [Answered(number, result)]
    assert protocol.receive(plain.encode(), NOON) == [], "it was asked once"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{{"type":"result","result": [1e5],"id":{n},"success":true}}', ("[1e5]", "")),
        ('{{"id":{n},"type":"result","success":true}}', ("null", "")),
        (
            '{{"id":{n},"type":"result","success":false,"error":{{"code":"unknown_command","message":"x"}}}}',
            (None, "unknown_command"),
        ),
        ('{{"id":{n},"type":"result","success":false}}', (None, "None")),
        ('[{{"id":{n},"type":"result","success":true,"result":{{}}}}]', ("{}", "")),
    ],
)
def test_answers_in_another_order_or_none(answer: str, expected: tuple[Any, str]) -> None:
    protocol = connected()
    number, _ = protocol.ask("x")
    assert protocol.receive(answer.format(n=number).encode(), NOON) == [Answered(number, *expected)]


def test_one_that_only_asks_subscribes_to_nothing() -> None:
    protocol = HomeAssistantProtocol("token", listens=False)
    protocol.receive(b'{"type":"auth_ok","ha_version":"2026.11.1"}', NOON)
    actions = protocol.receive(b'{"id":1,"type":"result","success":true,"result":{"version":"1"}}', NOON)
    assert [type(action).__name__ for action in actions] == ["Event", "Subscribed"]
