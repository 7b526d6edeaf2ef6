"""Sections of connectors and normalizers: who takes which key, and what nobody takes is refused by name."""

import subprocess
import sys
from pathlib import Path

import pytest
from homeiq.commands.configuration import load_settings
from homeiq.connectors.registry import connector_class, connector_names
from homeiq.errors import SettingsError
from homeiq.settings import load

pytestmark = pytest.mark.usefixtures("nothing_set")


def config(text: str) -> None:
    Path("homeiq.yaml").write_text(text)


def refused() -> str:
    with pytest.raises(SettingsError) as found:
        load_settings()
    assert found.value.exit_code == 2
    assert "\n" not in str(found.value)
    return str(found.value)


def test_a_section_is_handed_out_as_it_was_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    config("weather: {provider: open_meteo, interval_minutes: 5, api_key_file: key}\nempty:\nreplay: {poll_seconds: 2}")
    settings = load()
    assert settings.sections == ["weather"]
    section = {"provider": "open_meteo", "interval_minutes": 5, "api_key": "from-a-file"}
    assert settings.section("weather") == section
    assert settings.section("replay") == settings.section("nothing") == {}
    monkeypatch.setenv("HOMEIQ_WEATHER__INTERVAL_MINUTES", "7")
    monkeypatch.setenv("HOMEIQ_WEATHER__API_KEY", "from-a-variable")
    monkeypatch.setenv("HOMEIQ_WEATHER__PROVIDER", "")
    monkeypatch.setenv("HOMEIQ_CALENDAR__PROVIDER", "home_assistant")
    settings = load()
    assert settings.sections == ["calendar", "weather"]
    assert settings.section("weather") == section | {"interval_minutes": "7", "api_key": "from-a-variable"}
    monkeypatch.setenv("HOMEIQ_WEATHER__API_KEY_FILE", str(tmp_path / "key"))
    assert load().section("weather")["api_key"] == "from-a-variable", "a value wins over a file"
    monkeypatch.delenv("HOMEIQ_WEATHER__API_KEY")
    assert load().section("weather")["api_key"] == "from-a-file"


def test_lists_and_maps_come_from_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    config("smart_meter: {provider: shelly, circuits: {oven: sensor.a}}")
    monkeypatch.setenv("HOMEIQ_SMART_METER__CIRCUITS__DRYER", "sensor.b")
    monkeypatch.setenv("HOMEIQ_SMART_METER__HOSTS", '["a", "b"]')
    assert load().section("smart_meter") == {
        "provider": "shelly",
        "circuits": {"oven": "sensor.a", "dryer": "sensor.b"},
        "hosts": ["a", "b"],
    }
    assert load().section("smart_meter")["circuits"] == {"oven": "sensor.a", "dryer": "sensor.b"}, "again and again"


def test_a_secret_of_a_section_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    config("weather: {provider: openweathermap, api_key: geheim}")
    monkeypatch.setenv("HOMEIQ_AIR_QUALITY__API_KEY", "geheim")
    settings = load_settings()
    assert "geheim" not in f"{settings!r} {settings} {settings.model_dump()} {vars(settings)}"
    config("weather: {provider: openweathermap, api_key: [geheim]}")
    assert "geheim" not in refused()


def test_the_keys_of_connector_and_normalizer_are_known() -> None:
    config(
        "weather: {provider: home_assistant, latitude: 1, longitude: 2}\nelectricity_pricing: {provider: awattar}\n"
        "calendar: {provider: home_assistant, calendars: [calendar.a]}"
    )
    load_settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wether: {provider: x}", "wether in {file} is not a setting: did you mean weather?"),
        ("infludb: {token_file: none}", "infludb in {file} is not a setting: did you mean influxdb?"),
        ("base: {a: 1}", "base in {file} is not a setting: known are air_quality"),
        ("../x: {a: 1}", "../x in {file} is not a setting: known are "),
        ("weather: {providr: x}", "weather.providr in {file} is not a setting: did you mean provider?"),
        ("weather: {qqqq: x}", "weather.qqqq in {file} is not a setting: known are api_key, "),
        ("weather: open_meteo", "weather in {file} must hold settings such as provider: write each"),
        ("weather: [1]", "weather in {file} must hold settings such as provider: write each"),
        (
            "weather: {provider: openmeteo}",
            "weather.provider in {file} cannot be read: input should be 'open_meteo', 'openweathermap' or 'home_assistant'",
        ),
        (
            "weather: {interval_minutes: soon}",
            "weather.interval_minutes in {file} cannot be read: input should be a valid",
        ),
        ("weather: {latitude: 3}", "weather in {file} cannot be read: latitude and longitude go together"),
        ("calendar: {calendars: [sensor.a]}", "calendar.calendars.0 in {file} cannot be read: string should match"),
        ("weather: {url: 'ftp://x'}", "weather.url in {file} cannot be read: must begin with http:// or https://"),
        ("weather: {api_key_file: none}", "weather.api_key_file names none, which cannot be read (No such file"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    config(text)
    assert refused().startswith(said.replace("{file}", str(Path.cwd() / "homeiq.yaml")))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "HOMEIQ_WEATHER__PROVDER",
            "x",
            "HOMEIQ_WEATHER__PROVDER is not a setting: did you mean HOMEIQ_WEATHER__PROVIDER?",
        ),
        (
            "HOMEIQ_WETHER__PROVIDER",
            "x",
            "HOMEIQ_WETHER__PROVIDER is not a setting: did you mean HOMEIQ_WEATHER__PROVIDER?",
        ),
        ("HOMEIQ_WEATHER__PROVIDER", "x", "HOMEIQ_WEATHER__PROVIDER cannot be read: input should be 'open_meteo'"),
        ("HOMEIQ_WEATHER__API_KEY_FILE", "/none", "HOMEIQ_WEATHER__API_KEY_FILE names /none, which cannot be read"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str) -> None:
    monkeypatch.setenv(variable, value)
    assert refused().startswith(said)


