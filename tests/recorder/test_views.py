"""What the recorder reads of what others have found out, however these files look."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import SECOND, ManualClock, from_iso
from homeiq.recorder.views import STALE_SECONDS, Views, views_folder

NOON = from_iso("2026-11-24T12:00:00+00:00")
AT = "2026-11-24T12:00:00+00:00"


def put(tmp_path: Path, name: str, content: Any) -> Path:
    folder = views_folder(tmp_path)
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_there_may_be_none(tmp_path: Path) -> None:
    views = Views(tmp_path, ManualClock(NOON))
    views.look()
    assert (views.known, views.ages()) == ({}, {})


def test_a_view_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    views = Views(tmp_path, ManualClock(NOON))
    path = put(tmp_path, "doctor.json", {"at": AT, "answer": "Yes"})
    views.look()
    first = views.known["doctor"]
    views.look()
    assert views.known["doctor"] is first
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps({"at": AT, "answer": "No!"}))
    os.replace(beside, path)
    views.look()
    second = views.known["doctor"]
    assert (second.version > first.version, json.loads(second.content)["answer"]) == (True, "No!")
    path.unlink()
    views.look()
    assert views.known == {}


def test_after_three_minutes_it_is_stale(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    views = Views(tmp_path, clock)
    put(tmp_path, "doctor.json", {"at": AT})
    views.look()
    clock.advance(STALE_SECONDS)
    assert views.ages() == {"doctor": {"age_seconds": 180.0, "stale": False}}
    clock.advance(0.001)
    assert views.ages()["doctor"]["stale"]


def test_a_clock_that_was_put_back_makes_nothing_younger_than_new(tmp_path: Path) -> None:
    views = Views(tmp_path, ManualClock(NOON - 3_600 * SECOND))
    put(tmp_path, "doctor.json", {"at": AT})
    views.look()
    assert views.ages() == {"doctor": {"age_seconds": 0.0, "stale": False}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"{}",
        b'{"at": 5}',
        b'{"at": "yesterday"}',
        b'{"at": null}',
        b'{"at": "0001-01-01T00:00:00"}',
        b"\xff",
    ],
)
def test_what_is_no_view_is_as_if_it_were_missing(tmp_path: Path, content: bytes) -> None:
    views = Views(tmp_path, ManualClock(NOON))
    put(tmp_path, "doctor.json", content)
    put(tmp_path, "coverage.json", {"at": AT})
    views.look()
    assert set(views.known) == {"coverage"}


def test_other_names_and_huge_files_are_left_alone(tmp_path: Path) -> None:
    views = Views(tmp_path, ManualClock(NOON))
    for name in ("doctor.json.tmp", "Doctor.json", "x y.json", ".json", "notes.txt"):
        put(tmp_path, name, {"at": AT})
    put(tmp_path, "huge.json", {"at": AT, "x": "x" * 4_000_000})
    (views_folder(tmp_path) / "folder.json").mkdir()
    views.look()
    assert views.known == {}


def test_a_line_break_in_a_file_ends_no_line_of_the_stream(tmp_path: Path) -> None:
    views = Views(tmp_path, ManualClock(NOON))
    put(tmp_path, "doctor.json", b'{\n"at": "2026-11-24T12:00:00Z",\n\n"x": "a\\nb"}')
    views.look()
    assert b"\n" not in views.known["doctor"].content
