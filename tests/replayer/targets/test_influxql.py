"""Statements and answers of InfluxQL, as values. What servers make of them is in the contract of the targets."""

from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.replayer.targets.base import Ghost, Stored
from homeiq.replayer.targets.influxql import (
    FIRST_TIME,
    LAST_TIME,
    NotAnswered,
    bounds,
    delete,
    duration,
    identifier,
    moment,
    points_of,
    predicate,
    results_of,
)
from hypothesis import given
from hypothesis import strategies as st

from servers import influxql as read_by_tests

names = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))


@given(names, st.dictionaries(names.filter(lambda name: name != "_measurement"), names))
def test_a_predicate_is_read_as_it_was_meant(measurement: str, tags: dict[str, str]) -> None:
    ghost = Ghost(measurement, tags, 0, 1)
    assert read_by_tests.predicate(predicate(ghost)) == {"_measurement": measurement, **tags}


def test_a_delete_names_the_tags_that_the_series_lacks() -> None:
    ghost = Ghost("m", {"b": "it's"}, 5, 2**70)
    assert delete(ghost, ["a", "b"]) == (
        f'DELETE FROM "m" WHERE "a"::tag = \'\' AND "b"::tag = \'it\\\'s\' AND time >= 5 AND time <= {LAST_TIME}'
    )
    assert identifier('a"\\\n') == '"a\\"\\\\\\n"'


@given(st.integers(FIRST_TIME, LAST_TIME))
def test_moments_say_each_nanosecond(time: int) -> None:
    from servers.influxdb2_bucket import _nanoseconds

    assert _nanoseconds(moment(time)) == time


def test_moments_that_cannot_be_held() -> None:
    assert moment(-(2**80)) == moment(FIRST_TIME) == "1677-09-21T00:12:43.145224194Z"
    assert moment(2**80) == moment(LAST_TIME) == "2262-04-11T23:47:16.854775806Z"
    assert moment(0) == "1970-01-01T00:00:00.000000000Z"


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_bounds_hold_what_lies_between(start: int, end: int) -> None:
    found = bounds(start, end)
    held = range(max(start * 1000, FIRST_TIME), min(end * 1000, LAST_TIME + 1))
    assert found == ((held[0], held[-1]) if held else None)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("0s", None),
        ("", None),
        ("168h0m0s", 7 * DAY),
        ("1h30m5s", 5405 * SECOND),
        ("48h", 2 * DAY),
        ("90m0s", 90 * 60 * SECOND),
    ],
)
def test_durations(text: str, microseconds: int | None) -> None:
    assert duration(text) == microseconds


def test_points_hold_only_what_is_there() -> None:
    results: Any = [
        {"statement_id": 0},
        {
            "series": [
                {
                    "name": "m",
                    "tags": {"a": "x", "b": ""},
                    "columns": ["time", "f", "g"],
                    "values": [[1, None, "text"], [2, False, None], [3, 0, ""]],
                },
                {"name": "m", "columns": ["time", "f"], "values": [[-4, 1.5]]},
            ]
        },
    ]
    assert list(points_of(results)) == [
        Stored("m", {"a": "x"}, 1, {"g": "text"}),
        Stored("m", {"a": "x"}, 2, {"f": False}),
        Stored("m", {"a": "x"}, 3, {"f": 0, "g": ""}),
        Stored("m", {}, -4, {"f": 1.5}),
    ]


def test_an_answer_is_whole_or_none() -> None:
    last = b'{"results":[{"statement_id":0}]}'
    assert [*results_of([last])] == [{"statement_id": 0}]
    with pytest.raises(NotAnswered, match="before it is complete"):
        list(results_of([]))
    with pytest.raises(NotAnswered, match="before it is complete"):
        list(results_of([last, b'{"results":[{"statement_id":0,"partial":true}]}']))
