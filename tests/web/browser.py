"""A headless Chromium, driven through its DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websockets.sync.client

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Tab:
    """One page. Messages that are no answers (the console, failures) are kept in `said`."""

    def __init__(self, address: str) -> None:
        self._opened = websockets.sync.client.connect(address, max_size=None)
        self._socket = self._opened.__enter__()
        self._numbers = itertools.count(1)
        self.said: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=20))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.said.append(message)

    def size(self, width: int, height: int, *, mobile: bool = False, scale: float = 1, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def ask(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 10.0) -> Any:
        """Ask until the answer is true."""
        end = time.monotonic() + seconds
        while not (answer := self.ask(script)):
            assert time.monotonic() < end, f"in vain: {script}"
            time.sleep(0.05)
        return answer

    def click(self, x: float, y: float) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            buttons = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **buttons)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def troubles(self) -> list[str]:
        """Whatever the browser complained of: exceptions, refused loads, errors on the console."""
        self.ask("1")  # so that all before it has come in
        bad = []
        for message in self.said:
            method, what = message.get("method"), message.get("params", {})
            if method == "Runtime.exceptionThrown":
                bad.append(json.dumps(what["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning"):
                bad.append(json.dumps(what["args"]))
            elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
                bad.append(what["entry"]["text"])
        return bad

    def requests(self) -> set[str]:
        """The addresses that were asked for."""
        self.ask("1")
        sent = [m["params"]["request"]["url"] for m in self.said if m.get("method") == "Network.requestWillBeSent"]
        sockets = [m["params"]["url"] for m in self.said if m.get("method") == "Network.webSocketCreated"]
        return {*sent, *sockets}

    def close(self) -> None:
        self._opened.__exit__(None, None, None)


@contextmanager
def chromium(folder: Path) -> Iterator[Tab]:
    """Start a browser with a profile of its own in the folder."""
    assert PROGRAM is not None
    command = [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += ["--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    with subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            told = folder / "DevToolsActivePort"
            end = time.monotonic() + 20
            while not (told.exists() and told.read_text().strip()):
                assert time.monotonic() < end and process.poll() is None, "the browser does not start"
                time.sleep(0.05)
            port = told.read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
                pages = [target for target in json.load(answer) if target["type"] == "page"]
            tab = Tab(pages[0]["webSocketDebuggerUrl"])
            yield tab
            tab.close()
        finally:
            process.terminate()
            process.wait(10)
