"""One contract, every target that can be asked: what it holds comes back as it was written; a delete takes just that."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from homeiq.clock import DAY
from homeiq.replayer.point import Point, Series, clean_name
from homeiq.replayer.targets.base import Ghost, Stored, Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.kept import Content, Embedded, Fake2, Kept

START = 20_780 * DAY
ALWAYS = -(2**62), 2**62
_numbers = itertools.count(1)


def point(time: int = 0, *, of: str = "m", fields: dict[str, Any] | None = None, **tags: str) -> Point:
    """`time` in nanoseconds after START."""
    seq = next(_numbers)
    return Point(
        Series(of, tags), {"value": 1.0, "origin": "live"} if fields is None else fields, START * 1000 + time, seq
    )


def write(kept: Kept, *points: Point) -> None:
    kept.target.live("x").write(points)


def content_of(stored: Iterable[Stored]) -> Content:
    """Return points as the tests' own readers give them; each may be there once only."""
    content: Content = {}
    for one in stored:
        key = one.measurement, frozenset(one.tags.items()), one.time
        assert key not in content
        content[key] = dict(one.fields)
    return content


def read(target: Target, *measurements: str, start: int = ALWAYS[0], end: int = ALWAYS[1]) -> Content:
    return content_of(target.read(measurements or ["m"], start, end))


def wanted(points: Sequence[Point]) -> Content:
    return {
        (one.series.measurement, frozenset(one.series.tags.items()), one.time): {
            clean_name(name): value for name, value in one.fields.items()
        }
        for one in points
    }


names = st.text(max_size=8).filter(
    lambda text: '="' not in text
)  # the tests' own reader takes it for a string's beginning
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values: dict[str, st.SearchStrategy[Any]] = {
    "f": st.floats(allow_nan=False, allow_infinity=False),
    "i": st.integers(-(2**63), 2**63 - 1),
    "b": st.booleans(),
    "s": texts,
}
fields = st.dictionaries(st.tuples(st.sampled_from("fibs"), names), st.none(), min_size=1, max_size=4).flatmap(
    lambda chosen: st.fixed_dictionaries({f"{kind}{name}": values[kind] for kind, name in chosen})
)
tags = st.dictionaries(names.map(lambda name: f"t{name}"), names, max_size=3)
many = st.lists(st.tuples(names, tags, fields, st.integers(0, 5)), min_size=1, max_size=8)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(many)
def test_anything_that_was_written_is_read_back(readable: Kept, drawn: list[Any]) -> None:
    number = next(_numbers)
    points = {}
    for name, tags, fields, time in drawn:
        clean = {clean_name(field): value for field, value in fields.items()}  # as normalizers name them
        one = point(time * 1000, of=f"m{number}{name}", fields=clean, **tags)
        points[one.key] = one
    write(readable, *points.values())
    measurements = sorted({one.series.measurement for one in points.values()})
    found = read(readable.target, *measurements, "missing")
    expected = wanted(list(points.values()))
    assert found.keys() == expected.keys()
    for key, fields in expected.items():
        assert found[key].keys() == fields.keys()
        for name, value in fields.items():
            there = found[key][name]
            if type(value) is float:  # JSON writes one without a fraction as an integer, with as many digits as it has
                assert type(there) in (int, float)
                assert float(there) == value
            else:
                assert (type(there), there) == (type(value), value)


def test_nothing_is_there(readable: Kept) -> None:
    assert read(readable.target) == {}
    assert read(readable.target, "m", "n") == {}
    assert list(readable.target.read([], *ALWAYS)) == []
    assert readable.target.latest("m") is None
    assert not readable.target.holds(["m", "n"])
    assert not readable.target.holds([])


def test_a_range_begins_with_its_start_and_ends_before_its_end(readable: Kept) -> None:
    points = [point(time * 1000) for time in range(-2, 4)]
    write(readable, *points)
    assert read(readable.target, start=START, end=START + 2) == wanted(points[2:4])
    assert read(readable.target, start=START, end=START) == {}
    assert read(readable.target, start=START + 2, end=START) == {}
    assert read(readable.target, start=-(2**63), end=2**63 - 1) == wanted(points)
    assert read(readable.target, start=2**62, end=2**63) == {}
    assert read(readable.target, start=-(2**63), end=-(2**62)) == {}


def test_nanoseconds_count(deleting: Kept) -> None:
    points = [point(time) for time in (-1, 0, 999, 1_000)]
    write(deleting, *points)
    assert read(deleting.target, start=START, end=START + 1) == wanted(points[1:3])
    deleting.target.delete([Ghost("m", {}, START * 1000, START * 1000)])
    assert read(deleting.target) == wanted([points[0], *points[2:]])


