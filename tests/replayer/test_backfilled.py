"""A state that was heard, snapshot and fetched from the history is one point: the one that was heard."""

import itertools
import json
from pathlib import Path

import pytest
from homeiq.clock import SECOND, to_iso
from homeiq.replayer.replay import replay_to_output
from homeiq.settings import Settings
from homeiq.storage.record import Event

from replayer.making import DAY_0, registries, state, write_log
from servers.line_protocol import parse

TIMES = [DAY_0 + second * SECOND + 184_487 for second in (1, 2, 3)]


def row(time: int, text: str | None) -> Event:
    raw = json.dumps({"s": text, "a": {"friendly_name": "A"}, "lu": time / 1e6})
    return Event(time, time, "home_assistant", "backfill", "state", "sensor.a", text, raw)


def removal(time: int) -> Event:
    data = {"entity_id": "sensor.a", "old_state": {"state": "7"}, "new_state": None}
    raw = json.dumps({"event_type": "state_changed", "data": data, "time_fired": to_iso(time), "context": {"id": "c"}})
    return Event(time, time, "home_assistant", "live", "state_changed", "sensor.a", None, raw)


COPIES = [
    (state("sensor.a", "7", TIMES[0], attributes={"friendly_name": "A"}, old={"state": "6"}), "live"),
    (row(TIMES[0], "7"), "backfill"),
    (state("sensor.a", "7", TIMES[0], "snapshot", attributes={"friendly_name": "A"}), "snapshot"),
]


def projected(folder: Path, *events: Event) -> list[dict[str, object]]:
    folder.mkdir()
    write_log(folder, [*registries(DAY_0), *events])
    replay_to_output(Settings(data_dir=folder), str(folder / "lines"))
    return list(parse((folder / "lines").read_text(encoding="utf-8")).values())


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_whatever_order_they_came(order: tuple[int, ...], tmp_path: Path) -> None:
    for count in (1, 2, 3):
        copies = [COPIES[place] for place in order[:count]]
        (point,) = projected(tmp_path / str(count), *(event for event, _ in copies))
        best = min((name for _, name in copies), key=["live", "backfill", "snapshot"].index)
        assert point["origin"] == best
        assert ("old_state" in point, "context_id" in point) == (best == "live", best != "backfill")
        assert (point["state"], point["friendly_name"]) == ("7", "A")


@pytest.mark.parametrize("order", [1, -1])
def test_a_removal_too(order: int, tmp_path: Path) -> None:
    (point,) = projected(tmp_path / "log", *[removal(TIMES[1]), row(TIMES[1], None)][::order])
    assert (point["origin"], point["removed"], point["old_state"]) == ("live", True, "7")


def test_what_was_missed_is_filled_in_between(tmp_path: Path) -> None:
    missed = [row(time, str(number)) for number, time in enumerate(TIMES)]
    heard = state("sensor.a", "1", TIMES[1], attributes={"friendly_name": "A"})
    points = projected(tmp_path / "log", missed[2], heard, missed[0], missed[1])
    assert [(point["state"], point["origin"]) for point in points] == [
        ("0", "backfill"),
        ("1", "live"),
        ("2", "backfill"),
    ]
