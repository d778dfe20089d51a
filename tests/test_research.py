"""The second distribution: its bundles are found, complete, and refused for commercial use; its licence names each."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

import moodal
from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.errors import ModelError, UsageError
from moodal.core.expert import expert_of

HOME = Path(__file__).parent.parent / "research"
FOLDER = HOME / "src" / "moodal_research"
BUNDLES = [Bundle.open(p) for p in sorted(FOLDER.glob("*.bundle"))]


def test_the_package_names_its_folder_to_moodal() -> None:
    told = tomllib.loads((HOME / "pyproject.toml").read_text())
    assert told["project"]["entry-points"]["moodal.bundles"] == {"research": FOLDER.name}
    assert told["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [str(FOLDER.relative_to(HOME))]
    assert told["project"]["license-files"] == ["LICENSE"]


def test_every_bundle_stands_in_licence_and_readme_and_forbids_commercial_use() -> None:
    licence, readme = ((HOME / name).read_text() for name in ("LICENSE", "README.md"))
    for bundle in BUNDLES:
        assert bundle.manifest["commercial"] is False, bundle.name
        assert bundle.manifest["data_terms"], bundle.name
        assert bundle.path.name == f"{bundle.name}.bundle"
        assert f"\n{bundle.name}\n" in licence
        assert f"`{bundle.name}`" in readme


def test_every_bundle_that_names_an_encoder_finds_it_beside_itself() -> None:
    for bundle in BUNDLES:
        if bundle.manifest.get("encoders"):
            expert = expert_of(bundle)
            assert [e.path.parent for e in expert.encoders.values()] == [FOLDER] * len(expert.encoders)


def test_graphs_say_nothing_of_where_they_were_made() -> None:
    onnx = pytest.importorskip("onnx")
    seen = 0
    for path in [*FOLDER.glob("*.bundle"), *Path(moodal.__file__).with_name("bundles").glob("*.bundle")]:
        with zipfile.ZipFile(path) as archive:
            for member in [m for m in archive.namelist() if m.endswith(".onnx")]:
                model = onnx.load_from_string(archive.read(member))
                noted = [n.name for n in model.graph.node if n.metadata_props or n.doc_string]
                assert not noted, f"{path.name}: {member}"
                seen += 1
    assert seen >= 5


def test_the_folder_may_be_empty_and_a_broken_bundle_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = set(registry.bundles())
    (tmp_path / "__init__.py").write_text("")
    monkeypatch.setattr(registry, "bundle_folders", lambda: (registry._BUNDLES, tmp_path))
    assert set(registry.bundles()) <= ours
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "torn.bundle").write_bytes(b"PK\x03\x04 and then nothing")
    monkeypatch.setattr(registry, "bundle_folders", lambda: (registry._BUNDLES, tmp_path / "more"))
    assert {"late-v0", "words-v0", "text", "words", "words-vad", "stress", "workload"} == set(registry.bundles())
    assert all(b.manifest["commercial"] for b in registry.bundles().values())
    with pytest.raises(ModelError, match=r"torn\.bundle: is not a readable bundle"):
        registry.find_bundle("torn")
    with pytest.raises(UsageError, match=r"unknown bundle 'word-v0'\. Did you mean words-v0\?"):
        registry.find_bundle("word-v0")


def test_models_list_shows_a_damaged_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contract import run

    (tmp_path / "torn.bundle").write_bytes(b"nonsense")
    monkeypatch.setattr(registry, "bundle_folders", lambda: (registry._BUNDLES, tmp_path))
    [rows] = run("models", "list", "--json", cwd=tmp_path).rows
    assert next(r for r in rows if r["name"] == "torn")["state"] == "damaged"
    ran = run("models", "list", cwd=tmp_path)
    assert ran.code == 0
    assert "torn" in ran.out
    ran = run("models", "card", "torn", cwd=tmp_path)
    assert (ran.code, len(ran.complaints)) == (2, 1)


@pytest.mark.usefixtures("data")
def test_a_dialogue_of_meld_as_srt_has_the_scores_of_the_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features as the bench makes them, all dialogues at once; then each dialogue as subtitles, cue by cue."""
    if "lsgmer-meld" not in {b.name for b in BUNDLES}:
        pytest.skip("lsgmer-meld is not in research/src/moodal_research")
    import moodal
    from experts import subtitles
    from moodal.core.scheme import mapping
    from moodal.lab.data import sets
    from moodal.lab.data.cache import Cache
    from moodal.lab.data.features.sentence import make
    from moodal.weights.run_bundle import BundleModel

    monkeypatch.setattr(registry, "bundle_folders", lambda: (registry._BUNDLES, FOLDER))
    registry._opened.cache_clear()
    bundle = registry.bundles()["lsgmer-meld"]
    meld = sets.read("meld", None, splits=["validation"])
    some = meld.take(np.isin(meld.index["dialogue"], list(dict.fromkeys(meld.index["dialogue"]))[:12]))
    told = bundle.manifest["encoders"]["text"]
    text = make(some, "text", Cache(tmp_path), encoder=told["name"], past=told["past"], pooled=told["pooled"])
    columns = {c: some.index[c].tolist() for c in ("dialogue", "turn", "subject", "text")}
    bench = BundleModel(bundle).predict_examples(
        {"text": [text[i] for i in range(len(some))]},
        dialogue=columns["dialogue"], turn=columns["turn"], speaker=columns["subject"],
    )  # fmt: skip
    table = mapping("meld7", "ekman8")
    speakers = bundle.manifest["dialogue"]["speakers"]
    seen = 0
    for name, rows in some.index.groups("dialogue").items():
        said, who = ([columns[c][i] for i in rows] for c in ("text", "subject"))
        srt = subtitles(tmp_path / f"{name}.srt", said, who if speakers and len(rows) > 1 else ())
        mood = moodal.analyze(srt, model="lsgmer-meld")
        track = mood.tracks["words.emotion"].only
        at = {t: i for i, t in enumerate(track.times.tolist())}
        for k, i in enumerate(rows):
            if 2.0 * k in at:  # a cry of no language may be withheld: that is a gap, never another score
                seen += 1
                found = track.values[at[2.0 * k], :8]
                assert np.abs(found - table.apply(bench.scores[i])).max() < 1e-4, (name, k, said[k])
    assert seen >= 0.95 * len(some)