def test_the_first_and_last_times_that_there_are(deleting: Kept) -> None:
    points = [Point(Series("m", {}), {"value": 1.0}, time, 1) for time in (-(2**63) + 2, -1, 2**63 - 2)]
    write(deleting, *points)
    assert read(deleting.target, start=-(2**63), end=2**63) == wanted(points)
    assert read(deleting.target, start=-(2**62), end=0) == wanted(points[:2])
    deleting.target.delete([Ghost("m", {}, -(2**70), -2), Ghost("m", {}, 0, 2**70)])
    assert deleting.read() == wanted(points[1:2])


def test_points_of_others_are_read_too(readable: Kept) -> None:
    ours = point(0, a="x", b="none")
    foreign = point(0, a="x", fields={"power": 1.5, "note": "an\nother"})
    without_tags = point(0, fields={"power": 3.0})
    write(readable, ours, foreign, without_tags, point(0, of="other"))
    assert read(readable.target) == wanted([ours, foreign, without_tags])


def test_a_field_with_the_name_of_a_tag_keeps_it(deleting: Kept) -> None:
    points = [
        point(0, domain="light"),
        point(0, domain="light", domain_1="x"),
        point(1, domain="light", fields={"domain": "text", "domain_1": 1.0, "value": 2.0}),
        point(0, fields={"domain": "other"}),
    ]
    write(deleting, *points)
    assert read(deleting.target) == wanted(points)
    deleting.target.delete([Ghost("m", {"domain": "light"}, points[2].time, points[2].time)])
    assert deleting.read() == wanted([*points[:2], points[3]])


def test_long_series_come_in_parts(readable: Kept) -> None:
    points = [point(time * 1000, a=str(time % 3)) for time in range(4_000)]
    write(readable, *points)
    assert read(readable.target) == wanted(points)


def test_a_reading_may_be_left_and_begun_again(readable: Kept) -> None:
    points = [point(time * 1000) for time in range(3_000)]
    write(readable, *points)
    for _ in range(3):
        reading: Iterator[Stored] = iter(readable.target.read(["m"], *ALWAYS))
        assert next(reading).measurement == "m"
        del reading
    assert read(readable.target) == wanted(points)


def test_the_latest_of_all_series(readable: Kept) -> None:
    points = [point(5_000, a="x"), point(9_000, a="y", fields={"n": 7}), point(7_000), point(DAY * 9_000, of="n")]
    write(readable, *points)
    latest = readable.target.latest("m")
    assert latest is not None
    assert content_of([latest]) == wanted([points[1]])
    later = point(3 * DAY * 1000, a="x")
    write(readable, later)
    latest = readable.target.latest("m")
    assert latest is not None
    assert content_of([latest]) == wanted([later])


def test_whether_it_holds_anything(readable: Kept) -> None:
    write(readable, point(0, of="n", a="x"))
    assert not readable.target.holds(["m"])
    assert readable.target.holds(["n"])
    assert readable.target.holds(["m", "n"])


def test_what_was_deleted_is_not_held_any_more(deleting: Kept) -> None:
    write(deleting, point(0, a="a"), point(5, a="b"))
    for tag in "ab":
        assert deleting.target.holds(["m"])
        deleting.target.delete([Ghost("m", {"a": tag}, START * 1000, START * 1000 + 5)])
    assert not deleting.target.holds(["m"])
    assert deleting.target.latest("m") is None


def test_both_ends_are_deleted_and_no_more(deleting: Kept) -> None:
    points = [point(time, a="x") for time in range(6)]
    write(deleting, *points)
    deleting.target.delete([Ghost("m", {"a": "x"}, points[1].time, points[3].time)])
    assert deleting.read() == wanted([points[0], *points[4:]])


def test_a_series_with_more_tags(deleting: Kept) -> None:
    """2.x can't tell it from the one that is meant; none with fewer or other tags is ever touched."""
    meant, more = point(0, a="x", b="y"), point(0, a="x", b="y", c="z")
    others = [point(0, a="x"), point(0, b="y"), point(0), point(0, a="x", b="z"), point(0, a="x", c="z")]
    later = point(1, a="x", b="y")
    write(deleting, meant, more, *others, later)
    deleting.target.delete([Ghost("m", {"a": "x", "b": "y"}, meant.time, meant.time)])
    left = [*others, later, *([more] if deleting.target.deletes_exactly else [])]
    assert deleting.read() == wanted(left)
    assert deleting.target.deletes_exactly is not isinstance(deleting, Fake2)


