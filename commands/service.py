"""`homeiq service`: homeiq as a service of systemd, of the system or of a user. Each step is said before it is done."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import ServiceError, UsageError
from ..settings import Settings, find_config, user_data_dir
from ..storage.files import Files
from .configuration import load_settings
from .context import Context
from .service_unit import UNIT_NAME, Unit, unit_text
from .terminal import print_json, print_line, say

__all__ = ["Places", "check", "install", "status", "uninstall"]

_SECONDS: Final = 120
_SHOWN: Final = (
    *("LoadState", "UnitFileState", "ActiveState", "SubState", "StatusText", "MainPID"),
    *("ActiveEnterTimestamp", "NRestarts", "Result", "FragmentPath"),
)


@dataclass(frozen=True)
class Places:
    """Where a service has what: those of a system, or of a user; a test has others."""

    user: bool
    units: Path
    config: Path
    data: Path
    account: str = ""

    @classmethod
    def of(cls, user: bool) -> Places:
        """Return those of the system, or of the user who runs this."""
        if not user:
            return cls(False, Path("/etc/systemd/system"), Path("/etc/homeiq"), Path("/var/lib/homeiq"), "homeiq")
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return cls(True, home / "systemd" / "user", home / "homeiq", user_data_dir())

    @property
    def unit(self) -> Path:
        """The unit's file."""
        return self.units / UNIT_NAME

    def systemctl(self, *arguments: str) -> list[str]:
        """Return the command that asks the service manager."""
        return ["systemctl", *(["--user"] if self.user else []), *arguments]


class _Step(NamedTuple):
    says: str
    do: Callable[[], object]


@dataclass
class _Plan:
    """What will be done, in order."""

    steps: list[_Step] = field(default_factory=list)

    def add(self, says: str, do: Callable[[], object]) -> None:
        self.steps.append(_Step(says, do))

    def run(self, *command: str, optional: bool = False) -> None:
        self.add(" ".join(command), lambda: _run(command, optional=optional))

    def carry_out(self, *, dry_run: bool) -> None:
        for step in self.steps:
            say(f"would do: {step.says}" if dry_run else step.says)
            if not dry_run:
                step.do()


def install(context: Context, places: Places, *, print_only: bool = False, dry_run: bool = False) -> None:
    """Install, enable and start it; or print the unit only. Raises SettingsError, UsageError, ServiceError."""
    config = context.config or _config_in(places)
    settings = load_settings(config, data_dir=context.data_dir)
    data_dir = settings.data_dir
    if data_dir == user_data_dir().absolute():
        data_dir = places.data  # nobody has named a folder, and a system's service has no home
    command = _homeiq("--data-dir", str(data_dir), *(("--config", str(config)) if config else ()), "run")
    unit = Unit(command, data_dir, places.config / "environment", places.account, _written_to(settings))
    _refuse_foreign(data_dir)
    if print_only:
        print_line(unit_text(unit).rstrip("\n"))
        return
    if not dry_run:
        _require(places)
    _refuse_unreachable(places, config)
    _install_plan(places, unit, config).carry_out(dry_run=dry_run)
    if not dry_run:
        option = " --user" if places.user else ""
        print_line(f"homeiq records into {data_dir}, now and after each boot; see homeiq service status{option}")


def uninstall(places: Places, *, dry_run: bool = False) -> None:
    """Stop it, and take away its unit; log, settings and user stay. Raises UsageError, ServiceError."""
    if not places.unit.exists():
        raise UsageError(f"there is no {places.unit}", hint="no service is installed; with --user it is another one")
    if not dry_run:
        _require(places)
    plan = _Plan()
    plan.run(*places.systemctl("disable", "--now", UNIT_NAME))
    plan.add(f"remove {places.unit}", places.unit.unlink)
    plan.run(*places.systemctl("daemon-reload"))
    plan.carry_out(dry_run=dry_run)
    if not dry_run:
        kept = (
            "the log and the settings stay" if places.user else f"the log, the settings and user {places.account} stay"
        )
        print_line(f"homeiq is no service any more; {kept}")


