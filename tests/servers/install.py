"""Installs the real servers of the tests: `python -m servers.install`, which is `make servers`.

Each is installed once for each user, with its version pinned; a second run finds it and returns at once. A server that
this machine can't have is named, with the reason. That fails the run only where `CI` is set: there, a test that is
skipped for want of a server must not look like one that passed.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from . import chromium, home_assistant, influxdb, versitygw
from .cache import Installation
from .home_assistant import HomeAssistantServer
from .onboarding import onboard

__all__ = ["main"]

_PYTHON = ">=3.11,<3.13"  # What this version of Home Assistant runs on.
_FETCHES_ITSELF = (1, 21)  # A Go that is older knows of no newer one that a module asks for.
_NEWER_GO = "1.26.8"
_FIRST_START = 900.0  # It installs about twenty packages, which a slow network makes long.


class CannotInstallError(Exception):
    """Why this machine can't have a server."""


def main() -> int:
    """Install what is missing, and return the exit code."""
    tasks: list[tuple[Installation, Callable[[Path], None]]] = [
        (home_assistant.INSTALLATION, _install_home_assistant),
        (influxdb.INSTALLATION, partial(_install_with_go, influxdb.INSTALLATION)),
        (versitygw.INSTALLATION, partial(_install_with_go, versitygw.INSTALLATION)),
    ]
    # Together: one of them mostly waits for the network, the others compile.
    with ThreadPoolExecutor(len(tasks)) as pool:
        results = list(pool.map(lambda task: _install(*task), tasks))
    if results[0]:
        results.append(_install(home_assistant.INFLUXDB_PACKAGES, _install_influxdb_packages))
    results.append(_found_chromium())
    return 1 if os.environ.get("CI") and not all(results) else 0


def _install(installation: Installation, fill: Callable[[Path], None]) -> bool:
    with installation.locked():
        if installation.complete:
            return True
        print(f"{installation.name}: installing into {installation.folder}", flush=True)
        begin = time.monotonic()
        try:
            with installation.renewed() as folder:
                fill(folder)
        except Exception as error:
            print(f"{installation.name}: left out, and its tests with it: {error}", file=sys.stderr, flush=True)
            return False
        print(f"{installation.name}: installed in {time.monotonic() - begin:.0f} s", flush=True)
        return True


def _found_chromium() -> bool:
    """Name the browser where it is missing: it is the distribution's, and only root can install it."""
    if not chromium.installed():
        said = f"{chromium.NAME}: left out, and its tests with it: it is not here: {chromium.REMEDY}"
        print(said, file=sys.stderr, flush=True)
        return False
    return True


def _install_with_go(installation: Installation, folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise CannotInstallError("it is built with Go, and there is no `go` here")
    version = re.search(r"go(\d+)\.(\d+)", _run([go, "version"], folder))
    variables = {"GOBIN": str(folder)}
    if version and tuple(map(int, version.groups())) < _FETCHES_ITSELF:
        root = _newer_go(go, folder)
        go, variables["GOROOT"] = str(root / "bin" / "go"), str(root)
    _run([go, "install", installation.recipe["module"]], folder, **variables)


def _newer_go(go: str, folder: Path) -> Path:
    """Let an old Go, such as Debian's, fetch a newer one, and return its folder: from 1.21 on Go does so by itself.

    It comes as a module does, and is verified as one. The module is that of https://go.dev/doc/toolchain.
    """
    system, machine = _run([go, "env", "GOOS", "GOARCH"], folder).split()
    module = f"golang.org/toolchain@v0.0.1-go{_NEWER_GO}.{system}-{machine}"
    root = Path(json.loads(_run([go, "mod", "download", "-json", module], folder))["Dir"])
    for program in [*(root / "bin").iterdir(), *(root / "pkg" / "tool").rglob("*")]:
        if program.is_file():
            program.chmod(0o555)  # an old Go does not know that there are programs in a module
    return root


def _install_home_assistant(folder: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")  # `uv run` says where it is.
    if uv is None:
        raise CannotInstallError("it is installed with uv, and there is no `uv` here")
    venv = folder / "venv"
    python = venv / "bin" / "python"
    package = f"homeassistant=={home_assistant.VERSION}"
    install = [uv, "pip", "install", "--quiet", "--python", str(python), package]
    _run([uv, "venv", "--quiet", "--seed", "--python", _PYTHON, str(venv)], folder)
    # Twice, as the constraints of the second time are a file of the package itself.
    _run(install, folder)
    constraints = next(venv.glob("lib/python3*/site-packages/homeassistant/package_constraints.txt"))
    _run([*install, *shlex.split(home_assistant.CONSTRAINED), "--constraint", str(constraints)], folder)
    _prepare_template()


def _install_influxdb_packages(folder: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise CannotInstallError("it is installed with uv, and there is no `uv` here")
    python = home_assistant.INSTALLATION.folder / "venv" / "bin" / "python"
    target = ["--no-deps", "--python", str(python), "--target", str(folder)]
    packages = home_assistant.INFLUXDB_PACKAGES.recipe["packages"].split()
    _run([uv, "pip", "install", "--quiet", *target, *packages], folder)


def _prepare_template() -> None:
    """Let Home Assistant install its integrations' packages, give it its user, and leave no history behind."""
    config = home_assistant.template()
    server = HomeAssistantServer(config)
    try:
        server.launch(within=_FIRST_START, install_requirements=True, onboarded=False)
        server.token = onboard(server.url)
        _wait_for(server.is_ready, within=_FIRST_START)
        server.stop()
    finally:
        server.kill()
    # Onboarding wakes integrations of its own. A second start shows that none misses a package, and the token holds.
    server.launch(within=_FIRST_START, install_requirements=True)
    server.stop()
    home_assistant.token_file().write_text(server.token, encoding="utf-8")
    for left in [*config.glob("home-assistant*"), config / ".storage" / "core.restore_state"]:
        left.unlink(missing_ok=True)


def _wait_for(condition: Callable[[], bool], *, within: float) -> None:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise CannotInstallError(f"it was not ready within {within:g} s")
        time.sleep(0.2)


def _run(command: list[str], folder: Path, **variables: str) -> str:
    """Run a command; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment | variables,
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        end = "\n".join(done.stdout.splitlines()[-20:])
        raise CannotInstallError(f"`{shlex.join(command)}` ended with {done.returncode}:\n{end}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