def test_to_delete_what_is_not_there_is_no_error(deleting: Kept) -> None:
    write(deleting, point(0, a="x"))
    deleting.target.delete([])
    ghosts = [Ghost("n", {}, 0, 9), Ghost("m", {"a": "y"}, 0, 2**62), Ghost("m", {"other": "tag"}, 0, 2**62)]
    deleting.target.delete(ghosts)
    deleting.target.delete([Ghost("m", {"a": "x"}, 9, 0)])
    assert len(deleting.read()) == 1


def test_many_are_deleted_at_once(deleting: Kept) -> None:
    points = [point(time, a=str(time)) for time in range(260)]
    write(deleting, *points)
    gone = points[1:-1]
    deleting.target.delete([Ghost("m", one.series.tags, one.time, one.time) for one in gone])
    assert deleting.read() == wanted([points[0], points[-1]])


KEYS = [
    "user",
    "tag",
    "field",
    "from",
    "to",
    "in",
    "key",
    "name",
    "a-b",
    "é",
    "1",
    "true",
    "a b",
    'a"b',
    "a'b",
    "_a",
    "or",
]
ODD = ["".join(letters) for length in (1, 2) for letters in itertools.product("\\,= \"\n'a;*/", repeat=length)]
ODDER = [
    "\r",
    "\0",
    "\t",
    "\x01",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufeff",
    "ü",
    "🏠",
    "#",
    "$1",
    "%s",
    "--",
    "{}",
    "x" * 300,
]


def test_any_text_can_be_named_in_a_delete(deleting: Kept) -> None:
    """As a tag's value, a tag's name and a measurement, however it is spelled in the language of the server."""
    gone, left = [], []
    for number, text in enumerate([*KEYS, *ODD, *ODDER]):
        if '="' in text and isinstance(deleting, Fake2):
            continue  # the tests' own reader takes it, in a name, for a string's beginning
        for one in (
            lambda time, text=text, number=number: point(time, v=text, n=str(number)),
            lambda time, text=text, number=number: point(time, **{text: "v", "n": f"key {number}"}),
            lambda time, text=text: point(time, of=f"m{text}m", a="x"),
        ):
            gone.append(one(0))
            left.append(one(1))
    write(deleting, *gone, *left)
    deleting.target.delete([Ghost(one.series.measurement, one.series.tags, one.time, one.time) for one in gone])
    assert deleting.read() == wanted(left)


few_tags = st.dictionaries(st.sampled_from(["a", "b", "in"]), st.sampled_from(["x", "y", "none"]), max_size=3)
held = st.lists(st.tuples(few_tags, st.integers(0, 4)), min_size=1, max_size=12)
removed = st.lists(st.tuples(few_tags, st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(held, removed)
def test_deletes_are_what_the_contract_says(deleting: Kept, held: list[Any], removed: list[Any]) -> None:
    of = f"d{next(_numbers)}"
    points = {one.key: one for one in (point(time, of=of, **tags) for tags, time in held)}
    write(deleting, *points.values())
    exact = deleting.target.deletes_exactly
    ghosts = [Ghost(of, tags, START * 1000 + first, START * 1000 + last) for tags, first, last in removed]
    left = [
        one
        for one in points.values()
        if not any(
            ghost.first <= one.time <= ghost.last
            and (ghost.tags == one.series.tags if exact else ghost.tags.items() <= one.series.tags.items())
            for ghost in ghosts
        )
    ]
    deleting.target.delete(ghosts)
    assert read(deleting.target, of) == wanted(left)
    assert deleting.target.holds([of]) == bool(left)


def test_what_each_says_that_it_can_do(kept: Kept) -> None:
    kept.target.connect(0)
    target = kept.target
    if not target.reads:
        with pytest.raises(NotImplementedError, match="cannot be read"):
            list(target.read(["m"], 0, 1))
        with pytest.raises(NotImplementedError, match="cannot be read"):
            target.latest("m")
        with pytest.raises(NotImplementedError, match="cannot be read"):
            target.holds(["m"])
    if not target.deletes:
        with pytest.raises(NotImplementedError, match="cannot delete"):
            target.delete([Ghost("m", {}, 0, 1)])
    assert target.deletes or not target.deletes_exactly
    assert target.keeps_windows == isinstance(kept, Embedded)
    assert target.retention is None
    assert target.cannot == ()