def status(places: Places, *, as_json: bool) -> bool:
    """Print how the service is, and return whether it runs. Raises ServiceError."""
    _require_systemctl()
    said = _run(places.systemctl("show", UNIT_NAME, f"--property={','.join(_SHOWN)}"))
    facts = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    installed, runs = facts.get("LoadState") == "loaded", facts.get("ActiveState") == "active"
    if as_json:
        print_json({"installed": installed, "running": runs, **{name: facts.get(name, "") for name in _SHOWN}})
    elif not installed:
        print_line(f"not installed: {places.unit} is not there; homeiq service install")
    else:
        word = facts.get("ActiveState", "")
        since = f" since {facts['ActiveEnterTimestamp']}" if runs and facts.get("ActiveEnterTimestamp") else ""
        why = "" if facts.get("Result", "success") == "success" else f", it ended by {facts['Result']}"
        print_line(f"service    {word} ({facts.get('SubState', '')}){since}{why}")
        print_line(f"says       {facts.get('StatusText') or 'nothing'}")
        print_line(f"at boot    {'starts' if facts.get('UnitFileState') == 'enabled' else 'does not start'}")
        print_line(f"restarts   {facts.get('NRestarts', '0')} by itself")
        print_line(f"unit       {facts.get('FragmentPath', '')}")
        print_line(f"its log    journalctl {'--user ' if places.user else ''}-u homeiq")
    return runs


def check(settings: Settings) -> None:
    """Say whether whoever runs this could record: the settings are read already. Raises ServiceError."""
    folder = settings.data_dir
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        name = pwd.getpwuid(os.geteuid()).pw_name
        raise ServiceError(f"{name} cannot write to {folder}", hint=f"chown -R {name} {folder}")
    missing = settings.home_assistant.missing()
    print_line(missing or f"the settings can be read, and {folder} can be written to")


def _install_plan(places: Places, unit: Unit, config: Path | None) -> _Plan:
    plan, account, data_dir = _Plan(), places.account, unit.data_dir
    if account and not _exists(account):
        plan.run(
            *("useradd", "--system", "--user-group", "--home-dir", str(places.data), "--no-create-home"),
            *("--shell", shutil.which("nologin") or "/usr/sbin/nologin", account),
        )
    for folder in [data_dir, *unit.writable]:
        if not folder.is_dir():
            plan.add(f"make the folder {folder}", partial(folder.mkdir, mode=0o700, parents=True))
    if account:
        plan.run("chown", "-R", f"{account}:", str(data_dir))
        if config is not None and config.is_relative_to(places.config):
            says = f"let the group {account}, and nobody else, read what is in {places.config}"
            plan.add(says, lambda: _open_to_group(places.config, account))
    plan.add("check that its user can read the settings and write the data", lambda: _check_as(unit))
    content = unit_text(unit).encode()
    plan.add(f"write {places.unit}", lambda: _write(places.unit, content))
    plan.run(*places.systemctl("daemon-reload"))
    plan.run(*places.systemctl("enable", UNIT_NAME))
    if places.user:
        plan.run("loginctl", "enable-linger", optional=True)
    plan.run(*places.systemctl("restart", UNIT_NAME))
    return plan


def _open_to_group(folder: Path, account: str) -> None:
    group = pwd.getpwnam(account).pw_gid
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, -1, group, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o640)


