"""The unit: what systemd itself thinks of it, and names that could mean something to it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from homeiq.commands.service_unit import STOP_SECONDS, WATCHDOG_SECONDS, Unit, unit_text
from homeiq.recorder.daemon import FOLLOWER_GRACE_SECONDS
from homeiq.recorder.notify import TICK_SECONDS


def unit(folder: Path, account: str) -> Unit:
    return Unit(
        ("/bin/sh", "--data-dir", str(folder), "--config", str(folder / "homeiq.yaml"), "run"),
        folder,
        folder / "environment",
        account,
        (folder / "lines",),
    )


def facts(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
@pytest.mark.parametrize("account", ["root", ""])
@pytest.mark.parametrize("name", ["data", 'a home\'s 50% of $HOME; \\ # "here"'])
def test_systemd_finds_nothing_wrong(tmp_path: Path, account: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    file = tmp_path / "homeiq.service"
    file.write_text(unit_text(unit(tmp_path / name, account)))
    command = ["systemd-analyze", "verify", "--man=no", *([] if account else ["--user"]), str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in result.stderr.splitlines() if "homeiq" in line]
    assert (result.returncode, said) == (0, [])


def test_what_the_system_runs_may_write_to_its_data_alone(tmp_path: Path) -> None:
    system = facts(unit_text(unit(tmp_path, "homeiq")))
    assert system["User"] == "homeiq"
    assert system["ProtectSystem"] == "strict"
    assert system["ReadWritePaths"] == f"{tmp_path} {tmp_path}/lines"
    assert system["ProtectHome"] == "yes"
    assert system["CapabilityBoundingSet"] == ""
    home = facts(unit_text(unit(Path("/home/me/data"), "homeiq")))
    assert home["ProtectHome"] == "read-only", "else it would not find its data"


def test_a_users_own_needs_no_namespaces(tmp_path: Path) -> None:
    own = facts(unit_text(unit(tmp_path, "")))
    assert own["NoNewPrivileges"] == "yes"
    assert own["WantedBy"] == "default.target"
    assert not [name for name in own if name.startswith(("Protect", "Private")) or name in ("User", "ReadWritePaths")]


@pytest.mark.parametrize("account", ["homeiq", ""])
def test_times_fit_those_of_the_recorder(tmp_path: Path, account: str) -> None:
    found = facts(unit_text(unit(tmp_path, account)))
    assert found["Type"] == "notify"
    assert found["Restart"] == "always"
    assert found["KillMode"] == "mixed", "the recorder itself ends its follower, once all is durable"
    assert int(found["TimeoutStopSec"]) == STOP_SECONDS > 2 * FOLLOWER_GRACE_SECONDS
    assert int(found["WatchdogSec"]) == WATCHDOG_SECONDS >= 6 * TICK_SECONDS
    assert found["StartLimitIntervalSec"] == "0", "it is never given up"


def test_names_mean_themselves() -> None:
    command = ("/opt/my homes/homeiq", "--data-dir", "/srv/50%/$HOME", 'say "no"', "back\\slash", "run")
    found = facts(unit_text(Unit(command, Path("/srv/50% of it"), Path("/etc/e%n"), "homeiq")))
    assert found["ExecStart"] == (
        '"/opt/my homes/homeiq" --data-dir /srv/50%%/$$HOME "say \\"no\\"" "back\\\\slash" run'
    )
    assert found["ReadWritePaths"] == '"/srv/50%% of it"'
    assert found["WorkingDirectory"] == "/srv/50%% of it"
    assert found["EnvironmentFile"] == "-/etc/e%%n"
