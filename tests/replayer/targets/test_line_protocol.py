"""Line protocol appears under its name when it is complete, and only then."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from homeiq.errors import TargetRefused
from homeiq.replayer.point import Point, Series
from homeiq.replayer.targets import line_protocol
from homeiq.replayer.targets.line_protocol import LineProtocolTarget

POINT = Point(Series("m", {"t": "ü"}), {"f": "a\nb"}, 7, 1)
LINE = 'm,t=ü f="a\nb" 7\n'.encode()


def test_a_file_appears_when_it_is_closed(tmp_path: Path) -> None:
    target = LineProtocolTarget(str(tmp_path / "out.lp"))
    target.connect(0)
    with target.window(0, 1, "x") as writer:
        writer.write([POINT, POINT])
    assert not (tmp_path / "out.lp").exists()
    target.close()
    target.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out.lp"]
    assert (tmp_path / "out.lp").read_bytes() == LINE * 2


def test_what_is_abandoned_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "out.lp").write_bytes(b"old")
    target = LineProtocolTarget(str(tmp_path / "out.lp"))
    target.connect(0)
    target.write([POINT])
    target.abandon()
    target.abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["out.lp"]
    assert (tmp_path / "out.lp").read_bytes() == b"old"


def test_stdout_gets_bytes_and_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.BytesIO()
    monkeypatch.setattr(line_protocol.sys, "stdout", SimpleNamespace(buffer=stdout))
    target = LineProtocolTarget("-")
    target.connect(0)
    target.write([POINT])
    target.close()
    assert stdout.getvalue() == LINE


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = LineProtocolTarget(str(tmp_path / "missing" / "out.lp"))
    with pytest.raises(TargetRefused, match=r"No such file or directory.: check --output"):
        target.connect(0)
    with pytest.raises(TargetRefused, match="not open"):
        target.write([POINT])
    full = LineProtocolTarget("/dev/full")
    monkeypatch.setattr(LineProtocolTarget, "_beside", staticmethod(lambda path: path))
    full.connect(0)
    with pytest.raises(TargetRefused, match="No space left"):
        full.write([Point(Series("m", {}), {"f": "x" * 100_000}, 1, 1)])
    assert full._file is not None
    full._file.raw.close()
