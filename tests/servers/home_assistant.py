"""A real Home Assistant with its `demo` integration, about a hundred entities, on the loopback address."""

import os
import shutil
from pathlib import Path
from typing import Any

from .cache import Installation
from .ports import free_port
from .process import ServerError, ServerProcess
from .web import Answer, request

__all__ = [
    "CONFIGURATION",
    "CONSTRAINED",
    "INFLUXDB_PACKAGES",
    "INSTALLATION",
    "VERSION",
    "HomeAssistantServer",
    "template",
    "token_file",
]

VERSION = "2024.3.3"  # The newest that runs on Python 3.11.
CONSTRAINED = "pip 'josepy<2'"  # The newest josepy lacks what this version imports; its own installer is pip.

# Not default_config, which looks for devices on the network. As the frames in the fixtures: a home with US units.
CONFIGURATION = """\
homeassistant:
  name: Test
  latitude: 36.17
  longitude: -115.14
  elevation: 600
  unit_system: us_customary
  time_zone: America/Los_Angeles
  currency: USD
  country: US
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
websocket_api:
auth:
history:
recorder:
  commit_interval: {commit_interval}
sun:
demo:
logger:
  default: info
"""

INSTALLATION = Installation(
    name=f"home-assistant-{VERSION}",
    recipe={"version": VERSION, "constrained": CONSTRAINED, "configuration": CONFIGURATION},
    program="venv/bin/hass",
)

# What its influxdb integration needs, as its manifest says, and what these need and Home Assistant does not bring. In a
# folder of its own: an installation that is there already stays as it is.
INFLUXDB_PACKAGES = Installation(
    name=f"home-assistant-{VERSION}-influxdb",
    recipe={"packages": "influxdb==5.3.1 influxdb-client==1.24.0 Rx==3.2.0 msgpack==1.0.8"},
    program="influxdb_client/__init__.py",
)

_START, _STOP = 180.0, 60.0
# Of this run's own Python, and not to be seen by another one's.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def template() -> Path:
    """Return the configuration folder, with its user, that the installer prepared and each server starts from."""
    return INSTALLATION.folder / "template"


def token_file() -> Path:
    """Return the file with the token that the template's user was given."""
    return INSTALLATION.folder / "token"


class HomeAssistantServer:
    """A Home Assistant that can be stopped, killed and started again with the same configuration folder and port.

    Its folder begins as a copy of the prepared template, so that a start takes seconds and needs no network.

    Attributes:
        config_dir: its configuration folder, with `home-assistant_v2.db` in it.
        url: its base URL; the WebSocket is at `websocket_url`.
        token: a long-lived access token of its administrator.
    """

    def __init__(
        self, config_dir: Path, *, commit_interval: int = 5, extra_configuration: str = "", packages: Path | None = None
    ) -> None:
        """Take a folder that is missing or an earlier server's, and a port.

        `commit_interval` (Home Assistant's default) is how many seconds its history lags behind. `extra_configuration`
        is YAML that is added to `configuration.yaml`, `packages` a folder with Python packages that it needs.
        """
        self.config_dir = config_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.websocket_url = f"ws://127.0.0.1:{self.port}/api/websocket"
        self.token = token_file().read_text(encoding="utf-8").strip() if token_file().exists() else ""
        self._configuration = (
            CONFIGURATION.format(port=self.port, commit_interval=commit_interval) + extra_configuration
        )
        self._packages = packages
        # Beside the folder, not in it: Home Assistant has a log file of its own there, and renames it at each start.
        self._process = ServerProcess("Home Assistant", config_dir.with_name(config_dir.name + ".log"))

    @property
    def running(self) -> bool:
        """Whether the server is alive now."""
        return self._process.running

    @property
    def pid(self) -> int:
        """The number of the server's process."""
        return self._process.pid

    def start(self) -> None:
        """Start, and return once it says that it is running, with all of its integrations."""
        if not self.config_dir.exists():
            shutil.copytree(template(), self.config_dir)
        self.launch(within=_START)

    def launch(self, *, within: float, install_requirements: bool = False, onboarded: bool = True) -> None:
        """Start on the folder as it is. Only the installer needs this: it prepares the template."""
        self.config_dir.mkdir(parents=True, exist_ok=True)
        (self.config_dir / "configuration.yaml").write_text(self._configuration, encoding="utf-8")
        command: list[str | Path] = [INSTALLATION.path, "-c", self.config_dir, "--log-no-color"]
        if not install_requirements:
            command.append("--skip-pip")
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        if self._packages is not None:
            environment["PYTHONPATH"] = str(self._packages)
        ready = self.is_ready if onboarded else self._asks_for_a_user
        self._process.start(command, ready=ready, within=within, environment=environment)

    def stop(self) -> None:
        """End it in good order, as its own stop does."""
        self._process.stop(within=_STOP)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.end()

    def restart(self) -> None:
        """Stop, and start again with the same folder on the same port."""
        self.stop()
        self.start()

    def logs(self) -> str:
        """Return all that it wrote, over all its starts."""
        return self._process.log.read_text(encoding="utf-8", errors="replace")

    def is_ready(self) -> bool:
        """Return whether it answers, and says that its start is over."""
        answer = self.ask("GET", "/api/config")
        return answer.ok and answer.json()["state"] == "RUNNING"

    def states(self) -> list[dict[str, Any]]:
        """Return all states, as the REST API gives them."""
        states: list[dict[str, Any]] = self._must("GET", "/api/states").json()
        return states

    def set_state(self, entity_id: str, state: str, attributes: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give any entity any state; one that does not exist comes to be. Return the state as written."""
        body = {"state": state, "attributes": attributes or {}}
        written: dict[str, Any] = self._must("POST", f"/api/states/{entity_id}", body).json()
        return written

    def delete_state(self, entity_id: str) -> None:
        """Remove an entity's state."""
        self._must("DELETE", f"/api/states/{entity_id}")

    def call(self, domain: str, service: str, data: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Call a service, and return the states that it changed."""
        changed: list[dict[str, Any]] = self._must("POST", f"/api/services/{domain}/{service}", data or {}).json()
        return changed

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request with the token, and return the answer, whatever it is."""
        return request(method, self.url + path, body=body, headers={"Authorization": f"Bearer {self.token}"})

    def _must(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self.ask(method, path, body)
        if not answer.ok:
            raise ServerError(f"Home Assistant answered {answer.status} to {method} {path}: {answer.body}")
        return answer

    def _asks_for_a_user(self) -> bool:
        return request("GET", f"{self.url}/api/onboarding", timeout=5.0).ok