def _check_as(unit: Unit) -> None:
    """Run `homeiq service check` as the service's user would: it may be unable to read what root reads."""
    command = [*unit.command[:-1], "service", "check"]
    account = pwd.getpwnam(unit.account) if unit.account else None
    who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    environment = {"PATH": os.environ.get("PATH", os.defpath), **_variables_in(unit.environment)}
    if account is None:
        environment["HOME"] = str(Path.home())
    try:
        result = subprocess.run(
            command,
            **who,  # type: ignore[call-overload]
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(
            f"the service's user cannot run {command[0]} ({error})", hint="see docs/service.md"
        ) from None
    if result.stdout.strip():
        say(result.stdout.strip())
    if result.returncode != 0:
        said = (result.stderr.strip().splitlines() or ["nothing"])[-1].removeprefix("homeiq: ")
        raise ServiceError(f"the service could not run, it would say: {said}", hint="mend that, and run this again")


def _variables_in(file: Path) -> dict[str, str]:
    """Return what a file of variables says, simple lines alone; nothing where there is none."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = [line.strip().partition("=") for line in lines if "=" in line and not line.lstrip().startswith(("#", ";"))]
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _config_in(places: Places) -> Path | None:
    """Return the settings' file: where a service has it, else where this process would find it."""
    own = places.config / "homeiq.yaml"
    found = own if own.is_file() else find_config()
    if found is None and not (places.config / "environment").is_file():
        raise UsageError("there is no homeiq.yaml", hint=f"homeiq --config {own} init writes one")
    return found.absolute() if found else None


def _homeiq(*arguments: str) -> tuple[str, ...]:
    program = Path(sys.prefix) / "bin" / "homeiq"
    return (*([str(program)] if program.exists() else [sys.executable, "-m", "homeiq"]), *arguments)


def _written_to(settings: Settings) -> tuple[Path, ...]:
    """Return the folders of line-protocol files, which lie outside the data folder."""
    paths = [target.path for target in settings.all_targets().values() if target.path is not None]
    return tuple(dict.fromkeys(path.expanduser().absolute().parent for path in paths))


def _require(places: Places) -> None:
    """Raise UsageError, ServiceError where the service manager cannot be asked."""
    if not places.user and os.geteuid() != 0:
        program = _homeiq("service", "install")
        raise UsageError(
            "a service of the system needs root", hint=f"sudo {' '.join(program)}, or homeiq service install --user"
        )
    _require_systemctl()
    said = subprocess.run(
        places.systemctl("is-system-running"), capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if said.stdout.strip() in ("", "offline", "unknown"):
        reason = said.stderr.strip().splitlines()
        raise ServiceError(
            f"systemd does not run here ({reason[-1] if reason else said.stdout.strip() or 'no answer'})",
            hint="homeiq service install --print shows the unit",
        )


def _require_systemctl() -> None:
    if shutil.which("systemctl") is None:
        raise ServiceError("there is no systemd on this machine", hint="start `homeiq run` by what there is instead")


def _refuse_unreachable(places: Places, config: Path | None) -> None:
    """Raise UsageError where a service's user could not get at the program or the settings: they lie in a home."""
    if places.user:
        return
    for path in (Path(sys.prefix), Path(sys.base_prefix).resolve()):
        closed = _closed_above(path)
        if closed is not None:
            raise UsageError(
                f"homeiq is installed in {path}, and only its owner may look into {closed}",
                hint="install it where all may read it, as docs/service.md says, or homeiq service install --user",
            )
    if config is not None and not config.is_relative_to(places.config) and _closed_above(config) is not None:
        target = places.config / "homeiq.yaml"
        raise UsageError(
            f"the service's user cannot read {config}", hint=f"install -D -m 600 {config} {target}, and run this again"
        )


def _closed_above(path: Path) -> Path | None:
    """Return the outermost folder, or the file itself, that others may not look into; None if they may."""
    for part in [*reversed(path.parents), path]:
        needed = 0o1 if part.is_dir() else 0o4
        if not part.stat().st_mode & needed:
            return part
    return None


def _refuse_foreign(data_dir: Path) -> None:
    """Raise UsageError for a folder that holds something else: it is made the service's own."""
    if data_dir.is_dir() and any(data_dir.iterdir()) and not (data_dir / "log").is_dir():
        raise UsageError(f"{data_dir} holds something else than a log", hint="name a folder of its own by --data-dir")


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Files().write_whole(path, content)
    path.chmod(0o644)


def _run(command: tuple[str, ...] | list[str], *, optional: bool = False) -> str:
    """Run a command and return what it says. Raises ServiceError, unless it is optional: then it is said."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        problem = lines[-1] if result.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if not problem:
        return result.stdout
    if optional:
        do = f"sudo {' '.join(command)} $USER"
        say(f"that did not work ({problem}): without it the service ends when you log out; {do}")
        return ""
    said = " ".join(command[:4])
    raise ServiceError(f"{said} did not work ({problem})", hint="see systemctl status homeiq, and run this again")
