"""A name that nobody knows gets "did you mean", at every level and wherever it stands."""

from pathlib import Path

import pytest
from homeiq.commands.configuration import load_settings
from homeiq.errors import SettingsError
from homeiq.misspelt import nearest

pytestmark = pytest.mark.usefixtures("nothing_set")


def refused() -> str:
    with pytest.raises(SettingsError) as found:
        load_settings()
    assert found.value.exit_code == 2
    return str(found.value)


@pytest.mark.parametrize(
    ("text", "name", "meant"),
    [
        ("recordng: {}", "recordng", "recording"),
        ("datadir: /x", "datadir", "data_dir"),
        ("recording: {grup_seconds: 1}", "recording.grup_seconds", "group_seconds"),
        ("recording: {exclude: {domain: [light]}}", "recording.exclude.domain", "domains"),
        ("replay: {layout_options: {tag: {a: b}}}", "replay.layout_options.tag", "tags"),
        (
            "replay: {layout_options: {component_config: {sensor.a: {ignore_attribute: [a]}}}}",
            "replay.layout_options.component_config.sensor.a.ignore_attribute",
            "ignore_attributes",
        ),
        ("retention: {event_type: {}}", "retention.event_type", "event_types"),
        ("home_assistant: {tokn_file: /x}", "home_assistant.tokn_file", "token_file"),
        ("influxdb: {token_fil: /x}", "influxdb.token_fil", "token_file"),
        ("targets: {second: {ur: a}}", "targets.second.ur", "url"),
        ("targets: {second: {url: 'http://a', tokn_file: a}}", "targets.second.tokn_file", "token_file"),
        ("weather: {api_key_fil: x}", "weather.api_key_fil", "api_key_file"),
        ("smart_meter: {circuts: {a: b}}", "smart_meter.circuts", "circuits"),
        ("wether: {}\nhttp: {}", "wether", "weather"),
    ],
)
def test_in_the_file(text: str, name: str, meant: str) -> None:
    Path("homeiq.yaml").write_text(text)
    assert refused() == f"{name} in {Path.cwd()}/homeiq.yaml is not a setting: did you mean {meant}?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "rules: [{domain: light, dorp: true}]",
            "rule 1 of rules cannot be read: it takes no dorp: did you mean drop?",
        ),
        (
            "rules: [{domain: light, convert: {form: W}}]",
            "rule 1 of rules cannot be read: it takes no convert.form: did you mean from?",
        ),
    ],
)
def test_in_a_rule(text: str, said: str) -> None:
    Path("homeiq.yaml").write_text(text)
    assert refused() == said


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("HOMEIQ_DATADIR", "HOMEIQ_DATA_DIR"),
        ("HOMEIQ_NORMALIZER_DIR", "HOMEIQ_NORMALIZERS_DIR"),
        ("HOMEIQ_RULE", "HOMEIQ_RULES"),
        ("HOMEIQ_RECORDING__GRUP_SECONDS", "HOMEIQ_RECORDING__GROUP_SECONDS"),
        ("HOMEIQ_RECORDNG__GROUP_SECONDS", "HOMEIQ_RECORDING__GROUP_SECONDS"),
        ("HOMEIQ_RECORDING__EXCLUDE__DOMAIN", "HOMEIQ_RECORDING__EXCLUDE__DOMAINS"),
        ("HOMEIQ_HOME_ASSISTANT__TOKN", "HOMEIQ_HOME_ASSISTANT__TOKEN"),
        ("HOMEIQ_HOME_ASSISTANT__TOKEN_FIL", "HOMEIQ_HOME_ASSISTANT__TOKEN_FILE"),
        ("HOMEIQ_TARGETS__SECOND__TOKN", "HOMEIQ_TARGETS__SECOND__TOKEN"),
        ("HOMEIQ_TARGET__SECOND__URL", "HOMEIQ_TARGETS__SECOND__URL"),
        ("HOMEIQ_WEATHER__API_KEY_FIL", "HOMEIQ_WEATHER__API_KEY_FILE"),
        ("HOMEIQ_SMART_METER__CIRCUTS__OVEN", "HOMEIQ_SMART_METER__CIRCUITS"),
        ("HOMEIQ_WEATHR__PROVIDER", "HOMEIQ_WEATHER__PROVIDER"),
    ],
)
def test_in_a_variable(variable: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path.cwd() / "x").write_text("x")
    monkeypatch.setenv(variable, "x")
    assert refused() == f"{variable} is not a setting: did you mean {meant}?"


@pytest.mark.parametrize(
    "variable", ["HOMEIQ_TEST", "HOMEIQ_VERSION", "HOMEIQ_IMAGE", "HOME_ASSISTANT_FOO", "HOMEIQRULE"]
)
def test_variables_of_others_are_let_be(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "x")
    load_settings()


def test_a_variable_may_set_one_key_of_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEIQ_REPLAY__LAYOUT_OPTIONS__TAGS__HOUSE", "mine")
    monkeypatch.setenv("HOMEIQ_RETENTION__EVENT_TYPES__CALL_SERVICE", "30d")
    settings = load_settings()
    assert settings.replay.layout_options.tags == {"house": "mine"}
    assert settings.retention.event_types == {"call_service": 30 * 86_400_000_000}


def test_what_is_like_nothing_gets_a_list() -> None:
    assert nearest("qqq", ["b", "a"]) == "known are a, b"
