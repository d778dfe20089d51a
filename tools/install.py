"""Install the checkout, editable, at the pinned versions, and say how many megabytes that downloaded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main(target: str) -> int:
    """Run pip with a report; its own lines show only when it fails."""
    with tempfile.TemporaryDirectory() as work:
        report = Path(work) / "report.json"
        command = [
            sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off",
            "--constraint", "constraints.txt", "--report", str(report), "--editable", target,
        ]  # fmt: skip
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            print(result.stdout + result.stderr, file=sys.stderr)
            return result.returncode
        packages = len(json.loads(report.read_text(encoding="utf-8"))["install"])
        units = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "bytes": 1}
        fetched = re.findall(r"Downloading .*\(([\d.]+) (kB|MB|GB|bytes)\)", result.stdout)
        total = sum(float(size) * units[unit] for size, unit in fetched)
        print(f"{packages} packages installed, {total / 1e6:.0f} MB downloaded (the rest came from pip's cache)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
