import contextlib
from pathlib import Path

import pytest
from homeiq.commands.configuration import load_settings
from homeiq.errors import SettingsError
from homeiq.settings import Settings, find_config, load
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("nothing_set")


def config(text: str | bytes) -> Path:
    file = Path.cwd() / "homeiq.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refused(file: Path | None = None) -> str:
    """Return the one sentence that the settings are refused with."""
    with pytest.raises(SettingsError) as found:
        load_settings(file)
    assert found.value.exit_code == 2
    assert "\n" not in str(found.value)
    assert "Traceback" not in str(found.value)
    return str(found.value)


def test_without_anything_there_are_defaults(tmp_path: Path) -> None:
    loaded = load()
    assert loaded.data_dir == tmp_path / "data" / "homeiq"
    assert loaded.influxdb.bucket == "home_assistant_events"
    assert not loaded.home_assistant.configured
    assert loaded.home_assistant.missing() == (
        "Home Assistant is not configured: set home_assistant.url in homeiq.yaml, or HOME_ASSISTANT_URL"
    )


def test_precedence_is_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    config("influxdb: {url: 'http://file', org: file, bucket: file, token: file}")
    monkeypatch.setenv("HOMEIQ_INFLUXDB__URL", "http://section")
    monkeypatch.setenv("HOMEIQ_INFLUXDB__ORG", "section")
    monkeypatch.setenv("INFLUXDB_URL", "http://name")
    found = load().influxdb
    assert (found.url, found.org, found.bucket) == ("http://name", "section", "file")
    assert found.token.get_secret_value() == "file"
    assert load().recording.group_seconds == 1.0


@pytest.mark.parametrize(
    ("name", "section", "key", "value"),
    [
        ("HOME_ASSISTANT_URL", "home_assistant", "url", "http://h:8123"),
        ("HOME_ASSISTANT_TOKEN", "home_assistant", "token", "secret"),
        ("INFLUXDB_URL", "influxdb", "url", "https://i"),
        ("INFLUXDB_TOKEN", "influxdb", "token", "secret"),
        ("INFLUXDB_ORG", "influxdb", "org", "o"),
        ("INFLUXDB_BUCKET", "influxdb", "bucket", "b"),
    ],
)
def test_each_name_of_homeiq_is_honoured_also_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, section: str, key: str, value: str
) -> None:
    def found() -> str:
        content = getattr(getattr(load(), section), key)
        return content.get_secret_value() if key == "token" else content  # type: ignore[no-any-return]

    (tmp_path / "secret").write_text(f"{value}\n")
    for variable in (name, f"{name}_FILE", f"HOMEIQ_{section}__{key}".upper(), f"HOMEIQ_{section}__{key}_FILE".upper()):
        with monkeypatch.context() as patch:
            patch.setenv(variable, str(tmp_path / "secret") if variable.endswith("_FILE") else value)
            assert found() == value, variable
    config(f"{section}: {{{key}_file: {tmp_path / 'secret'}}}")
    assert found() == value
    monkeypatch.setenv(name, "")
    monkeypatch.setenv(f"HOMEIQ_{section}__{key}".upper(), "")
    assert found() == value, "an empty variable says nothing"


