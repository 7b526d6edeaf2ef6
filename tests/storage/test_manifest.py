from pathlib import Path

import pytest
from homeiq.storage.manifest import (
    SegmentName,
    Slice,
    holes,
    parse_segment,
    parse_tail,
    resolve,
    segment_name,
    tail_name,
)
from hypothesis import given
from hypothesis import strategies as st

SEQ = st.integers(1, 10**20 - 1)
FILES = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 8), st.integers(0, 3), st.booleans()),
    max_size=7,
    unique_by=lambda one: one[:3],
)


def named(first: int, length: int, generation: int) -> SegmentName:
    return SegmentName(first, first + length, generation, Path(segment_name(first, first + length, generation)))


@given(first=SEQ, more=st.integers(0, 10**6), generation=st.integers(0, 10**6))
def test_a_name_says_what_it_was_made_of(first: int, more: int, generation: int) -> None:
    last = min(first + more, 10**20 - 1)
    path = Path("log/date=2026-11-23") / segment_name(first, last, generation)
    assert parse_segment(path) == SegmentName(first, last, generation, path)
    assert parse_tail(Path(tail_name(first))) == first
    assert (parse_tail(path), parse_segment(Path(tail_name(first)))) == (None, None)


@pytest.mark.parametrize(
    "name",
    [
        segment_name(5, 4, 0),
        segment_name(0, 4, 0),
        segment_name(1, 4, 0) + ".old",
        segment_name(1, 4, 0) + ".12.tmp",
        "1-4.0.parquet",
        segment_name(1, 4, 0)[1:],
        "x" + segment_name(1, 4, 0),
    ],
)
def test_other_names_are_nobodys(name: str) -> None:
    assert parse_segment(Path(name)) is None


@pytest.mark.parametrize("name", ["tail-1.ndjson", tail_name(1) + ".7.tmp", tail_name(1)[:-1], "tail-.ndjson"])
def test_other_names_are_no_tails(name: str) -> None:
    assert parse_tail(Path(name)) is None


@given(files=FILES)
def test_the_best_file_speaks_for_each_record(files: list[tuple[int, int, int, bool]]) -> None:
    valid = {named(*one[:3]): one[3] for one in files}
    asked = set()

    def is_valid(name: SegmentName) -> bool:
        asked.add(name)
        return valid[name]

    slices = resolve(list(valid), is_valid)
    spoken: dict[int, SegmentName] = {}
    for part in slices:
        assert part.segment.first <= part.first <= part.last <= part.segment.last
        for seq in range(part.first, part.last + 1):
            assert seq not in spoken, "two files speak for one record"
            spoken[seq] = part.segment
    assert slices == sorted(slices, key=lambda part: part.first)
    for seq in range(1, 25):
        holding = [name for name in valid if name.first <= seq <= name.last]
        if not holding:
            assert seq not in spoken
            continue
        contested = [(valid[name], name.generation, name.last - name.first) for name in holding]
        chosen = spoken[seq]
        assert (valid[chosen], chosen.generation, chosen.last - chosen.first) == max(contested)
    overlapping = {
        one for one in valid for other in valid if one != other and one.first <= other.last and other.first <= one.last
    }
    assert asked == overlapping, "a file that is alone is not read"


def test_a_stray_wide_file_with_wrong_content_does_not_win() -> None:
    stray, right = named(1, 1_000, 9), named(11, 9, 0)
    slices = resolve([stray, right], lambda name: name is right)
    assert slices == [Slice(stray, 1, 10), Slice(right, 11, 20), Slice(stray, 21, 1_001)]


@given(files=FILES, start=st.integers(1, 25), end=st.integers(0, 25))
def test_holes_are_what_nobody_speaks_for(files: list[tuple[int, int, int, bool]], start: int, end: int) -> None:
    slices = resolve([named(*one[:3]) for one in files], lambda name: True)
    spoken = {seq for part in slices for seq in range(part.first, part.last + 1)}
    missing = [seq for first, last in holes(slices, start, end) for seq in range(first, last + 1)]
    assert missing == [seq for seq in range(start, end + 1) if seq not in spoken]
