"""Points on their way from one process to another: the same points arrive."""

from homeiq.replayer.handed_over import Received, packed
from homeiq.replayer.point import FieldBlock, Point, Series, line
from hypothesis import example, given
from hypothesis import strategies as st

TEXTS = st.text(max_size=5)
FIELDS = st.dictionaries(TEXTS, st.floats() | st.booleans() | TEXTS | st.integers(-(2**63), 2**63 - 1), max_size=4)
SERIES = st.builds(Series, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
TIMES = st.integers(-(2**62), 2**62)


@st.composite
def batches(draw: st.DrawFn) -> list[Point]:
    series = draw(st.lists(SERIES, min_size=1, max_size=3))
    blocks = [FieldBlock(fields) for fields in draw(st.lists(FIELDS, min_size=1, max_size=2))]
    parts = st.lists(FIELDS | st.sampled_from(blocks), min_size=1, max_size=3).map(tuple)
    point = st.builds(Point, st.sampled_from(series), parts, TIMES, st.integers(1, 2**50))
    return draw(st.lists(point, max_size=6))


@given(batches())
@example([Point(Series("", {"0": "", "\r": ""}), ({},), 0, 1)])  # what is written for it has another place in the order
def test_points_arrive_as_they_were_sent(points: list[Point]) -> None:
    for received in (Received().points(packed(points, lines=False)), Received().points(packed(points, lines=True))):
        assert [(point.key, point.seq) for point in received] == [(point.key, point.seq) for point in points]
        assert [point.series.tags for point in received] == [point.series.tags for point in points]
        assert [line(point) for point in received] == [line(point) for point in points]


@given(batches())
def test_fields_arrive_where_they_are_asked_for(points: list[Point]) -> None:
    received = Received().points(packed(points, lines=False))
    assert [repr(point.fields) for point in received] == [repr(point.fields) for point in points]
