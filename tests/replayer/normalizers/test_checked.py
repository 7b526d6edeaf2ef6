"""Whatever a normalizer that is not ours makes: what comes through can be written, and nothing stops the rest."""

import math
from typing import Any, ClassVar

import pytest
from homeiq.replayer.home import Home
from homeiq.replayer.normalizers.base import Normalizer, Reads, Reason, SetAside
from homeiq.replayer.normalizers.checked import checked
from homeiq.replayer.point import LARGEST_STRING, Point, Series, line
from homeiq.replayer.projection import normalized
from homeiq.replayer.windows import Counts
from hypothesis import given
from hypothesis import strategies as st

from replayer.making import DAY_0, numbered, state
from servers.line_protocol import parse

(RECORD,) = numbered([state("sensor.a", "1", DAY_0, "import")])
SERIES = Series("own", {"a": "b"})


class Own(Normalizer):
    name = "own"
    version = 1
    measurements = ("own",)
    of_home: ClassVar[tuple[str, ...]] = ()
    reads = Reads((), ("state_changed", "state"))
    made: Any = ()

    def wants(self, record: Any) -> bool:
        raise AssertionError("it is not asked")

    def normalize(self, record: Any, home: Any) -> Any:
        if isinstance(self.made, BaseException):
            raise self.made
        return self.made


class Odd(SetAside):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = "odd"  # type: ignore[assignment]


def making(made: Any) -> tuple[list[Point], Counts]:
    normalizer = checked(Own)()
    assert normalizer.wants(RECORD)
    normalizer.made = made  # type: ignore[attr-defined]
    counts = Counts()
    return [point for point, _ in normalized([RECORD], normalizer, Home(), counts)], counts


def point(fields: Any, series: Any = SERIES, time: Any = DAY_0 * 1000) -> Point:
    return Point(series, fields, time, 77)


def test_a_point_gets_the_origin_and_the_record_that_it_comes_from() -> None:
    ((made,), _) = making([point({"x": 1, "y": "text", "z": True, "origin": "forged"})])
    assert made.fields == {"origin": "import", "x": 1, "y": "text", "z": True}
    assert made.seq == RECORD.seq
    assert [type(value) for value in made.fields.values()] == [str, int, str, bool]


def test_what_no_field_can_hold_is_left_out() -> None:
    fields = {"a": None, "b": math.nan, "c": math.inf, "d": "http://u:secret@host/", "e": 1.5, "f": "\ud800"}
    ((made,), _) = making([point(fields)])
    assert made.fields == {"origin": "import", "e": 1.5, "f": "�"}
    assert making([point({"a": None})])[1].reasons == {Reason.NO_VALUE.value: 1}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (None, "'NoneType' object is not iterable"),
        (7, "'int' object is not iterable"),
        (["text"], "normalize returns Points"),
        ([point({"x": 1}, time=1.5)], "normalize returns Points, whose times are integers"),
        ([point({"x": 1}, series="own")], "a point's measurement is one of own"),
        ([point({"x": 1}, series=Series("weather", {}))], "a point's measurement is one of own"),
        ([point({"x": [1]})], "the field x is a list"),
        ([point({"x": 2**63})], "the field x is an integer of more than 64 bits"),
        ([point({"x": "x" * (LARGEST_STRING + 1)})], "the field x is longer than"),
        ([point({"x\n": 1})], "a database cannot hold a field named"),
        ([point({7: 1})], "a database cannot hold a field named 7"),
        (ZeroDivisionError("oh"), "ZeroDivisionError: oh"),
        (SystemExit(1), "it raised SystemExit"),
        (GeneratorExit(), "it raised GeneratorExit"),
        (RecursionError(), "RecursionError"),
        (Odd(Reason.NO_VALUE), "SetAside takes a Reason"),
    ],
)
def test_what_is_wrong_sets_the_record_aside(made: Any, said: str) -> None:
    points, counts = making(made)
    assert points == []
    assert counts.reasons == {Reason.FAILED.value: 1}
    ((key, failure),) = counts.failures.items()
    assert (key, failure.count, failure.seq) == (("own", DAY_0), 1, RECORD.seq)
    assert said in failure.traceback


def test_a_traceback_keeps_no_credential() -> None:
    _, counts = making(ValueError("cannot read http://user:secret@host/"))
    ((_, failure),) = counts.failures.items()
    assert "secret" not in failure.traceback
    assert "a line is left out" in failure.traceback


def test_a_record_may_be_set_aside() -> None:
    assert making(SetAside(Reason.NO_VALUE))[1].reasons == {Reason.NO_VALUE.value: 1}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
points = st.builds(
    point,
    st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=4) | st.integers(), anything, max_size=3),
    st.sampled_from([SERIES, Series("other", {}), None, "own"]),
    st.integers(-(2**70), 2**70) | st.just(DAY_0 * 1000) | anything,
)


@given(anything | st.lists(points | anything, max_size=3))
def test_whatever_it_makes_what_comes_through_can_be_written(made: Any) -> None:
    found, _ = making(made)
    for one in found:
        ((_, fields),) = parse(line(one)).items()
        assert fields == one.fields
        assert fields["origin"] == "import"
        assert one.time == DAY_0 * 1000
