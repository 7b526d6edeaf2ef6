"""A target that another log has written to: refused, or taken over, and then what this log does not make stays for good."""

import shutil
from pathlib import Path

import pytest
from homeiq.clock import DAY, ManualClock
from homeiq.errors import TargetRefused
from homeiq.replayer.audit import audit
from homeiq.replayer.replay import replay, replay_to_output
from homeiq.replayer.scope import Scope
from homeiq.settings import Settings

from end_to_end.conftest import Server
from end_to_end.logs import START, days, write_log
from end_to_end.recorders import account
from servers.influxdb import Content
from servers.line_protocol import parse


def made_by(settings: Settings, folder: Path) -> Content:
    """Return what a log makes."""
    lines = folder / "lines.lp"
    replay_to_output(settings, str(lines))
    return parse(lines.read_bytes().decode())


def account_and_mark(settings: Settings, records: int) -> None:
    """Let the ledger, and the marker, be where a follower would have left them."""
    account(settings, records)
    replay(settings, Scope(since=START + 900 * DAY))


def test_what_another_log_wrote_stays_when_its_target_is_taken_over(server: Server, tmp_path: Path) -> None:
    """Days that both logs have, of the same entities at other times, and a day that only the other has."""
    settings = {}
    for name, count, seed in (("other", 3, 1), ("this", 2, 2)):
        written = write_log(tmp_path / name, days(count, 300, seed=seed))
        settings[name] = Settings(data_dir=tmp_path / name, influxdb=server.settings)
    replay(settings["other"])
    theirs = server.content()
    with pytest.raises(TargetRefused, match="another log"):
        replay(settings["this"])
    assert server.content() == theirs

    replay(settings["this"], adopt=True)
    ours = made_by(settings["this"], tmp_path)
    assert ours.keys().isdisjoint(theirs)
    assert server.content() == theirs | ours, "nothing of theirs is removed or changed"

    account_and_mark(settings["this"], written)
    found = audit(settings["this"], Scope())
    assert not found.differs
    assert found.foreign == 600, "theirs of the two days that this log has, too"
    with pytest.raises(TargetRefused, match="another log"):
        replay(settings["other"])

    for path in (tmp_path / "this").glob("ledger.sqlite*"):
        path.unlink()
    replay(settings["this"])
    assert server.content() == theirs | ours, "the marker says so, too, where the ledger was lost"


def test_the_newest_points_of_a_log_that_was_restored_from_an_old_copy_stay(server: Server, tmp_path: Path) -> None:
    """The target has seen more of this log than there is: what was lost is there alone."""
    write_log(tmp_path / "data", days(1, 400))
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data", copy)
    write_log(tmp_path / "data", (event for event in days(1, 500, seed=9)))
    whole = Settings(data_dir=tmp_path / "data", influxdb=server.settings)
    replay(whole)
    everything = server.content()
    restored = Settings(data_dir=copy, influxdb=server.settings)
    account_and_mark(whole, 903)
    with pytest.raises(TargetRefused, match="more of this log"):
        replay(restored)
    replay(restored, adopt=True)
    assert server.content() == everything


def test_what_comes_after_the_days_that_were_taken_over_is_kept_in_order(server: Server, tmp_path: Path) -> None:
    """Where nothing of another log can lie, a point that is not wanted goes as ever."""
    write_log(tmp_path / "other", days(1, 50))
    replay(Settings(data_dir=tmp_path / "other", influxdb=server.settings))
    write_log(tmp_path / "this", days(20, 30, seed=2))
    settings = Settings(data_dir=tmp_path / "this", influxdb=server.settings)
    replay(settings, adopt=True, clock=ManualClock(START))
    before = server.content()
    ghost = START * 1000 + 15 * DAY * 1000 + 1
    early = START * 1000 + 1
    lines = [f'home_assistant_events,entity_id=sensor.gone origin="live",value=1 {time}' for time in (early, ghost)]
    assert server.write("\n".join(lines)).status == 204
    replay(settings, clock=ManualClock(START))
    assert {time for _, _, time in server.content().keys() - before.keys()} == {early}