def test_a_secret_is_not_shown() -> None:
    config("home_assistant: {url: 'http://h', token: geheim}")
    assert "geheim" not in repr(load())
    config("home_assistant: {url: 'http://h', token: geheim, tokn: geheim}")
    assert "geheim" not in refused()


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_ASSISTANT_TOKEN_FILE", "/none")
    assert refused() == (
        "HOME_ASSISTANT_TOKEN_FILE names /none, which cannot be read (No such file or directory): check the path,"
        " and that homeiq may read the file"
    )
    monkeypatch.delenv("HOME_ASSISTANT_TOKEN_FILE")
    Path("binary").write_bytes(b"\xff")
    config("influxdb: {token_file: binary}")
    assert refused().startswith("influxdb.token_file names binary, which cannot be read (not text): check the path")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("influxdb: {burl: x}", "influxdb.burl in .*homeiq.yaml is not a setting: did you mean url?"),
        ("infludb: {url: x}", "infludb in .*homeiq.yaml is not a setting: did you mean influxdb?"),
        ("zzz: 1", "zzz in .* is not a setting: known are air_quality, "),
        ("1: 2", "1 in .* is not a setting"),
        (
            "recording: {group_seconds: soon}",
            "recording.group_seconds in .* cannot be read: input should be a valid number",
        ),
        (
            "recording: {group_seconds: 0}",
            "recording.group_seconds in .* cannot be read: input should be greater than 0",
        ),
        ("recording: [1]", "recording in .* cannot be read"),
        ("influxdb: {url: 'ftp://x'}", "influxdb.url in .* cannot be read: must begin with http:// or https://"),
        ("influxdb: {token: 5}", "influxdb.token in .* cannot be read"),
        ("data_dir: [a]", "data_dir in .* cannot be read"),
        ("a: b: c", "homeiq.yaml, line 1 is not YAML"),
        ("\t- a", "homeiq.yaml, line 1 is not YAML"),
        ("data_dir: 2026-99-99", "is not YAML"),
        (b"data_dir: \xff", "is not YAML"),
        ("recording: {include: {domain: x}}", "recording.include.domain in .* is not a setting: did you mean domains?"),
        ("recording: {include: {event_types: x}}", "recording.include.event_types in .* is not a setting"),
        (
            "replay: {exclude: {entities: 'light.*'}}",
            "replay.exclude.entities in .* cannot be read: 'light.*' is not an entity such as light.kitchen",
        ),
        ("replay: {exclude: []}", "replay.exclude in .* cannot be read"),
        ("just text", "must hold sections"),
        ("- a", "must hold sections"),
    ],
)
def test_a_wrong_file_is_one_sentence(text: str | bytes, said: str) -> None:
    import re

    config(text)
    assert re.search(said.replace("?", r"\?") if said.endswith("?") else said, refused())


@given(text=st.text(max_size=60) | st.text("{}[]:,-#&*!|>'\"% \nab0._", max_size=30))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_makes_a_traceback(text: str) -> None:
    config(text.encode("utf-8", "replace"))
    with contextlib.suppress(SettingsError):
        load()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "HOMEIQ_INFLUXDB__BUKET",
            "x",
            "HOMEIQ_INFLUXDB__BUKET is not a setting: did you mean HOMEIQ_INFLUXDB__BUCKET?",
        ),
        ("HOMEIQ_NONE__AT_ALL_FILE", "x", "HOMEIQ_NONE__AT_ALL_FILE is not a setting"),
        ("HOMEIQ_RECORDING__GROUP_RECORDS", "many", "HOMEIQ_RECORDING__GROUP_RECORDS cannot be read"),
        ("HOMEIQ_RECORDING", "many", "HOMEIQ_RECORDING|recording"),
        ("HOMEIQ_RECORDING__EXCLUDE__DOMAIN", "[]", "not a setting: did you mean HOMEIQ_RECORDING__EXCLUDE__DOMAINS?"),
        ("HOMEIQ_RECORDING__EXCLUDE__DOMAINS", "['a']", "."),
        ("HOMEIQ_RECORDING", "[1]", "HOMEIQ_RECORDING cannot be read"),
    ],
)
def test_a_wrong_variable_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    import re

    monkeypatch.setenv(variable, value)
    assert re.search(said.replace("?", r"\?"), refused())


def test_a_file_that_is_not_there_is_said() -> None:
    assert refused(Path("none.yaml")) == "none.yaml cannot be read (No such file or directory): check --config"
    assert "cannot be read (Is a directory)" in refused(Path.cwd())


