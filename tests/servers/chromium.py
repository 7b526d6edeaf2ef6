"""Debian's Chromium without a screen, driven over its DevTools protocol."""

import base64
import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.sync.client import ClientConnection, connect

from .process import ServerProcess
from .web import request

__all__ = ["NAME", "REMEDY", "Chromium", "Page", "installed"]

NAME = "chromium"
REMEDY = "apt-get install chromium"
_START = 60.0
_ANSWER = 30.0

_KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Space": (32, " "),
    "ArrowLeft": (37, ""),
    "ArrowRight": (39, ""),
    "Home": (36, ""),
    "End": (35, ""),
}


def installed() -> bool:
    """Tell whether this machine has it."""
    return shutil.which(NAME) is not None


class Chromium:
    """A browser with a profile of its own, which nothing leaves behind."""

    def __init__(self, folder: Path) -> None:
        self._profile = folder / "profile"
        self._process = ServerProcess(NAME, folder / "chromium.log")
        self.port = 0

    def __enter__(self) -> "Chromium":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and return once it can be driven."""
        command = [NAME, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={self._profile}"]
        command += [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-extensions",
        ]
        command += ["--disable-background-networking", "--no-proxy-server", "--hide-scrollbars", "--lang=en-GB"]
        self._process.start([*command, "about:blank"], ready=self._is_ready, within=_START)

    def _is_ready(self) -> bool:
        told = self._profile / "DevToolsActivePort"
        lines = told.read_text().split() if told.exists() else []
        if not lines:
            return False
        self.port = int(lines[0])
        return request("GET", f"http://127.0.0.1:{self.port}/json/version").ok

    def kill(self) -> None:
        """End it."""
        self._process.end()

    def page(self) -> "Page":
        """Open an empty page."""
        told = request("PUT", f"http://127.0.0.1:{self.port}/json/new?about:blank").json()
        return Page(told["webSocketDebuggerUrl"])


class Page:
    """One page. `problems` are errors of its console, exceptions, violations of its policy, requests to elsewhere."""

    def __init__(self, url: str) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._number = 0
        self._open = contextlib.ExitStack()
        opened = connect(url, proxy=None, max_size=2**26, open_timeout=_ANSWER)
        self._socket: ClientConnection = self._open.enter_context(opened)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        script = (
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error('violation of ' + event.violatedDirective + ': ' + event.blockedURI))"
        )
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def __enter__(self) -> "Page":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=_ANSWER))
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]  # type: ignore[no-any-return]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        told = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(told["exceptionDetails"].get("exception", told), default=str))
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
                self.problems.append(" ".join(str(one.get("value", one)) for one in told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                self.problems.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        self.wait("the page", "document.readyState === 'complete' && location.href !== 'about:blank'")

    def js(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, what: str, expression: str, seconds: float = 60.0) -> Any:
        """Wait until an expression is true, and return its value; fails with `what` was waited for and what is shown."""
        return self._wait(what, lambda: self.js(expression), seconds)

    def _wait(self, what: str, condition: Callable[[], Any], seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds} s in vain for {what}; problems: {self.problems}; shown:\n{self.text()}")

    def text(self, selector: str = "body") -> str:
        """Return the text that a person sees in an element, also once it can be scrolled to."""
        return str(self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def size(self, width: int, height: int, *, scale: float = 1, phone: bool = False) -> None:
        """Give the page's window a size in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )

    def prefer(self, **features: str) -> None:
        """Set what a person prefers, such as color_scheme="dark"."""
        named = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=named)

    def press(self, *keys: str) -> None:
        """Press keys: Tab, Enter, Space, arrows, Home, End, or a text that is typed."""
        for key in keys:
            if key not in _KEYS:
                self.call("Input.insertText", text=key)
                continue
            code, text = _KEYS[key]
            named = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **named)
            self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def click(self, selector: str) -> None:
        """Click with the mouse on the middle of an element."""
        place = self.js(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({block: 'center'});"
            " const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def screenshot(self, path: Path, height: int | None = None) -> None:
        """Write what the page shows, all of it or to a height in CSS pixels, as PNG."""
        shown = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {
            "x": 0,
            "y": 0,
            "width": shown["width"],
            "height": min(shown["height"], height or shown["height"]),
            "scale": 1,
        }
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))
