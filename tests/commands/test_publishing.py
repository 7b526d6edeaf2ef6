"""The views that the follower publishes: replaced as a whole, by the one who knows, and never at its cost."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import SystemClock
from homeiq.commands.publishing import Publisher, view_of_target
from homeiq.commands.record import follower_environment
from homeiq.recorder.views import Views
from homeiq.replayer.replay import follow
from homeiq.settings import Settings
from homeiq.storage.log import EventLog

from end_to_end.logs import days, write_log
from servers.homeiq import wait_for


def settings(data_dir: Path, **more: Any) -> Settings:
    return Settings.model_validate({"data_dir": data_dir, **more})


@contextmanager
def following(made: Settings, target: str = "") -> Iterator[Views]:
    """Follow a log and publish, as `homeiq replay --follow` does."""
    stop = threading.Event()
    views = Views(made.data_dir, SystemClock())
    with Publisher(made, None, target, SystemClock()) as publisher:
        thread = threading.Thread(target=follow, args=(made, stop), kwargs={"to": target, "begun": publisher.begin})
        thread.start()
        try:
            yield views
        finally:
            stop.set()
            thread.join()


def view(views: Views, name: str) -> dict[str, Any]:
    views.look()
    return json.loads(views.known[name].content) if name in views.known else {}


def test_progress_coverage_and_the_diagnosis(tmp_path: Path) -> None:
    count = write_log(tmp_path, days(2, 40))
    with following(settings(tmp_path)) as views:
        wait_for("the end", lambda: view(views, "target-embedded").get("position") == count)
        wait_for("points", lambda: view(views, "target-embedded")["written"] > 0)
        progress = view(views, "target-embedded")
        assert progress["title"].startswith("the embedded target")
        assert (progress["stale"], progress["refused"], progress["problem"], progress["failing"]) == ([], 0, "", [])
        assert sum(progress["windows"].values()) >= 2
        wait_for("the coverage", lambda: view(views, "coverage"))
        wait_for("the diagnosis", lambda: view(views, "doctor"))
        assert view(views, "doctor")["answer"].split(":")[0] in ("Yes", "No")
        before = view(views, "target-embedded")["at"]
        wait_for("the next second", lambda: view(views, "target-embedded")["at"] > before)


def test_the_second_target_tells_of_itself_alone(tmp_path: Path) -> None:
    write_log(tmp_path, days(1, 10))
    lines = {"kind": "line_protocol", "path": str(tmp_path / "lines")}
    made = settings(tmp_path, targets={"Second one": lines})
    name = view_of_target("Second one")
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "target-gone.json").write_text('{"at": "2026-11-24T00:00:00Z"}')
    with following(made, "Second one") as views:
        wait_for("its progress", lambda: view(views, name).get("written"))
        assert set(views.known) == {name, "target-gone"}
    with following(made) as views:
        wait_for("the first one's", lambda: view(views, "target-embedded"))
        wait_for("what is left of a target that is gone to go", lambda: view(views, "target-gone") == {})
        assert view(views, name), "the other's stays"


def test_a_follower_frees_memory_for_all_its_threads_unless_somebody_says_otherwise() -> None:
    assert follower_environment({"A": "b"})["MALLOC_ARENA_MAX"] == "2"
    assert follower_environment({"MALLOC_ARENA_MAX": "9", "A": "b"})["MALLOC_ARENA_MAX"] == "9"


def test_names_of_targets_become_names_of_files() -> None:
    assert view_of_target("influxdb") == "target-influxdb"
    names = ["Second one", "second-one", "../../x", "x" * 200, "é"]
    found = {view_of_target(name) for name in names}
    assert len(found) == len(names)
    assert all(name.isascii() and name.replace("-", "").isalnum() and len(name) < 80 for name in found)


def test_what_fails_is_said_once_and_following_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = write_log(tmp_path, days(1, 10))
    (tmp_path / "views").write_text("no folder")
    tries = threading.Semaphore(0)
    publish = Publisher.publish

    def counted(self: Publisher, name: str, make: Any) -> None:
        publish(self, name, make)
        if name.startswith("target"):
            tries.release()

    monkeypatch.setattr(Publisher, "publish", counted)
    with caplog.at_level(logging.WARNING), following(settings(tmp_path)) as views:
        assert tries.acquire(timeout=30)
        assert tries.acquire(timeout=30), "it is tried again"
        assert views.known == {}
    said = [record for record in caplog.records if "target-embedded" in record.getMessage()]
    assert len(said) == 1
    with EventLog(tmp_path) as log:
        assert log.next_seq == count + 1
    from homeiq.storage.sql import query

    table = query(tmp_path, "SELECT count(*) AS n FROM points")
    assert table is not None
    assert table.to_pylist()[0]["n"] > 0
