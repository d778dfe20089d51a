"""Install distributions of the checkout, editable, at the pinned versions; fetch the models; say what was downloaded.

python tools/install.py '.[asr]' ./research
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

#: What pip prints for each file that comes over the network ("Using cached" for one that does not).
_CAME = re.compile(r"^\s*Downloading (\S+) \(([\d.]+) (bytes|kB|MB|GB)\)")
_UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def install(targets: list[str]) -> float:
    """Run pip, one changing line on a terminal; its own words show only when it fails. Returns bytes."""
    command = [
        sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off",
        "--constraint", "constraints.txt", *(word for target in targets for word in ("--editable", target)),
    ]  # fmt: skip
    # The build back end is pinned too: older pips read the first variable for it, newer ones the second.
    surroundings = {**os.environ, "PIP_CONSTRAINT": "constraints.txt", "PIP_BUILD_CONSTRAINT": "constraints.txt"}
    came, said = 0.0, []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=surroundings
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            said.append(line)
            if found := _CAME.match(line):
                came += float(found[2]) * _UNITS[found[3]]
                _show(f"{came / 1e6:6.1f} MB  {found[1]}")
            elif line.startswith("Installing collected"):
                _show(f"{came / 1e6:6.1f} MB  unpacking")
    _show("")
    if pip.returncode:
        print("".join(said), file=sys.stderr)
        raise SystemExit(pip.returncode)
    return came


def _show(line: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K{line[:79]}", end="", flush=True)


def models() -> float:
    """Fetch what is missing of the models, with their own progress. Returns bytes."""
    moodal = Path(sys.executable).with_name("moodal")
    result = subprocess.run([moodal, "models", "pull", "--json"], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise SystemExit(result.returncode)
    return float(json.loads(result.stdout)["downloaded_bytes"])


def main(targets: list[str]) -> None:
    """Install, fetch, report."""
    packages = install(targets)
    nets = models()
    print(
        f"{(packages + nets) / 1e6:.0f} MB downloaded: {packages / 1e6:.0f} for packages, {nets / 1e6:.0f} for models"
        " (what pip or the cache had is not counted)"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
