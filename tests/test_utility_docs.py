"""Each connector has its page, which names each of its settings, its providers, and nothing that is none."""

import re
from pathlib import Path

import pytest
import yaml
from homeiq.commands.configuration import load_settings
from homeiq.connectors.base import Poller
from homeiq.connectors.registry import connector_class, connector_names
from homeiq.replayer.normalizers.registry import normalizer_classes

FOLDER = Path(__file__).parent.parent / "docs" / "utilities"


@pytest.mark.parametrize("name", connector_names())
def test_each_setting_is_on_its_page_with_its_default(name: str) -> None:
    kind = connector_class(name)
    assert kind is not None
    assert issubclass(kind, Poller)
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (`.*?) \| (.*?) \|", text, re.MULTILINE))
    named = {key: default for keys, default in rows.items() for key in re.findall(r"`(\w+)`", keys)}
    fields = dict(kind.settings_model.model_fields)
    normalizer = normalizer_classes()[name]
    assert set(named) == {*fields, *normalizer.settings_model.model_fields}
    for key, field in fields.items():
        if isinstance(field.default, int | float):
            assert re.match(rf"{field.default:g}\b", named[key]), key
    for provider in kind.providers():
        assert f"`{provider}`" in text
    for key in {key for keys in kind.required.values() for key in keys}:
        assert f"`{key}`" in text


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.md")), ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for variable in [name for name in os.environ if name.upper().startswith("HOMEIQ_")]:
        monkeypatch.delenv(variable)
    secret = tmp_path / "secret"
    secret.write_text("a-secret\n")
    blocks = re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "homeiq.yaml").write_text(re.sub(r"/run/secrets/\S+", str(secret), block))
        (name,) = load_settings(tmp_path / "homeiq.yaml").sections
        assert path.stem in (name, "README")
        assert yaml.safe_load(block)[name]["provider"]


def test_the_overview_names_all() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[`(\w+)`\]", text, re.MULTILINE) == [
        "weather",
        "air_quality",
        "electricity_pricing",
        "carbon_intensity",
        "smart_meter",
        "calendar",
    ]
    assert set(re.findall(r"\]\((\w+)\.md\)", text)) == set(connector_names())
