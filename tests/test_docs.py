"""Python in the how-to pages runs as it stands there; every link leads somewhere, and to every page leads a link."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import recordings as made

ROOT = Path(__file__).parent.parent
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


def heading(text: str) -> str:
    """A heading as the fragment of a link to it."""
    bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"[`*]", "", text.strip().lower()))
    return re.sub(r"[^\w\- ]", "", bare).replace(" ", "-")


def links(page: Path) -> list[tuple[str, Path, str]]:
    """Links of a page inside the repository: as written, the file, the fragment."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    inside = [u for u in found if not u.startswith(("http:", "https:", "mailto:"))]
    return [
        (u, (page.parent / u.partition("#")[0]).resolve() if u[0] != "#" else page, u.partition("#")[2]) for u in inside
    ]


def test_every_link_leads_somewhere_and_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = {ROOT / "README.md"}, [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        for written, there, fragment in links(page):
            assert there.exists(), f"{page.relative_to(ROOT)}: {written}"
            if fragment and there.suffix == ".md":
                heads = {heading(h) for h in re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)}
                assert fragment in heads, f"{page.relative_to(ROOT)}: {written}"
            if there not in reached and there.suffix in (".md", ".ipynb"):
                ahead.append(there)
            reached.add(there)
    written = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*"), *(ROOT / "benchmarks").glob("*.md")]
    pages = {p for p in written if p.suffix in (".md", ".ipynb") and ".ipynb_checkpoints" not in p.parts}
    assert not {str(p.relative_to(ROOT)) for p in pages - reached}
