"""`packaging/bootstrap.py`, which gives a machine without uv the uv that `uv.lock` names."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "packaging" / "bootstrap.py"


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs the script with an empty home, and nothing on PATH but what a test puts into `tmp_path / "bin"`."""
    (tmp_path / "bin").mkdir()

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {"HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "bin")}
        command = [sys.executable, str(SCRIPT), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def _program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_lock_is_read_as_a_toml_reader_reads_it(bootstrap: ModuleType) -> None:
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    (package,) = [package for package in tomllib.loads(text)["package"] if package["name"] == "uv"]
    locked = bootstrap.read_lock(text)
    assert locked.version == package["version"]
    assert locked.hashes == [wheel["hash"] for wheel in package["wheels"]]
    assert locked.requirement().startswith(f"uv=={locked.version} --hash=sha256:")


def test_a_lock_without_uv_is_told(bootstrap: ModuleType) -> None:
    with pytest.raises(bootstrap.CannotFetchError, match="does not lock it"):
        bootstrap.read_lock('[[package]]\nname = "uvloop"\nversion = "1"\n')


def test_only_a_wheel_of_the_locked_hash_is_asked_for(bootstrap: ModuleType) -> None:
    digest = "sha256:" + hashlib.sha256(b"wheel").hexdigest()
    lock = f'[[package]]\nname = "uv"\nversion = "0.9.1"\nsdist = {{ hash = "sha256:{"0" * 64}" }}\nwheels = [\n'
    lock += f'    {{ url = "x", hash = "{digest}" }},\n]\n\n[[package]]\nname = "z"\nversion = "1"\n'
    assert bootstrap.read_lock(lock).requirement() == f"uv==0.9.1 --hash={digest}\n"


def test_a_uv_on_path_becomes_the_command(
    tmp_path: Path, run: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    uv = _program(tmp_path / "bin" / "uv", '[ "$1" = --version ] && echo "uv 99.0.0" || { echo "got $*"; exit 7; }')
    done = run("sync", "--frozen")
    assert (done.stdout, done.returncode) == ("got sync --frozen\n", 7)
    assert run().stdout == f"{uv}\n"


@pytest.mark.parametrize("broken", ['echo "uv 0.1.9"', "exit 127"])
def test_a_uv_on_path_that_is_too_old_or_broken_is_passed_over(
    broken: str, tmp_path: Path, bootstrap: ModuleType, run: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    _program(tmp_path / "bin" / "uv", broken)
    version = bootstrap.read_lock(bootstrap.LOCK.read_text(encoding="utf-8")).version
    cached = _program(tmp_path / "home/.cache/homeiq/tools" / f"uv-{version}" / "uv", f'echo "uv {version}"')
    done = run()
    assert (done.stdout, done.stderr) == (f"{cached}\n", "")


def test_where_nothing_can_fetch_it_a_person_learns_what_to_do(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(bootstrap, "_works", lambda _: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(bootstrap.CannotFetchError, match="apt-get install python3-venv"):
        bootstrap.find_uv()
    assert not list(tmp_path.rglob("uv-*/uv"))
