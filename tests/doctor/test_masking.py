"""No secret leaves a diagnosis, whoever said it."""

import json
from pathlib import Path

import pytest
from homeiq.doctor.diagnosis import CHECKS, diagnose
from homeiq.doctor.finding import Finding, Result, Section, Table
from homeiq.doctor.masking import MASK, Masking
from homeiq.doctor.report import markdown
from homeiq.settings import load

CONFIG = """\
home_assistant: {url: "http://home:8123", token: SECRET-1-OF-HOME}
influxdb: {url: "http://me:SECRET-2-IN-URL@127.0.0.1:1", token: SECRET-3-OF-INFLUXDB}
targets: {second: {kind: influxdb, url: "http://other", token: SECRET-4-OF-TARGET}}
http: {token: SECRET-5-OF-HTTP}
air_quality: {provider: airnow, api_key: SECRET-6-OF-UTILITY}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME_ASSISTANT_URL", "HOME_ASSISTANT_TOKEN", "INFLUXDB_TOKEN", "INFLUXDB_URL"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "homeiq.yaml"
    file.write_text(CONFIG)
    return file


def test_what_somebody_else_says(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that repeats what it was sent."""
    said = " ".join(word.strip('",}:') for word in CONFIG.split() if "SECRET" in word)
    finding = Finding("source-warning", "wrong", said, (f"curl {said}",))
    section = Section("x", "X", ((said, said),), (Table("t", ("a",), ((said,),)),), {"a": [said], "b": {"c": said}})
    for name in CHECKS:
        monkeypatch.setitem(CHECKS, name, lambda case: Result((finding,), (section,), (said,)))
    found = diagnose(load(config, data_dir=tmp_path / "data"), config)
    text = json.dumps(found.as_json()) + markdown(found) + found.answer + str(found)
    assert "SECRET" not in text
    assert found.answer.count(MASK) == 6


def test_a_real_diagnosis(config: Path, tmp_path: Path) -> None:
    found = diagnose(load(config, data_dir=tmp_path / "data"), config)
    assert "SECRET" not in json.dumps(found.as_json()) + markdown(found) + str(found)


def test_what_is_no_secret_stays(config: Path) -> None:
    masking = Masking(load(config))
    assert (
        masking.text("airnow at http://home:8123/x, me@example.org") == "airnow at http://home:8123/x, me@example.org"
    )
