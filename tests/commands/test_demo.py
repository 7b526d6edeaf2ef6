"""The questions that a demo ends with can be typed as they stand."""

import os
import sys
from pathlib import Path

import pytest
from homeiq.commands import demo


@pytest.mark.parametrize(
    ("program", "path", "typed"),
    [
        ("here/.venv/bin/homeiq", "here/.venv/bin", ".venv/bin/homeiq"),
        ("there/bin/homeiq", "there/bin", "homeiq"),
        ("there/bin/homeiq", "", "{there}/bin/homeiq"),
        ("there/__main__.py", "", "homeiq"),
    ],
)
def test_how_this_program_is_called_again(
    program: str, path: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = tmp_path / program
    called.parent.mkdir(parents=True)
    called.touch(mode=0o755)
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "argv", [str(called)])
    monkeypatch.setenv("PATH", os.pathsep.join(["/nowhere", str(tmp_path / path)]))
    assert demo._program() == typed.format(there=tmp_path / "there")
