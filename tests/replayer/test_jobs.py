"""Workers: the same points as this process makes, whatever the number of processes."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import SECOND
from homeiq.errors import HomeiqError, Stopped
from homeiq.replayer import jobs as working
from homeiq.replayer.jobs import Maker, Worker, Workers, usual_jobs
from homeiq.replayer.normalizers.base import Normalizer
from homeiq.replayer.normalizers.registry import normalizers_of
from homeiq.replayer.replay import replay, replay_to_output
from homeiq.replayer.windows import Counts, home_of, windows_between
from homeiq.settings import Settings
from homeiq.storage.reader import LogReader
from homeiq.storage.view import LogView

from replayer.making import DAY_0, config, registries, state, write_log

HOUR = 3_600 * SECOND
NAMES = "abc"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A log of two days in which one record cannot be read."""
    events = [state(f"sensor.{name}", str(n), DAY_0 + n * HOUR) for name in NAMES for n in range(48)]
    broken = replace(state("sensor.a", "1", DAY_0 + HOUR // 2), raw="{")
    write_log(tmp_path, [*registries(DAY_0), config(DAY_0, "Europe/Berlin"), *events, broken])
    return Settings(data_dir=tmp_path)


def with_jobs(settings: Settings, jobs: int) -> Settings:
    return settings.model_copy(update={"replay": settings.replay.model_copy(update={"jobs": jobs})})


def points_files(data_dir: Path) -> dict[str, bytes]:
    folder = data_dir / "points"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def test_output_is_the_same_byte_for_byte_with_any_number_of_jobs(settings: Settings, tmp_path: Path) -> None:
    written = []
    for jobs in (0, 1, 3):
        output = tmp_path / f"{jobs}.lp"
        done = replay_to_output(with_jobs(settings, jobs), str(output))
        written.append((output.read_bytes(), done.counts))
    assert written[0] == written[1] == written[2]
    assert written[0][0].count(b"\n") >= 48 * len(NAMES)
    assert sum(written[0][1].reasons.values()) > 0


def test_a_target_gets_the_same_with_any_number_of_jobs(settings: Settings) -> None:
    found: list[Any] = []
    for jobs in (0, 2):
        done = replay(with_jobs(settings, jobs))
        rows = {name: len(content) for name, content in points_files(settings.data_dir).items()}
        found.append((done.windows_done, done.windows, done.counts, [name.rpartition("/")[0] for name in rows]))
    assert found[0] == found[1]
    assert found[0][0] == found[0][1] > 1


def parts(settings: Settings) -> tuple[LogView, list[Normalizer]]:
    return LogView(settings.data_dir), list(normalizers_of(settings))


def made(maker: Maker, settings: Settings) -> int:
    view, normalizers = parts(settings)
    normalizer = next(one for one in normalizers if one.name == "home_assistant")
    home, counts = home_of(view, normalizers), Counts()
    for window in windows_between(view, normalizer, None, None):
        for _ in maker.points(view, normalizer, home, (window.start, window.end), counts, lines=True):
            pass
    return counts.points


def test_a_worker_that_is_killed_is_said(settings: Settings) -> None:
    with Workers(1, settings, parts(settings)[1], 1) as workers:
        (worker,) = workers.makers
        assert isinstance(worker, Worker)
        assert made(worker, settings) == 48 * len(NAMES)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(Stopped, match="a process that made points ended"):
            made(worker, settings)


def test_a_normalizer_that_is_another_in_the_worker_is_noticed(settings: Settings) -> None:
    normalizers = parts(settings)[1]
    normalizers[0].source = "what stood in a user's file a moment ago"
    with Workers(1, settings, normalizers, 1) as workers, pytest.raises(HomeiqError, match="was changed while"):
        made(workers.makers[0], settings)


def test_few_records_need_no_worker() -> None:
    assert usual_jobs(100) == 0
    assert 0 <= usual_jobs(10**9) <= 4


class Answers:
    """The end of a pipe to whoever asked."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, answer: Any) -> None:
        self.sent.append(answer)


@pytest.mark.parametrize("what", ["changed", "expired"])
def test_a_worker_that_is_overtaken_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    texts = {one.name: one.source for one in normalizers_of(settings)}
    if what == "changed":
        texts["home_assistant"] = "another text"
    monkeypatch.setattr(working, "is_frozen", lambda *_: True)
    answers: Any = Answers()
    end = LogReader(settings.data_dir).end()
    working._Work(settings, texts).do(working._Task("home_assistant", DAY_0, DAY_0 + HOUR, end, lines=False), answers)
    (answer,) = answers.sent
    expected = {
        "changed": "a normalizer was changed while a replay began: run it again",
        "expired": "records of a window expired while it was replayed: run it again",
    }
    assert str(answer.error) == expected[what]
