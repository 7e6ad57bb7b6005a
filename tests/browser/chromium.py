"""A headless Chromium for tests of pages."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
BROWSER = [
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--window-size=1400,2400", "--remote-debugging-pipe",
]  # fmt: skip
# The browser is spoken to over its descriptors 3 and 4.
ON_3_AND_4 = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
# All text of a page, that inside of custom elements too.
TEXT = """(() => {
    const found = [];
    const walk = node => {
        if (node.nodeType === Node.TEXT_NODE) found.push(node.data.trim());
        if (node.shadowRoot) walk(node.shadowRoot);
        if (!["STYLE", "SCRIPT", "TEMPLATE"].includes(node.nodeName)) node.childNodes.forEach(walk);
    };
    walk(document);
    return found.filter(text => text).join("\\n");
})()"""


class Browser:
    """A headless Chromium, told what to do in the DevTools protocol (one JSON object after another, a zero between)."""

    def __init__(self, profile: Path) -> None:
        commands, self.to = os.pipe()
        self.answers, replies = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands, replies)]  # out of the way of 3 and 4
        start = [
            sys.executable,
            "-c",
            ON_3_AND_4,
            *map(str, ends),
            str(CHROMIUM),
            *BROWSER,
            f"--user-data-dir={profile}",
        ]
        self.process = subprocess.Popen(
            start, pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        for end in (commands, replies, *ends):
            os.close(end)
        self.number, self.buffer, self.session = 0, b"", None
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.buffer:
                piece = os.read(self.answers, 65536)
                assert piece, "the browser has gone"
                self.buffer += piece
            text, self.buffer = self.buffer.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") == self.number:
                assert "result" in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, url: str) -> None:
        self.session, self.events = None, []
        target = self.call("Target.createTarget", url=url)["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, as JSON."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self) -> str:
        return self.evaluate(TEXT)

    def watch(self) -> None:
        """Open an empty page, and keep its events."""
        self.open("about:blank")
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def seen(self, *methods: str) -> list[dict[str, Any]]:
        """What these events said so far."""
        self.evaluate("0")  # events come before its answer
        return [event["params"] for event in self.events if event.get("method") in methods]

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)
        os.close(self.to)
        os.close(self.answers)
