"""Layout, its options and how often a state is repeated, as they are set."""

import re
from pathlib import Path

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.errors import SettingsError
from homeiq.layout import LayoutOptions
from homeiq.settings import ReplaySettings, load

COPIED = """
replay:
  layout: home_assistant
  repeat_state_every: 1h
  layout_options:
    default_measurement: state
    tags: {floor: 2}
    tags_attributes: friendly_name
    component_config:
      sensor.power: {override_measurement: Watt, ignore_attributes: icon}
    component_config_glob:
      sensor.*_power: {ignore_attributes: [icon, device_class]}
"""


def replay_in(tmp_path: Path, text: str) -> ReplaySettings:
    """Return the section replay of a file."""
    config = tmp_path / "homeiq.yaml"
    config.write_text(text)
    return load(config).replay


def test_options_can_be_copied_from_home_assistants_configuration(tmp_path: Path) -> None:
    replay = replay_in(tmp_path, COPIED)
    options = replay.layout_options
    assert replay.layout == "home_assistant"
    assert (options.tags, options.tags_attributes) == ({"floor": "2"}, ["friendly_name"])
    assert options.component_config["sensor.power"].ignore_attributes == ["icon"]
    assert options.component_config_glob["sensor.*_power"].override_measurement is None


def test_what_the_docs_show_can_be_set(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "layouts.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert replay_in(tmp_path, first) == ReplaySettings()
    options = replay_in(tmp_path, second).layout_options
    assert options.model_fields_set == set(LayoutOptions.model_fields)


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEIQ_REPLAY__REPEAT_STATE_EVERY", "30min")
    monkeypatch.setenv("HOMEIQ_REPLAY__LAYOUT_OPTIONS", '{"tags_attributes": ["icon"]}')
    replay = replay_in(tmp_path, COPIED)
    assert replay.repeat_state_every == 1_800 * SECOND
    assert replay.layout_options.tags_attributes == ["icon"]


@pytest.mark.parametrize(
    ("text", "every"),
    [("1h", 3_600), ("30min", 1_800), ("30m", 1_800), ("1d", 86_400), ("5min", 300), ("off", None), ("false", None)],
)
def test_an_interval_divides_a_day(tmp_path: Path, text: str, every: int | None) -> None:
    expected = None if every is None else every * SECOND
    assert replay_in(tmp_path, f"replay: {{repeat_state_every: {text}}}").repeat_state_every == expected
    assert expected is None or DAY % expected == 0


@pytest.mark.parametrize("text", ["5h", "2d", "1min", "3600", "1 week", "0h", "-1h", "x", "[]"])
def test_another_interval_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"replay\.repeat_state_every .* cannot be read"):
        replay_in(tmp_path, f"replay: {{repeat_state_every: {text}}}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{tag: {}}", r"replay\.layout_options\.tag in .* is not a setting: did you mean tags\?"),
        ("{measurement_attr: x}", r"replay\.layout_options\.measurement_attr in .* cannot be read"),
        ("{tags: {entity_id: x}}", "entity_id cannot be a tag of another meaning"),
        ("{tags_attributes: [time]}", "time cannot be a tag of another meaning"),
        (
            "{component_config: {light.a: {overide_measurement: x}}}",
            r"component_config\.light\.a\.overide_measurement in .* is not a setting: did you mean override_measurement\?",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, options: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        replay_in(tmp_path, f"replay: {{layout: home_assistant, layout_options: {options}}}")


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"replay\.layout in .* cannot be read"):
        replay_in(tmp_path, "replay: {layout: telegraf}")
