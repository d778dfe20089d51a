"""Python in the how-to pages runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import recordings as made

PAGES = sorted((Path(__file__).parent.parent / "docs" / "how-to").glob("*.md"))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    if not blocks:
        pytest.skip("holds no Python")
    if any("sklearn" in block for block in blocks):
        pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    sound = np.concatenate([made.silence(1), made.speech(5)])
    made.write_video(tmp_path / "talk.mp4", made.portrait(6), sound=sound)
    space: dict[str, object] = {}
    for block in blocks:
        exec(block, space)
