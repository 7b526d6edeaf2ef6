"""`homeiq doctor` as a person meets it: exit codes, JSON, a report, a broken configuration, 80 columns, no colour."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from homeiq.cli import cli
from homeiq.commands.doctor import _print
from homeiq.doctor.diagnosis import Diagnosis
from homeiq.doctor.finding import Finding, Section, Table
from homeiq.doctor.report import markdown, remedies

from end_to_end.logs import days, write_log


@pytest.fixture(autouse=True)
def _nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME_ASSISTANT_URL", "HOME_ASSISTANT_TOKEN", "INFLUXDB_URL", "INFLUXDB_TOKEN", "HOMEIQ_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def test_for_a_person(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 50))
    result = run("--data-dir", str(tmp_path / "data"), "doctor")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("No: no recorder runs")
    headings = [line.partition(" ---")[0] for line in lines if " ---" in line]
    assert headings == [
        *("Where points go", "The way of the data", "Each source", "Where the data comes from", "Configuration"),
        *("Figures", "The log and its disk", "What works", "What does not", "What to do"),
    ]
    assert "\x1b" not in result.stdout, "no colour where it is no terminal"
    assert max(len(line) for line in lines if not line.startswith("    ")) <= 80, "but for commands to copy"
    assert "    homeiq run" in lines


def test_as_json(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 50))
    result = run("--data-dir", str(tmp_path / "data"), "doctor", "--json")
    said = json.loads(result.stdout)
    assert (result.exit_code, said["ok"]) == (1, False)
    assert said["configuration"]["settings"][0] == {
        "name": "data_dir",
        "value": str(tmp_path / "data"),
        "from": "--data-dir",
    }


def test_a_report(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 50))
    result = run("--data-dir", str(tmp_path / "data"), "doctor", "--report", "report.md")
    assert (result.exit_code, result.stdout) == (1, "")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# homeiq doctor\n\n**No: no recorder runs: nothing is recorded")
    assert "```sh\nhomeiq run\n```" in text
    refused = run("--data-dir", str(tmp_path / "data"), "doctor", "--report", "report.md/within")
    assert refused.exit_code == 2
    assert "--report report.md/within cannot be written (" in refused.stderr


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("recording:\n  seal_hour: 3\n", "recording.seal_hour"),
        ("influxdb: [", "line 1"),
        ("home_asistant:\n  url: x\n", "home_asistant"),
        ("influxdb:\n  timeout: soon\n", "influxdb.timeout"),
        ("influxdb:\n  token_file: /no/such/file\n", "influxdb.token_file"),
    ],
)
def test_a_broken_configuration(tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / "homeiq.yaml").write_text(content)
    result = run("doctor", "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 1
    assert said["answer"].startswith("No: ")
    assert named in said["answer"]
    assert [finding["code"] for finding in said["findings"]] == ["settings-wrong"]
    assert named in run("doctor").stdout.replace("\n", " ")


ODD = Diagnosis(
    1_795_000_000_000_000,
    "No: <b>[bold]x[/bold]</b>",
    (
        Finding("source-failing", "wrong", "[red]| a_b *c* `d` <script>", ("do this",)),
        Finding("source-failing", "attention", "the same remedy", ("do this",)),
    ),
    (Section("x", "X", (("a|b", "c\nd"),), (Table("T", ("n", "t"), (("1", "|"), ("-", "[x]"))),)),),
    ("nothing [else]",),
)
"""What a source says is never markup."""


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    _print(ODD)
    said = capsys.readouterr().out
    assert "[bold]x[/bold]" in said
    assert "[red]| a_b *c* `d` <script>" in said
    assert "nothing [else]" in said
    text = markdown(ODD)
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "| a\\|b | c d |" in text


def test_a_remedy_is_named_once() -> None:
    assert [finding.severity for finding, _ in remedies(ODD)] == ["wrong"]
