"""The diagnosis as a whole: the answer, and that it comes out of any state that a home is in."""

from pathlib import Path

from homeiq.doctor.diagnosis import diagnose
from homeiq.settings import Settings

from end_to_end.logs import days, write_log


def test_a_log_that_nobody_writes_or_follows(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 100))
    found = diagnose(Settings(data_dir=tmp_path / "data"), None)
    assert found.answer.startswith("No: ")
    assert {"recorder-not-running", "follower-not-running"} <= {finding.code for finding in found.findings}
    assert found.as_json()["ok"] is False


def test_nothing_at_all(tmp_path: Path) -> None:
    found = diagnose(Settings(data_dir=tmp_path / "data"), None)
    assert found.answer.startswith("No: nothing was ever recorded")
    assert not (tmp_path / "data").exists(), "a diagnosis makes nothing"
