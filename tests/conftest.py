"""Fixtures for all tests: the real servers.

`home_assistant` and `influxdb` are shared by the whole session, so a test leaves them running and touches only what is
its own: entities with names of its own, and the database that `influx_database` gives it. A test that stops, kills or
configures a server asks a factory for one of its own.

A server that is not installed (`make servers`) skips its tests; where `CI` is set it fails them.
"""

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

import provoked
from servers import chromium as browser
from servers import home_assistant as ha
from servers import influxdb as influx
from servers import versitygw as s3
from servers.chromium import Chromium, Page
from servers.home_assistant import HomeAssistantServer
from servers.influxdb import InfluxDBServer
from servers.versitygw import S3Server

_numbers = itertools.count(1)

provoked.record()

# A machine that is busy with servers is slow at times; that says nothing about a property.
settings.register_profile("homeiq", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("homeiq")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know where pictures and pages for the docs are wanted: `make screenshots`, `make walk`."""
    parser.addoption("--screenshots", metavar="FOLDER", help="write the pictures of the status page there")
    parser.addoption(
        "--walk", metavar="FILE", help="write the log of the newcomer's walk there, its pictures beside it"
    )


@pytest.fixture(scope="session")
def home_assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HomeAssistantServer]:
    """The session's Home Assistant, started."""
    with contextlib.ExitStack() as servers:
        yield _home_assistant(servers, tmp_path_factory.mktemp("home_assistant") / "config")


@pytest.fixture
def home_assistant_factory(tmp_path: Path) -> Iterator[Callable[..., HomeAssistantServer]]:
    """A function that starts a new Home Assistant, with the options of `HomeAssistantServer`."""
    with contextlib.ExitStack() as servers:
        yield lambda **options: _home_assistant(servers, tmp_path / f"home_assistant_{next(_numbers)}", **options)


@pytest.fixture(scope="session")
def influxdb_packages() -> Path:
    """The folder with what Home Assistant's own influxdb integration needs."""
    if not ha.INFLUXDB_PACKAGES.complete:
        _missing(ha.INFLUXDB_PACKAGES.name)
    return ha.INFLUXDB_PACKAGES.folder


@pytest.fixture(scope="session")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDBServer]:
    """The session's InfluxDB, started, without authentication."""
    with contextlib.ExitStack() as servers:
        yield _influxdb(servers, tmp_path_factory.mktemp("influxdb"))


@pytest.fixture
def influxdb_factory(tmp_path: Path) -> Iterator[Callable[..., InfluxDBServer]]:
    """A function that starts a new InfluxDB, with the options of `InfluxDBServer`."""
    with contextlib.ExitStack() as servers:
        yield lambda **options: _influxdb(servers, tmp_path / f"influxdb_{next(_numbers)}", **options)


@pytest.fixture
def influx_database(influxdb: InfluxDBServer) -> Iterator[str]:
    """The name of an empty database of the session's InfluxDB."""
    name = influxdb.create_database(f"test_{next(_numbers)}")
    yield name
    influxdb.drop(name)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The session's S3 server, started."""
    if not s3.INSTALLATION.complete:
        _missing(s3.INSTALLATION.name)
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def s3_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty place in the session's S3 server; the environment has its keys."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret)
    return s3_server.url(s3_server.create_bucket(f"bucket-{next(_numbers)}") + "/home")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The session's browser, started."""
    if not browser.installed():
        _missing(browser.NAME, browser.REMEDY)
    with Chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    """An empty page of the session's browser, as large as a laptop's screen."""
    with chromium.page() as opened:
        opened.size(1180, 900)
        yield opened


@pytest.fixture
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting be there, of the environment or of a file: the present folder is an empty one."""
    for name in list(os.environ):
        if name.upper().startswith(("HOMEIQ_", "HOME_ASSISTANT_", "INFLUXDB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def signals_given_back() -> Iterator[None]:
    """Give the signals back that a command takes."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _home_assistant(servers: contextlib.ExitStack, folder: Path, **options: Any) -> HomeAssistantServer:
    if not ha.INSTALLATION.complete:
        _missing(ha.INSTALLATION.name)
    server = HomeAssistantServer(folder, **options)
    servers.callback(server.kill)  # Nothing of it is needed afterwards, so nobody waits for its orderly stop.
    server.start()
    return server


def _influxdb(servers: contextlib.ExitStack, folder: Path, **options: Any) -> InfluxDBServer:
    if not influx.INSTALLATION.complete:
        _missing(influx.INSTALLATION.name)
    server = InfluxDBServer(folder, **options)
    servers.callback(server.kill)
    server.start()
    return server


def _missing(name: str, remedy: str = "make servers") -> NoReturn:
    message = f"{name} is not installed: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's part of what was provoked to the process that started it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["provoked"] = sorted(provoked.seen)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take a worker's part."""
    provoked.seen.update(getattr(node, "workeroutput", {}).get("provoked", []))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say after a whole run which errors no test has made happen; that is a failure."""
    if hasattr(config, "workerinput") or not _whole(config):
        return
    left = [one for one in provoked.missing(provoked.seen) if one.key not in provoked.NOT_PROVOKED]
    for one in left:
        terminalreporter.line(f"no test makes this error happen: {one.key} ({one.module}:{one.line})", red=True)
    if left:
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _whole(config: pytest.Config) -> bool:
    """Tell whether all tests were asked for, and the servers are there that they need."""
    asked = (
        config.option.keyword or config.option.markexpr or getattr(config.option, "lf", False) or config.option.maxfail
    )
    installed = ha.INSTALLATION.complete and influx.INSTALLATION.complete and s3.INSTALLATION.complete
    return not asked and config.args == config.getini("testpaths") and installed
