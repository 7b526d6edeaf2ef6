"""`homeiq service`, with a service manager that only writes down what it is asked; the service's user is a real one."""

import json
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from homeiq.cli import cli
from homeiq.commands import service
from homeiq.commands.context import Context
from homeiq.commands.service import Places

SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$SYSTEMCTL_LOG"
case "$*" in
  *is-system-running*) cat "$SYSTEMCTL_LOG.state" 2>/dev/null || echo running;;
  *show*) cat "$SYSTEMCTL_LOG.show";;
  *enable*) test ! -e "$SYSTEMCTL_LOG.broken" || { echo "Access denied" >&2; exit 4; };;
esac
"""

LOGINCTL = """#!/bin/sh
echo "loginctl $@" >> "$SYSTEMCTL_LOG"
echo "Could not enable linger: Access denied" >&2
exit 1
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files another user's")


class Machine:
    """A home folder, and a service manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "systemctl"

    def homeiq(self, *arguments: str) -> Result:
        result = CliRunner().invoke(cli, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def asked(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if "is-system-running" not in line]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in list(os.environ):
        if name.upper().startswith(("HOMEIQ_", "HOME_ASSISTANT_", "INFLUXDB_", "XDG_")):
            monkeypatch.delenv(name)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("loginctl", LOGINCTL)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("SYSTEMCTL_LOG", str(tmp_path / "systemctl"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".config" / "homeiq").mkdir(parents=True)
    (tmp_path / ".config" / "homeiq" / "homeiq.yaml").write_text("home_assistant: {url: 'http://home:8123', token: a}")
    return Machine(tmp_path)


def test_a_users_service_is_installed_shown_and_removed(machine: Machine) -> None:
    unit = machine.folder / ".config" / "systemd" / "user" / "homeiq.service"
    result = machine.homeiq("service", "install", "--user")
    assert result.exit_code == 0, result.stderr
    assert f"write {unit}" in result.stderr
    assert f"the settings can be read, and {machine.folder}/.local/share/homeiq can be written to" in result.stderr
    assert "without it the service ends when you log out" in result.stderr
    assert result.stdout == (
        f"homeiq records into {machine.folder}/.local/share/homeiq, now and after each boot;"
        " see homeiq service status --user\n"
    )
    assert machine.asked() == [
        "--user daemon-reload",
        "--user enable homeiq.service",
        "loginctl enable-linger",
        "--user restart homeiq.service",
    ]
    assert f"--config {machine.folder}/.config/homeiq/homeiq.yaml run\n" in unit.read_text()
    assert machine.homeiq("service", "install", "--user", "--print").stdout == unit.read_text()
    machine.log.with_name("systemctl.show").write_text(
        "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nSubState=running\nNRestarts=2\nResult=success\n"
        "StatusText=recording, 7 records are durable\nActiveEnterTimestamp=Tue 2026-11-24 21:00:00 UTC\n"
    )
    result = machine.homeiq("service", "status", "--user")
    assert result.exit_code == 0
    assert "active (running) since Tue 2026-11-24 21:00:00 UTC" in result.stdout
    assert "says       recording, 7 records are durable" in result.stdout
    shown = json.loads(machine.homeiq("service", "status", "--user", "--json").stdout)
    assert (shown["installed"], shown["running"], shown["NRestarts"]) == (True, True, "2")
    machine.log.unlink()
    result = machine.homeiq("service", "uninstall", "--user")
    assert result.exit_code == 0, result.stderr
    assert not unit.exists()
    assert machine.asked() == ["--user disable --now homeiq.service", "--user daemon-reload"]
    assert machine.homeiq("service", "uninstall", "--user").exit_code == 2


def test_dry_run_says_each_step_and_does_none(machine: Machine) -> None:
    result = machine.homeiq("service", "install", "--user", "--dry-run")
    assert result.exit_code == 0
    steps = result.stderr.splitlines()
    assert len(steps) == 7
    assert all(step.startswith("would do: ") for step in steps)
    assert result.stdout == ""
    assert machine.asked() == []
    assert not (machine.folder / ".config" / "systemd").exists()
    assert not (machine.folder / ".local").exists()


def test_a_service_that_has_ended_is_no_success(machine: Machine) -> None:
    show = machine.log.with_name("systemctl.show")
    show.write_text("LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=watchdog\n")
    result = machine.homeiq("service", "status", "--user")
    assert result.exit_code == 1
    assert "failed (failed), it ended by watchdog" in result.stdout
    show.write_text("LoadState=not-found\nActiveState=inactive\n")
    result = machine.homeiq("service", "status", "--user")
    assert result.exit_code == 1
    assert result.stdout.startswith("not installed: ")


@pytest.mark.parametrize(
    ("arrange", "code", "said"),
    [
        (lambda m: (m.folder / "systemctl.state").write_text("offline\n"), 1, "systemd does not run here (offline): "),
        (lambda m: (m.folder / "systemctl.broken").write_text(""), 1, "systemctl --user enable homeiq.service did not"),
        (lambda m: (m.folder / "bin" / "systemctl").unlink(), 1, ""),
        (lambda m: (m.folder / ".config/homeiq/homeiq.yaml").unlink(), 2, "there is no homeiq.yaml: homeiq --config "),
        (lambda m: (m.folder / ".config/homeiq/homeiq.yaml").write_text("a: 1"), 2, "a in "),
        (lambda m: (m.folder / ".local/share/homeiq/photos").mkdir(parents=True), 2, "something else than a log"),
    ],
)
def test_what_is_in_the_way_is_said(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, arrange: object, code: int, said: str
) -> None:
    arrange(machine)  # type: ignore[operator]
    if not said:
        monkeypatch.setenv("PATH", str(machine.folder / "bin"))
        said = "there is no systemd on this machine: start `homeiq run`"
    result = machine.homeiq("service", "install", "--user")
    assert result.exit_code == code
    assert said in result.stderr
    assert not (machine.folder / ".config/systemd/user/homeiq.service").exists() or code == 1


def test_where_there_is_no_systemd_status_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = machine.homeiq("service", "status")
    assert result.exit_code == 1
    assert result.stderr.startswith("homeiq: there is no systemd on this machine: ")


def test_a_data_folder_that_cannot_be_written_is_said_before_anything_is_installed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.folder / "data").write_text("a file")
    result = machine.homeiq("--data-dir", str(machine.folder / "data"), "service", "check")
    assert result.exit_code == 1
    assert f"cannot write to {machine.folder}/data" in result.stderr


# --- of the system ------------------------------------------------------------------------------------------------------


@pytest.fixture
def system(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """Places for a service of user nobody, and a program that all may run: it says as whom it was run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        program = folder / "bin" / "homeiq"
        program.parent.mkdir()
        program.write_text('#!/bin/sh\necho "as $(id -un): $@, groups $(id -G)"\nexit $HOMEIQ_TEST_CODE\n')
        program.chmod(0o755)
        monkeypatch.setattr(service.sys, "prefix", name)
        monkeypatch.setattr(service.sys, "base_prefix", name)
        (folder / "etc").mkdir()
        (folder / "etc" / "homeiq.yaml").write_text("home_assistant: {url: 'http://home:8123', token: a}")
        (folder / "etc" / "homeiq.yaml").chmod(0o600)
        yield Places(False, folder / "units", folder / "etc", folder / "var", "nobody")


