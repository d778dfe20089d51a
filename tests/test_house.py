"""The house's own rules: what may be imported, what is registered, what docs promise."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import moodal
from moodal.core import registry

ROOT = Path(__file__).parent.parent
PACKAGE = Path(moodal.__file__).parent


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


HEAVY = {
    "torch",
    "scipy",
    "sklearn",
    "pandas",
    "pyarrow",
    "av",
    "onnxruntime",
    "ai_edge_litert",
    "PIL",
    "rich",
    "typer",
    "faster_whisper",
}


def test_importing_moodal_loads_nothing_heavy() -> None:
    loaded = modules_after("import moodal")
    assert not loaded & HEAVY
    assert not {m for m in loaded if m.startswith("moodal.") and m != "moodal"}


def test_listing_tracks_loads_no_model_runtime() -> None:
    loaded = modules_after("from moodal.measure import extractor_specs; extractor_specs()")
    assert not loaded & (HEAVY - {"PIL"})


@pytest.mark.usefixtures("models")
def test_the_analysis_never_loads_torch_or_friends(tmp_path: Path) -> None:
    import recordings as made

    made.write_video(tmp_path / "talk.mp4", made.portrait(1), sound=made.speech(1))
    loaded = modules_after(f"import moodal; moodal.analyze({str(tmp_path / 'talk.mp4')!r})")
    assert not loaded & {"torch", "scipy", "sklearn", "pandas", "mediapipe", "opensmile", "matplotlib"}


def test_reading_a_data_set_loads_no_torch(tmp_path: Path) -> None:
    loaded = modules_after(
        "from pathlib import Path\nfrom moodal.lab.data import sets\nfrom moodal.lab.data.sets import nemo\n"
        f"root = Path({str(tmp_path)!r})\nnemo.generate(root)\nsets.read('nemo', root)"
    )
    assert not loaded & HEAVY


def test_functions_keep_their_names_when_rooms_are_imported() -> None:
    import moodal.analyze as room  # noqa: F401
    from moodal.extract.face import SPEC  # noqa: F401

    assert callable(moodal.analyze)
    assert callable(moodal.extract)
    assert len(moodal.__all__) < 20


@pytest.mark.parametrize(
    ("kind", "folder"),
    [("readers", "media"), ("extractors", "extract"), ("writers", "formats"), ("sets", "lab/data/sets")],
)
def test_registry_and_files_agree(kind: str, folder: str) -> None:
    registered = set(registry.KINDS[kind].values())
    found = set()
    for source in (PACKAGE / folder).rglob("*.py"):
        if re.search(r"^SPEC\b", source.read_text(), re.M):
            path = source.parent if source.name == "__init__.py" else source.with_suffix("")
            found.add(".".join(("moodal", *path.relative_to(PACKAGE).parts)))
    assert registered == found
    for name in registry.names(kind):
        assert registry.load(kind, name).SPEC.name == name


def test_generated_pages_are_up_to_date() -> None:
    assert subprocess.run([sys.executable, ROOT / "tools" / "make_docs.py", "--check"], check=False).returncode == 0


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if not link.startswith(("http", "mailto")):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_files_stay_readable() -> None:
    long = {p.name: n for p in PACKAGE.rglob("*.py") if (n := len(p.read_text().splitlines())) > 450}
    assert long == {}
