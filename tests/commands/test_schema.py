"""The JSON schema of homeiq.yaml is the committed one, describes each setting, and agrees with what reads the file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from homeiq.commands.schema import schema
from homeiq.connectors.registry import connector_names
from homeiq.settings import Settings
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parent.parent.parent
VALIDATOR = Draft202012Validator(schema())


def wrong(text: str) -> list[str]:
    """Return the places that are wrong by the schema."""
    return [error.json_path for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def settings_in(content: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all settings in a schema, with their paths."""
    if isinstance(content, dict):
        for name, setting in content.get("properties", {}).items():
            yield f"{path}.{name}", setting
        for name, part in content.items():
            yield from settings_in(part, path if name in ("properties", "anyOf") else f"{path}.{name}")
    elif isinstance(content, list):
        for part in content:
            yield from settings_in(part, path)


def test_it_is_a_schema_and_the_committed_one() -> None:
    Draft202012Validator.check_schema(schema())
    committed = json.loads((ROOT / "docs" / "homeiq.schema.json").read_text(encoding="utf-8"))
    assert committed == schema(), "homeiq init --schema > docs/homeiq.schema.json"


def test_each_setting_is_described() -> None:
    found = list(settings_in(schema()))
    assert len(found) > 120
    assert [path for path, setting in found if not setting.get("description")] == []
    assert {*Settings.model_fields, *connector_names()} == set(schema()["properties"])


@pytest.mark.parametrize(
    "path", ["README.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]
)
def test_each_example_is_right(path: str) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / path).read_text(encoding="utf-8"), re.DOTALL):
        content = yaml.safe_load(block)
        if isinstance(content, dict) and set(content) <= set(schema()["properties"]):
            assert wrong(block) == [], block


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("wether: {}", "$"),
        ("weather: {providr: open_meteo}", "$.weather"),
        ("weather: {provider: openmeteo}", "$.weather"),
        ("weather: {interval_minutes: soon}", "$.weather"),
        ("recording: {exclude: {domain: light}}", "$.recording"),
        ("targets: {second: {kind: influx}}", "$.targets"),
        ("retention: {age: 400}", "$.retention"),
        ("rules: [{drp: true}]", "$.rules[0]"),
        ("http: {port: 70000}", "$.http"),
        ("influxdb: {url: [a]}", "$.influxdb"),
    ],
)
def test_what_is_wrong_is_wrong_by_the_schema_too(text: str, place: str) -> None:
    assert any(found.startswith(place) for found in wrong(text))


@pytest.mark.parametrize(
    "text",
    [
        "home_assistant: {url: 'http://a:8123', token_file: /run/secrets/a}",
        "weather: {provider: openweathermap, api_key_file: /run/secrets/b}",
        "targets: {second: {url: 'http://b:8086', token_file: /run/secrets/c}}",
        "recording: {exclude: {domains: light, entity_globs: ['sensor.*']}, include: }",
        "replay: {repeat_state_every: 1h, jobs: }",
        "retention: {age: 2y, event_types: {call_service: 30d, state_changed: false}, total_size: 20GB}",
        "smart_meter: {provider: home_assistant, total: sensor.a, circuits: {oven: sensor.b, dryer: [sensor.c, sensor.d]}}",
        "carbon_intensity: {provider: uk, region: 13}",
        "http:",
        "rules: [{domain: light, attribute: [brightness], drop: true}, {entity: sensor.a, convert: {from: °F, to: °C}}]",
    ],
)
def test_what_can_be_read_is_right_by_the_schema_too(text: str) -> None:
    assert wrong(text) == []