@needs_root
def test_a_systems_service_has_a_user_of_its_own(system: Places, capfd: pytest.CaptureFixture[str]) -> None:
    service.install(Context(None, None), system)
    nobody = pwd.getpwnam("nobody")
    said = capfd.readouterr()
    config = system.config / "homeiq.yaml"
    assert f"as nobody: --data-dir {system.data} --config {config} service check, groups {nobody.pw_gid}" in said.err
    assert (system.data.stat().st_uid, system.data.stat().st_mode & 0o777) == (nobody.pw_uid, 0o700)
    assert (config.stat().st_uid, config.stat().st_gid, config.stat().st_mode & 0o777) == (0, nobody.pw_gid, 0o640)
    assert "User=nobody\n" in system.unit.read_text()
    assert system.unit.stat().st_mode & 0o777 == 0o644
    assert said.out.startswith(f"homeiq records into {system.data}, now and after each boot")


@needs_root
def test_nothing_is_enabled_where_the_services_user_could_not_run_it(
    system: Places, capfd: pytest.CaptureFixture[str], machine: Machine
) -> None:
    (system.config / "environment").write_text("# a comment\nHOMEIQ_TEST_CODE=2\n")
    with pytest.raises(service.ServiceError, match="the service could not run, it would say: nothing: mend"):
        service.install(Context(None, None), system)
    assert not system.unit.exists()
    assert machine.asked() == []


@needs_root
def test_a_program_or_settings_in_somebodys_home_are_refused(
    system: Places, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    config = machine.folder / ".config" / "homeiq" / "homeiq.yaml"
    machine.folder.chmod(0o700)
    with pytest.raises(service.UsageError, match=f"cannot read {config}: install -D -m 600 {config} {system.config}"):
        service.install(Context(config, None), system)
    monkeypatch.setattr(service.sys, "prefix", str(machine.folder))
    with pytest.raises(service.UsageError, match="only its owner may look into"):
        service.install(Context(None, None), system)


def test_a_user_that_does_not_exist_is_made(system: Places, capsys: pytest.CaptureFixture[str]) -> None:
    places = Places(False, system.units, system.config, system.data, "homeiq-nobody-has-this-name")
    service.install(Context(None, None), places, dry_run=True)
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("would do: useradd --system --user-group --home-dir ")
    assert first.endswith(" homeiq-nobody-has-this-name")


def test_without_root_it_says_what_to_type(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(service, "_config_in", lambda places: None)
    result = machine.homeiq("service", "install")
    assert result.exit_code == 2
    assert "a service of the system needs root: sudo " in result.stderr
    assert "homeiq service install, or homeiq service install --user" in result.stderr
