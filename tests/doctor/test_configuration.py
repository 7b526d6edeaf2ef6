"""Each setting, where its value came from, and no secret of it."""

from pathlib import Path

import pytest
from homeiq.clock import ManualClock
from homeiq.doctor import configuration
from homeiq.doctor.case import Case
from homeiq.doctor.diagnosis import without_settings
from homeiq.doctor.masking import MASK
from homeiq.doctor.provenance import Shown, all_settings
from homeiq.errors import SettingsError
from homeiq.settings import HttpSettings, Settings, load

CONFIG = """\
data_dir: here
home_assistant:
  url: http://home:8123
  token: SECRET-IN-FILE
influxdb:
  url: http://me:SECRET-IN-URL@influx:8086
recording:
  seal_hours: 12
targets:
  second:
    kind: influxdb
    url: http://other:8086
    token: SECRET-OF-TARGET
air_quality:
  provider: airnow
  api_key: SECRET-OF-UTILITY
rules:
  - match: {entity: "sensor.x"}
    set: {unit: "°C"}
"""

SECRETS = ("SECRET-IN-FILE", "SECRET-IN-URL", "SECRET-OF-TARGET", "SECRET-OF-UTILITY", "SECRET-IN-VARIABLE")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME_ASSISTANT_URL", "HOME_ASSISTANT_TOKEN", "INFLUXDB_TOKEN", "INFLUXDB_URL", "HOMEIQ_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "homeiq.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return file


def shown(config: Path, given: bool = False) -> dict[str, Shown]:
    return {one.name: one for one in all_settings(load(config), config, given)}


def test_where_a_value_came_from(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("SECRET-IN-VARIABLE")
    monkeypatch.setenv("INFLUXDB_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("HOMEIQ_RECORDING__GROUP_RECORDS", "7")
    monkeypatch.setenv("HOMEIQ_HTTP__TOKEN", "SECRET-IN-VARIABLE")
    monkeypatch.setenv("HOME_ASSISTANT_URL", "http://elsewhere:8123")
    found = shown(config)
    assert found["home_assistant.url"] == ("home_assistant.url", "http://elsewhere:8123", "HOME_ASSISTANT_URL")
    assert found["home_assistant.token"] == ("home_assistant.token", MASK, "homeiq.yaml")
    assert found["influxdb.token"] == ("influxdb.token", MASK, "INFLUXDB_TOKEN_FILE")
    assert found["recording.group_records"] == ("recording.group_records", "7", "HOMEIQ_RECORDING__GROUP_RECORDS")
    assert found["recording.seal_hours"] == ("recording.seal_hours", "12.0", "homeiq.yaml")
    assert found["recording.seal_records"].place == "default"
    assert found["http.token"] == ("http.token", MASK, "HOMEIQ_HTTP__TOKEN")
    assert found["data_dir"].place == "homeiq.yaml"
    assert shown(config, given=True)["data_dir"].place == "--data-dir"
    assert found["targets.second.url"] == ("targets.second.url", "http://other:8086", "homeiq.yaml")
    assert found["air_quality.provider"].value == "airnow"
    assert found["air_quality.api_key"].value == MASK
    assert found["rules"].value == "1 rule"


def test_no_secret_is_shown(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEIQ_HTTP__TOKEN", "SECRET-IN-VARIABLE")
    settings = load(config)
    result = configuration.check(Case(settings, config, ManualClock()))
    text = str(result)
    assert not [secret for secret in SECRETS if secret in text]
    assert {finding.code for finding in result.findings} == {"settings-read"}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    (section,) = configuration.check(Case(Settings(data_dir=tmp_path), None, ManualClock())).sections
    assert [text for label, text in section.lines if label == "missing"] == section.facts["missing"]
    assert "home_assistant.url" in section.facts["missing"][0]
    assert "influxdb.url" in section.facts["missing"][1]


def test_http_that_others_could_reach(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, http=HttpSettings(host="0.0.0.0"))
    codes = {finding.code for finding in configuration.check(Case(settings, None, ManualClock())).findings}
    assert "http-open" in codes


def test_settings_that_cannot_be_read(config: Path) -> None:
    config.write_text("recording:\n  seal_hour: 3\n")
    with pytest.raises(SettingsError) as caught:
        load(config)
    found = without_settings(caught.value, config)
    assert [finding.code for finding in found.findings] == ["settings-wrong"]
    assert "recording.seal_hour" in found.answer
    assert not found.ok
