"""Rules and a normalizer of one's own in homeiq as a user starts it: exit codes, status, and what is said."""

import json
from pathlib import Path

import pytest

from replayer.making import DAY_0, registries, state, write_log
from replayer.test_own_normalizers import SOLAR
from servers.homeiq import Homeiq


@pytest.fixture
def homeiq(tmp_path: Path) -> Homeiq:
    (tmp_path / "normalizers").mkdir()
    texts = ["1", "text", "2"]
    write_log(
        tmp_path / "data",
        [*registries(DAY_0), *(state("sensor.a", text, DAY_0 + n * 1_000_000) for n, text in enumerate(texts))],
    )
    return Homeiq(tmp_path)


def test_a_rebuild_counts_what_fails_and_fails_at_the_end(homeiq: Homeiq) -> None:
    (homeiq.folder / "normalizers" / "solar.py").write_text(SOLAR)
    (homeiq.folder / "homeiq.yaml").write_text("rules: [{map: {text: 7}, domain: sensor}]")
    result = homeiq.run("replay", check=False)
    assert result.returncode == 1
    assert "normalizers failed on 1 event, set aside: homeiq status tells which and why" in result.stderr
    assert (
        "failed on record 5, which is set aside: ValueError: could not convert string to float: 'text'" in result.stderr
    )
    assert f'("{homeiq.folder}/normalizers/solar.py", line 14)' in result.stderr
    rows = json.loads(homeiq.run("sql", "--json", "SELECT fields FROM points ORDER BY measurement, time").stdout)
    fields = [json.loads(row["fields"]) if isinstance(row["fields"], str) else row["fields"] for row in rows]
    assert [one["value"] for one in fields if "value" in one] == [1.0, 7.0, 2.0]
    assert [one["power"] for one in fields if "power" in one] == [1.0, 2.0], "everything else is done"
    said = homeiq.run("status").stdout
    assert "failed: the normalizer solar on 1 event, such as record 5: ValueError: could not convert" in said
    (target,) = json.loads(homeiq.run("status", "--json").stdout)["targets"]
    assert target["failing"][0]["traceback"].startswith("Traceback (most recent call last):")


def test_a_broken_file_is_one_sentence(homeiq: Homeiq) -> None:
    (homeiq.folder / "normalizers" / "solar.py").write_text("x = 1 / 0")
    (homeiq.folder / "homeiq.yaml").write_text("solar: {panels: 7}")
    result = homeiq.run("replay", check=False)
    assert result.returncode == 1
    assert result.stderr.count("the normalizer solar cannot be used") == 1
    assert "Traceback" not in result.stderr
    assert "3 events gave 3 points" in result.stdout
    said = homeiq.run("status").stdout
    assert "problem    the normalizer solar cannot be used" in said
    assert "line 1: ZeroDivisionError: division by zero" in said


def test_a_wrong_rule_is_wrong_configuration(homeiq: Homeiq) -> None:
    (homeiq.folder / "homeiq.yaml").write_text("rules: [{convert: {to: parsec}}]")
    for command in ("replay", "record", "status"):
        result = homeiq.run(command, check=False)
        assert result.returncode == 2
        assert result.stderr == ("homeiq: rule 1 of rules cannot be read: convert: 'parsec' is no unit that is known\n")
