"""The rooms and their arrows: imports point one way only, also lazy ones and those under TYPE_CHECKING."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ROOM_MODULES = (
    *(
        "choice",
        "errors",
        "clock",
        "layout",
        "listening",
        "misspelt",
        "retention",
        "sections",
        "settings",
        "target_settings",
        "verbatim",
    ),
)
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "storage": ROOM_MODULES,
    "connectors": ("storage", *ROOM_MODULES),
    "recorder": ("connectors", "storage", *ROOM_MODULES),
    "replayer": ("storage", *ROOM_MODULES),
    "doctor": ("recorder", "replayer", "connectors", "storage", *ROOM_MODULES),
    "commands": ("doctor", "recorder", "replayer", "connectors", "storage", *ROOM_MODULES),
    "cli": ("cli_log", "cli_setup", "commands", "__init__", "storage", *ROOM_MODULES),
    "cli_log": ("commands", *ROOM_MODULES),
    "cli_setup": ("commands", *ROOM_MODULES),
    "__main__": ("cli",),
    "__init__": ("storage",),
    "choice": (),
    "errors": (),
    "clock": (),
    "verbatim": (),
    "layout": ("clock",),
    "listening": (),
    "sections": ("errors",),
    "target_settings": (),
    "retention": ("clock",),
    "misspelt": ("errors", "sections"),
    "settings": ("choice", "errors", "layout", "listening", "misspelt", "retention", "sections", "target_settings"),
}
HEAVY = ("pyarrow", "duckdb", "influxdb_client")


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(
        path
        for room in MAY_IMPORT
        for path in ([ROOT / f"{room}.py"] if (ROOT / f"{room}.py").exists() else (ROOT / room).rglob("*.py"))
    )


def room_of(path: Path) -> str:
    """Return the room that a module belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Return the rooms that a module imports, wherever in it it does."""
    package = path.relative_to(ROOT).parts[:-1]
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            for alias in node.names:
                parts = (*base, *(node.module.split(".") if node.module else ()), alias.name)
                rooms.add(parts[0])
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not any(name.split(".")[0] == "homeiq" for name in names), f"{path} imports homeiq absolutely"
    return {"__init__" if room == "__version__" else room for room in rooms}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    assert imported_rooms(path) <= {room, *MAY_IMPORT[room]}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_a_docstring_and_a_public_face(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a module says in its first line what it is for"
    names = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert path.name in ("__init__.py", "__main__.py") or "__all__" in names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_what_runs_for_years_loads_nothing_heavy() -> None:
    """The recorder lives on a Raspberry Pi: pyarrow, duckdb and the InfluxDB client are for its children."""
    import subprocess
    import sys

    script = (
        "import sys, homeiq.cli, homeiq.commands.record, homeiq.recorder.daemon;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_each_package_is_in_the_wheel() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    rooms = {path.parent for path in modules()}
    assert listed == {".".join(("homeiq", *room.relative_to(ROOT).parts)) for room in rooms}


def test_each_source_has_a_normalizer() -> None:
    from homeiq.connectors.home_assistant.client import HomeAssistantConnector
    from homeiq.connectors.registry import connector_names
    from homeiq.replayer.normalizers.registry import normalizers

    assert {HomeAssistantConnector.name, *connector_names()} <= {normalizer.name for normalizer in normalizers()}
