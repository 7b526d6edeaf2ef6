import json
import logging
import sys
import warnings
from collections.abc import Iterator

import pytest
from homeiq.clock import from_iso
from homeiq.commands import logs, terminal
from homeiq.commands.configuration import load_settings
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is as before when a test is over, and nothing is hidden any more."""
    handlers, level, hook = logging.root.handlers[:], logging.root.level, sys.excepthook
    yield
    logs.set_up_logging(False, "text")
    logging.captureWarnings(False)
    logging.root.handlers[:], sys.excepthook = handlers, hook
    logging.root.setLevel(level)
    logs._secrets.clear()


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_each_line_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up_logging(True, "json")
    logging.getLogger("homeiq.recorder.daemon").warning("the clock jumped by %+.1f s\nand a line", 5.0)
    logging.getLogger("homeiq.x").debug("half a pair \ud800")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("homeiq.y").exception("an error")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    terminal.say("33% verified")
    with pytest.raises(SystemExit):
        terminal.fail("no log in X: name another", 1)
    sys.excepthook(ValueError, ValueError("out"), None)
    first, second, third, warned, progress, failed, escaped = said(capsys)
    assert (first["level"], first["logger"]) == ("warning", "homeiq.recorder.daemon")
    assert first["message"] == "the clock jumped by +5.0 s\nand a line"
    assert first.keys() == {"time", "level", "logger", "message"}
    assert from_iso(first["time"]) > 0
    assert first["time"].endswith("+00:00")
    assert second["level"] == "debug"
    assert third["exception"].endswith("ValueError: why")
    assert "DeprecationWarning: old" in warned["message"]
    assert (progress["level"], progress["message"]) == ("info", "33% verified")
    assert (failed["level"], failed["message"]) == ("error", "no log in X: name another")
    assert (escaped["level"], "ValueError: out" in escaped["exception"]) == ("critical", True)


def test_what_is_started_writes_as_we_do() -> None:
    logs.set_up_logging(False, "text")
    assert logs.log_options() == []
    logs.set_up_logging(False, "json")
    assert logs.log_options() == ["--log-format", "json"]


@pytest.mark.parametrize("form", ["text", "json"])
@given(secret=st.text(min_size=8).filter(lambda text: text not in "(removed)" and "\ud800" not in text))
def test_no_secret_stands_in_a_line(form: logs.LogFormat, secret: str) -> None:
    logs._secrets.clear()
    logs.hide([secret])
    formatter = logs._Json() if form == "json" else logs._Text()
    record = logging.LogRecord("homeiq", logging.INFO, "", 0, "it said %s, and %r", (secret, secret), None)
    line = formatter.format(record).replace("(removed)", "")
    assert secret not in line.partition("it said")[2]


def test_the_settings_say_what_is_secret(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret-key")
    monkeypatch.setenv("HOME_ASSISTANT_TOKEN", "home-assistant-token")
    monkeypatch.setenv("INFLUXDB_TOKEN", "homeiq:influxdb-password")
    monkeypatch.setenv("HOMEIQ_WEATHER__API_KEY", "weather-api-key")
    (tmp_path / "homeiq.yaml").write_text(
        "http: {token: http-token-1}\n"
        "targets: {other: {kind: influxdb, url: 'http://x:1', token: other-target-token}}\n"
        "smart_meter: {provider: shelly, hosts: [10.0.0.5], password: shelly-password}\n"
        "electricity_pricing: {provider: tibber, token: tibber-token}\n"
    )
    logs.set_up_logging(False, "text")
    load_settings(tmp_path / "homeiq.yaml")
    secrets = (
        *("aws-secret-key", "home-assistant-token", "influxdb-password", "weather-api-key", "http-token-1"),
        *("other-target-token", "shelly-password", "tibber-token"),
    )
    for secret in secrets:
        logging.getLogger("homeiq").warning("a server said %s", secret)
        terminal.say(f"a server said {secret}")
    told = capsys.readouterr().err
    assert [secret for secret in secrets if secret in told] == []
    assert told.count("(removed)") == 2 * len(secrets)