def test_commands_refuse_with_exit_code_2() -> None:
    config("weather: {providr: open_meteo}")
    for command in ("record", "run", "replay", "compact"):
        result = subprocess.run([sys.executable, "-m", "homeiq", command], capture_output=True, text=True, check=False)
        assert result.returncode == 2, result.stderr
        assert "weather.providr in" in result.stderr
        assert "Traceback" not in result.stderr


def test_the_check_loads_nothing_heavy() -> None:
    """The recorder makes it, and lives on a Raspberry Pi."""
    config("weather: {provider: open_meteo}")
    script = (
        "import sys; from homeiq.commands.configuration import load_settings; load_settings();"
        "print([name for name in ('pyarrow', 'duckdb', 'influxdb_client', 'aiohttp') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_only_connectors_whose_section_is_there_are_loaded() -> None:
    config("weather: {provider: open_meteo}")
    script = (
        "import sys; from homeiq.commands.configuration import load_settings; load_settings();"
        "print(sorted(name.rpartition('.')[2] for name in sys.modules if name.startswith('homeiq.connectors.')))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "'weather'" in result.stdout
    assert "'calendar'" not in result.stdout


def test_each_connector_is_named_as_its_module() -> None:
    assert connector_names() == [
        "air_quality",
        "calendar",
        "carbon_intensity",
        "electricity_pricing",
        "smart_meter",
        "weather",
    ]
    for name in connector_names():
        kind = connector_class(name)
        assert kind is not None
        assert kind.name == name
        assert kind.__module__ == f"homeiq.connectors.{name}"
    for name in ("base", "registry", "home_assistant", "simulated", "no_such", "a.b", ""):
        assert connector_class(name) is None


# --- rules, and normalizers of a user's own ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: {drop: true}", "rules in {file} cannot be read: input should be a valid list"),
        ("rules: [{drp: true}]", "rule 1 of rules cannot be read: it takes no drp: did you mean drop?"),
        (
            "rules:\n  - {drop: true, domain: light}\n  - {convert: {to: parsec}}",
            "rule 2 of rules cannot be read: convert: 'parsec' is no unit that is known",
        ),
    ],
)
def test_a_rule_that_cannot_be_read_is_named(text: str, said: str) -> None:
    config(text)
    assert refused() == said.replace("{file}", str(Path.cwd() / "homeiq.yaml"))


def test_rules_may_come_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEIQ_RULES", '[{"drop": true, "domain": "light"}]')
    assert load_settings().rules == [{"drop": True, "domain": "light"}]
    monkeypatch.setenv("HOMEIQ_RULES", '[{"drop": true}]')
    assert refused().startswith("rule 1 of rules cannot be read: drop needs an entity")


def test_the_folder_of_normalizers_is_beside_the_file_or_where_it_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings().normalizers_dir is None
    config("")
    assert load_settings().normalizers_dir is None
    (tmp_path / "normalizers").mkdir()
    assert load_settings().normalizers_dir == tmp_path / "normalizers"
    config("normalizers_dir: mine")
    assert load_settings().normalizers_dir == tmp_path / "mine", "relative to the file; it need not be there"
    monkeypatch.setenv("HOMEIQ_NORMALIZERS_DIR", str(tmp_path / "other"))
    assert load_settings().normalizers_dir == tmp_path / "other"


def test_a_section_of_a_users_normalizer_is_known_and_its_file_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "normalizers").mkdir()
    (tmp_path / "normalizers" / "solar.py").write_text("raise SystemExit('it was run')")
    config("solar: {panels: 7}\nrules: [{drop: true, domain: light}]")
    assert load_settings().section("solar") == {"panels": 7}
    (tmp_path / "normalizers" / "weather.py").write_text("")
    config("weather: {provider: open_meteo, panels: 7}")
    load_settings()
    config("weather: {provider: nobody, panels: 7}")
    assert "weather.provider in" in refused()
    config("sollar: {panels: 7}")
    assert refused().startswith("sollar in ")
    config("solar: {panels: 7}\nnormalizers_dir: away")
    load_settings()  # nobody knows whose section it is: the folder is said to be missing where it is needed
    script = (
        "import sys; from homeiq.commands.configuration import load_settings; load_settings();"
        "print([name for name in ('pyarrow', 'duckdb', 'influxdb_client', 'aiohttp') if name in sys.modules])"
    )
    config("solar: {panels: 7}\nrules: [{drop: true, domain: light}]")
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
