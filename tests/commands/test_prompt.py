"""The prompt of `homeiq sql`: what is typed, what is answered, and a real terminal once."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from homeiq.commands.prompt import Prompt, history_path, is_complete
from homeiq.errors import LogError, UsageError
from homeiq.storage.log import EventLog
from homeiq.storage.record import Event

EVENT = Event(1, 2, "weather", "live", "poll", None, None, "{}")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with EventLog(tmp_path / "log", purpose="test") as writer:
        writer.append([EVENT])
    return tmp_path / "log"


def typing(*lines: str | type[BaseException]) -> Callable[[str], str]:
    left = list(lines)

    def read(_: str) -> str:
        line = left.pop(0) if left else EOFError
        if isinstance(line, str):
            return line
        raise line

    return read


def answer(log: Path, capsys: pytest.CaptureFixture[str], *lines: str | type[BaseException]) -> tuple[str, str]:
    Prompt(log, "csv", typing(*lines)).run()
    shown = capsys.readouterr()
    return shown.out, shown.err


@pytest.mark.parametrize(
    "text", ["SELECT 1;", "SELECT ';';", "SELECT 1; -- done", "/* ; */ SELECT 1 ; ", "SELECT 'it''s';"]
)
def test_a_statement_ends_with_a_semicolon(text: str) -> None:
    assert is_complete(text)


@pytest.mark.parametrize(
    "text", ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "/* ;", 'SELECT ";', "SELECT $$;", "", "SELECT 'a;\n"]
)
def test_a_semicolon_in_a_text_or_comment_ends_nothing(text: str) -> None:
    assert not is_complete(text)


def test_a_statement_takes_several_lines(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(log, capsys, "", "SELECT 1 AS a,", "  2 AS b", ";")[0] == "a,b\n1,2\n\n"


def test_each_statement_sees_the_log_as_it_is_then(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read = typing("SELECT count(*) AS n FROM weather;", "SELECT count(*) AS n FROM weather;")

    def record_and_read(text: str) -> str:
        with EventLog(log) as writer:
            writer.append([EVENT])
        return read(text)

    Prompt(log, "csv", record_and_read).run()
    assert capsys.readouterr().out == "n\n2\nn\n3\n\n"


def test_what_is_made_at_the_prompt_stays(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = answer(log, capsys, "CREATE TABLE mine AS SELECT seq FROM events;", "SELECT max(seq) AS top FROM mine;")
    assert out.endswith("top\n1\n\n")


def test_an_error_is_said_and_the_prompt_goes_on(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = answer(log, capsys, "SELECT nothing FROM events;", ".what", ".mode xml", "SELECT 1 AS a;")
    assert out == "a\n1\n\n"
    said = [line for line in err.splitlines() if line.startswith("homeiq: ")]
    assert len(said) == 3
    assert "Traceback" not in err


def test_ctrl_c_clears_what_was_typed(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(log, capsys, "SELECT nonsense", KeyboardInterrupt, "SELECT 1 AS a;")[0] == "\na\n1\n\n"


def test_ctrl_d_ends_and_runs_nothing_unfinished(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(log, capsys, "SELECT 1 AS a") == ("\n", "")
    assert answer(log, capsys, ".quit", "SELECT 1;") == ("", "")


def test_tables_and_help(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = answer(log, capsys, ".tables", ".mode json", "SELECT 1 AS a;", ".help")
    names = [line.split(",")[0] for line in out.splitlines()]
    assert {"states", "registry_at(ts)", "weather", "gaps"} <= set(names)
    assert not [name for name in names if name.startswith("homeiq_")]
    assert '[{"a":1}]' in out
    assert ".tables" in out


def test_no_log_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="there is no log"):
        Prompt(tmp_path, "csv", typing())


def test_without_a_terminal_the_first_error_ends_it(log: Path) -> None:
    with pytest.raises(UsageError):
        Prompt(log, "csv", typing("SELECT nothing;", "SELECT 1;"), interactive=False).run()


def homeiq(log: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "homeiq", "--data-dir", str(log), "sql", *arguments]


def test_statements_come_from_a_pipe_too(log: Path, tmp_path: Path) -> None:
    text = "SELECT 1 AS a;\nSELECT count(*) AS n\nFROM events"
    done = subprocess.run(homeiq(log, "--csv"), input=text, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("a\n1\nn\n1\n", "")
    wrong = subprocess.run(homeiq(log), input="SELEC;", capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_the_history_is_in_the_users_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history_path() == tmp_path / "homeiq" / "sql_history"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert history_path() == tmp_path / ".local" / "state" / "homeiq" / "sql_history"


def test_at_a_terminal_statements_are_remembered(log: Path, tmp_path: Path) -> None:
    for typed in (b"SELECT 40 +\r 2 AS a;\r\x04", b"\x1b[A\r\x04"):  # the second time: arrow up, Enter
        here, there = pty.openpty()
        environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "xterm"}
        with subprocess.Popen(
            homeiq(log, "--csv"), stdin=there, stdout=there, stderr=there, env=environment, cwd=tmp_path
        ) as process:
            os.close(there)
            shown = b""
            while b"homeiq> " not in shown:
                shown += os.read(here, 1_000)
            os.write(here, typed)
            try:
                while chunk := os.read(here, 10_000):
                    shown += chunk
            except OSError:  # Linux says so that the other side of the terminal is closed.
                pass
            os.close(here)
            assert process.wait() == 0
        assert b"\r\na\r\n42\r\n" in shown
    history = tmp_path / "state" / "homeiq" / "sql_history"
    assert "SELECT 40 +  2 AS a;" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600
