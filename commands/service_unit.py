"""The systemd unit of homeiq, as text. Pure. docs/service.md gives the reason for each line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["STOP_SECONDS", "UNIT_NAME", "WATCHDOG_SECONDS", "Unit", "unit_text"]

UNIT_NAME: Final = "homeiq.service"

WATCHDOG_SECONDS: Final = 120

STOP_SECONDS: Final = 90
"""The recorder makes durable what it has taken, then the follower may take its own 30 s, and 5 s to end."""

_START_SECONDS: Final = 900
"""Opening a log after a crash reads its tails; a cache that is lost is made anew from all of it."""

_OF_A_SYSTEM: Final = """\
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


@dataclass(frozen=True)
class Unit:
    """What differs from one installation to another.

    Attributes:
        command: program and arguments, in full.
        data_dir: the folder of the log.
        writable: further folders that it writes to.
        environment: a file with variables, which may be missing.
        account: the user of a system's service, whose own group it has; an empty text for one of the user who installs it.
    """

    command: Sequence[str]
    data_dir: Path
    environment: Path
    account: str = ""
    writable: Sequence[Path] = ()


def unit_text(unit: Unit) -> str:
    """Return the unit file."""
    who = f"User={unit.account}\n" if unit.account else ""
    return f"""\
# Written by `homeiq service install`, which writes it anew; `systemctl edit homeiq` keeps changes of your own apart.
[Unit]
Description=homeiq, a durable recorder for Home Assistant
Documentation=https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
After=network.target time-sync.target
RequiresMountsFor={_quoted(str(unit.data_dir))}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={" ".join(_argument(part) for part in unit.command)}
WorkingDirectory={_path(unit.data_dir)}
Environment=PYTHONFAULTHANDLER=1
EnvironmentFile=-{_path(unit.environment)}
{who}Restart=always
RestartSec=10
TimeoutStartSec={_START_SECONDS}
WatchdogSec={WATCHDOG_SECONDS}
TimeoutStopSec={STOP_SECONDS}
KillMode=mixed
OOMPolicy=continue
LimitCORE=0
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
{_sandbox(unit)}
[Install]
WantedBy={"multi-user.target" if unit.account else "default.target"}
"""


def _sandbox(unit: Unit) -> str:
    """Return what needs namespaces: not every system lets a user's own service manager make them."""
    if not unit.account:
        return ""
    folders = [unit.data_dir, *unit.writable]
    home = "read-only" if any(_is_in_a_home(folder) for folder in [*folders, Path(unit.command[0])]) else "yes"
    return f"{_OF_A_SYSTEM.format(home=home)}ReadWritePaths={' '.join(_quoted(str(folder)) for folder in folders)}\n"


def _is_in_a_home(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in ("/home", "/root", "/run/user"))


def _argument(text: str) -> str:
    """Return an argument of ExecStart: neither % nor $ is to mean anything in it."""
    return _quoted(text.replace("$", "$$"))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(escaped) & set(" \t'\"\\;#") else escaped


def _path(path: Path) -> str:
    """Return a path that stands alone behind its key, where quotes would be a part of it."""
    return str(path).replace("%", "%%")