@pytest.mark.parametrize("text", ["", "# nothing", "influxdb:\n", "influxdb: {}\nrecording:\n  # all by default\n"])
def test_an_empty_file_or_section_says_nothing(text: str) -> None:
    config(text)
    assert load().influxdb == Settings().influxdb
    assert load().recording == Settings().recording


@pytest.mark.parametrize(
    ("given_", "url"),
    [
        (" http://h:8123/ ", "http://h:8123"),
        ("ws://h:8123/api/websocket", "http://h:8123"),
        ("wss://h/api/websocket/", "https://h"),
        ("https://h/base", "https://h/base"),
        ("", ""),
    ],
)
def test_addresses_are_taken_as_people_write_them(given_: str, url: str) -> None:
    config(f"home_assistant: {{url: '{given_}', token: t}}")
    assert load().home_assistant.url == url
    assert load().home_assistant.configured == bool(url)


def test_the_data_folder_is_where_it_was_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config" / "homeiq").mkdir(parents=True)
    file = tmp_path / "config" / "homeiq" / "homeiq.yaml"
    file.write_text("data_dir: here")
    assert find_config() == file
    assert load().data_dir == file.parent / "here", "beside the file that says so"
    config("data_dir: nearer")
    assert find_config() == tmp_path / "homeiq.yaml"
    assert load().data_dir == tmp_path / "nearer"
    monkeypatch.setenv("HOMEIQ_DATA_DIR", "there")
    assert load().data_dir == tmp_path / "there"
    assert load(data_dir=Path("first")).data_dir == tmp_path / "first"
    monkeypatch.setenv("HOMEIQ_DATA_DIR", "~/homeiq")
    assert load().data_dir == Path.home() / "homeiq"


def test_names_may_be_a_list_or_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(config("http: {allowed_hosts: [a, b]}")).http.allowed_hosts == ("a", "b")
    assert load(config("http: {allowed_hosts: 'a, b'}")).http.allowed_hosts == ("a", "b")
    monkeypatch.setenv("HOMEIQ_HTTP__ALLOWED_HOSTS", "c,d")
    assert load().http.allowed_hosts == ("c", "d")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert load(config(f"http: {{host: '{host}'}}")).http.wrong() == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "localhost.example", "127.0.0.1.example"])
def test_others_need_one(host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = config(f"http: {{host: '{host}'}}")
    assert "set http.token, or HOMEIQ_HTTP__TOKEN" in load(file).http.wrong()
    (tmp_path / "token").write_text("door\n")
    monkeypatch.setenv("HOMEIQ_HTTP__TOKEN_FILE", str(tmp_path / "token"))
    found = load(file).http
    assert (found.wrong(), found.token.get_secret_value()) == ("", "door")
    assert "door" not in repr(found)
    monkeypatch.delenv("HOMEIQ_HTTP__TOKEN_FILE")
    monkeypatch.setenv("HOMEIQ_HTTP__ENABLED", "false")
    assert load(file).http.wrong() == ""


def test_a_choice_is_taken_in_the_syntax_of_home_assistant(monkeypatch: pytest.MonkeyPatch) -> None:
    config(
        """
recording:
  include:
    domains: [light]
  exclude:
    domains:
      - camera
    entities: light.A, light.b
    entity_globs: sensor.*_uptime
    event_types:
replay:
  include:
"""
    )
    recording = load().recording
    assert recording.choice().facts() == {
        "include": {"domains": ["light"]},
        "exclude": {"domains": ["camera"], "entities": ["light.a", "light.b"], "entity_globs": ["sensor.*_uptime"]},
    }
    assert load().replay.choice().everything
    monkeypatch.setenv("HOMEIQ_REPLAY__EXCLUDE__DOMAINS", '["camera"]')
    monkeypatch.setenv("HOMEIQ_RECORDING__INCLUDE", '{"domains": ["sensor"]}')
    assert load().replay.choice().facts()["exclude"] == {"domains": ["camera"]}
    assert load().recording.choice().facts()["include"] == {"domains": ["sensor"]}
