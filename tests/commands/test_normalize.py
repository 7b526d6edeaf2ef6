"""`homeiq normalize test` shows what rules and normalizers make of recorded events, and writes nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from homeiq.cli import cli
from homeiq.clock import DAY, SECOND
from homeiq.storage.record import encode

from replayer.making import DAY_0, numbered, registries, state, write_log
from replayer.test_own_normalizers import SOLAR

Run = Callable[..., Result]

RULES = """
- {map: {"on": 1}, domain: switch}
- {drop: true, entity: "*.gone"}
"""


@pytest.fixture
def run(tmp_path: Path, nothing_set: None) -> Run:
    """Run the command in a folder with a log of two days."""
    days = [
        state(entity, text, DAY_0 + day * DAY + second * SECOND)
        for day in (0, 1)
        for second, (entity, text) in enumerate(
            [("switch.a", "on"), ("switch.a", "off"), ("sensor.gone", "5"), ("sensor.b", "7")], 1
        )
    ]
    write_log(tmp_path / "data", [*registries(DAY_0), *days])
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "solar.py").write_text(SOLAR)
    (tmp_path / "homeiq.yaml").write_text("data_dir: data\n")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["normalize", "test", *arguments])

    return run


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "LOCK"}


def test_it_shows_what_rules_make_before_and_after(run: Run, tmp_path: Path) -> None:
    before = files(tmp_path / "data")
    result = run("rules.yaml", "--since", "2026-11-23")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "record 4 2026-11-23T00:00:01Z from home_assistant: switch.a is 'on'"
    assert lines[1].startswith("  changed home_assistant_events 2026-11-23T00:00:01Z ")
    assert lines[1].endswith(": value: nothing → 1.0")
    assert lines[2].startswith("record 6 ")
    assert lines[3].startswith("  removed home_assistant_events ")
    assert "2 events give no point of their own: a rule of the settings drops it (rules)" in lines
    assert lines[-1] == (
        "of 8 events the normalizer home_assistant makes otherwise 4: 0 new, 2 changed, 2 removed, 4 unchanged points;"
        " nothing was written"
    )
    assert files(tmp_path / "data") == before


def test_today_is_what_the_settings_say(run: Run, tmp_path: Path) -> None:
    (tmp_path / "homeiq.yaml").write_text(f"data_dir: data\nrules:{RULES}")
    assert "makes otherwise 0:" in run("rules.yaml").output
    assert "makes otherwise 0:" in run("homeiq.yaml").output, "a whole homeiq.yaml will do"
    (tmp_path / "none.yaml").write_text("")
    assert "1 new, 1 changed, 0 removed" in run("none.yaml").output


def test_by_default_it_looks_at_the_last_day_of_the_log(run: Run) -> None:
    shown = json.loads(run("rules.yaml", "--json").output)
    assert (shown["events"], shown["differing"]) == (4, 2)
    assert [one["record"]["seq"] for one in shown["examples"]] == [8, 10]
    shown = json.loads(run("rules.yaml", "--json", "--until", "2026-11-24").output)
    assert [one["record"]["seq"] for one in shown["examples"]] == [4, 6]


def test_what_is_shown_can_be_limited(run: Run) -> None:
    shown = json.loads(
        run("rules.yaml", "--json", "--entity", "switch.*", "--limit", "1", "--since", "2026-11-01").output
    )
    assert (shown["events"], shown["differing"], len(shown["examples"])) == (4, 2, 1)
    assert shown["examples"][0]["points"][0]["after"]["value"] == 1.0
    assert "value" not in shown["examples"][0]["points"][0]["before"]


def test_a_normalizer_in_python_that_is_new_and_one_that_is_there(run: Run, tmp_path: Path) -> None:
    result = run("solar.py")
    assert result.exit_code == 0, result.output
    assert "makes otherwise 2: 2 new, 0 changed, 0 removed, 0 unchanged points" in result.output
    assert "new solar 2026-11-24T00:00:04Z of=sensor.b: origin: nothing → 'live'; power: nothing → 7.0" in result.output
    (tmp_path / "normalizers").mkdir()
    (tmp_path / "normalizers" / "solar.py").write_text(SOLAR.replace("power = ", "power = 2 *"))
    result = run("solar.py")
    assert "0 new, 2 changed, 0 removed, 0 unchanged points" in result.output
    assert "power: 14.0 → 7.0" in result.output
    assert "0 new, 0 changed, 0 removed, 2 unchanged" in run("normalizers/solar.py").output


def test_one_that_fails_ends_with_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "solar.py").write_text(SOLAR.replace("domains=", "entities=('switch.a',), domains="))
    result = run("solar.py", "--json")
    assert result.exit_code == 1
    shown = json.loads(result.stdout.splitlines()[-1])
    assert shown["failed"] == 2
    assert shown["traceback"].endswith("could not convert string to float: 'on'")
    assert len(shown["examples"]) == 2, "the rest is shown"
    assert "2 events give no point of their own: the normalizer failed on it" in run("solar.py").output


EVENTS = """\
{"event_type": "state_changed", "data": {"entity_id": "switch.x", "new_state": {"state": "on", "attributes": {}}}}

{"event_type": "state_changed", "entity_id": "sensor.y", "new_state": "5", "old_state": null}
{"event_type": "state_changed", "data": {"entity_id": "sensor.z", "new_state": {"state": "6", "attributes": {}}}}
"""


def test_events_may_come_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text(EVENTS)
    shown = json.loads(run("rules.yaml", "--events", "events.ndjson", "--json").output)
    assert (shown["events"], shown["points"]["changed"], shown["points"]["unchanged"]) == (3, 1, 2)
    assert "1 new" in run("solar.py", "--events", "events.ndjson").output
    records = numbered([*registries(DAY_0), state("switch.x", "on", DAY_0)])
    (tmp_path / "tail.ndjson").write_bytes(b"".join(encode(one.seq, one) for one in records))
    shown = json.loads(run("rules.yaml", "--events", "tail.ndjson", "--json").output)
    assert (shown["events"], shown["points"]["changed"]) == (1, 1)
    assert shown["examples"][0]["record"]["time"] == DAY_0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.yaml"], "there is no file none.yaml: give rules in YAML, or a normalizer in Python"),
        (["notes.txt"], "notes.txt is neither .yaml nor .py"),
        (["odd.yaml"], "odd.yaml cannot be read as YAML"),
        (["wrong.yaml"], "rule 1 of wrong.yaml cannot be read: does one thing: drop, rename, convert or map"),
        (["text.yaml"], "text.yaml cannot be read: it is a list of rules, each with a - before it"),
        (["weather.py"], "the normalizer weather cannot be used (weather.py): its name must be weather"),
        (
            ["broken.py"],
            "the normalizer broken cannot be used (broken.py): line 1: ZeroDivisionError: division by zero",
        ),
        (["rules.yaml", "--events", "none"], "none cannot be read (No such file or directory)"),
        (["rules.yaml", "--events", "notes.txt"], "notes.txt does not hold events"),
        (["rules.yaml", "--events", "torn"], "torn does not hold events (a line's checksum is wrong)"),
        (["rules.yaml", "--since", "soon"], "--since soon is not a time"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(run: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "odd.yaml").write_text("[")
    (tmp_path / "wrong.yaml").write_text("rules: [{domain: light}]")
    (tmp_path / "text.yaml").write_text("text")
    (tmp_path / "weather.py").write_text(SOLAR)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "torn").write_text('{"seq":1}')
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(f"homeiq: {said}")
    assert result.stderr.count("\n") == 1
