"""README and docs say what is true: every command, setting and view is there, and nothing else."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from homeiq.cli import cli
from homeiq.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_each_command_is_in_the_readme() -> None:
    named = set(re.findall(r"^\| `homeiq ([a-z-]+)", README, re.MULTILINE))
    assert named == set(cli.commands)


def test_each_setting_is_in_the_readme_with_its_default() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    shown = yaml.safe_load(block)
    assert set(shown) == set(Settings.model_fields)
    for section, field in Settings.model_fields.items():
        model = field.annotation
        if not hasattr(model, "model_fields"):
            continue
        names = {name.removesuffix("_file") for name in shown[section]}
        assert names == set(model.model_fields)
        for name, setting in model.model_fields.items():
            if isinstance(setting.default, int | float) and not isinstance(setting.default, bool):
                assert shown[section][name] == setting.default, name


def test_the_example_is_valid(tmp_path: Path) -> None:
    from homeiq.settings import load

    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    for name in ("home-assistant-token", "influxdb-token", "homeiq-token"):
        (tmp_path / name).write_text("secret\n")
        block = block.replace(f"/run/secrets/{name}", str(tmp_path / name))
    (tmp_path / "homeiq.yaml").write_text(block)
    settings = load(tmp_path / "homeiq.yaml")
    assert settings.home_assistant.token.get_secret_value() == "secret"


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_help_says_what_each_option_does(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert max(len(line) for line in result.output.splitlines()) <= 100
    for parameter in cli.commands[command].params:
        if getattr(parameter, "help", None) is None and not getattr(parameter, "hidden", False):
            assert parameter.param_type_name == "argument", f"{command} {parameter.name} has no help"


@pytest.mark.parametrize(
    "path", ["README.md", "CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
)
def test_files_that_docs_name_exist(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    for name in re.findall(
        r"`((?:docs|tests|storage|recorder|replayer|connectors|commands|packaging)/[\w./-]*)`", text
    ):
        assert (ROOT / name).exists(), f"{path} names {name}"
