"""How long a page takes to open: from the start of its navigation to the first frame with its signals drawn.

Chromium is steered over its debugging pipe (DevTools protocol, one JSON a message, each ended by a zero byte), for the
page's own policy lets no script in. The last line of output is JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1280,900", "--remote-debugging-pipe",
)  # fmt: skip
#: The page marks its root once everything is painted; the frame after the next one is on the screen.
WATCH = """
new MutationObserver((_, watcher) => {
  if (!document.documentElement?.classList.contains("drawn")) return;
  watcher.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.drawnAt = performance.now(); }));
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
"""
#: Nobody waits for a page this long, s.
PATIENCE_S = 120.0


def chromium() -> str | None:
    """The browser, where there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for found in map(shutil.which, names) if found), None)


class _Pipe:
    """Calls into the browser, answered one after the other; its events are passed over."""

    def __init__(self, write: int, read: int) -> None:
        self.write, self.read, self.number, self.rest = write, read, 0, b""

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        self.number += 1
        message = {"id": self.number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                if not (part := os.read(self.read, 1 << 16)):
                    raise SystemExit("the browser is gone")
                self.rest += part
            line, _, self.rest = self.rest.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self.number:
                return dict(answer["result"])


def opening(page: str) -> dict[str, float]:
    """Seconds from the start of navigation to the first frame that shows the signals, in a browser of its own."""
    browser = chromium()
    if browser is None:
        raise SystemExit("no Chromium on this machine")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The browser reads from descriptor 3 and writes to 4.
        command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        process = subprocess.Popen(
            ["bash", "-c", command, "bash", browser, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            pipe = _Pipe(ours_out, ours_in)
            target = pipe.call("Target.createTarget", url="about:blank")["targetId"]
            session = pipe.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            pipe.call("Page.enable", session)
            pipe.call("Page.addScriptToEvaluateOnNewDocument", session, source=WATCH)
            pipe.call("Page.navigate", session, url=Path(page).resolve().as_uri())
            until = time.monotonic() + PATIENCE_S
            while time.monotonic() < until:
                found = pipe.call("Runtime.evaluate", session, expression="window.drawnAt || 0")
                if drawn := found.get("result", {}).get("value"):
                    return {"seconds": drawn / 1000}
                time.sleep(0.05)
            raise SystemExit(f"the page was not drawn within {PATIENCE_S:g} s")
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    print(json.dumps(opening(sys.argv[1])))
