"""A pipeline says the same in Python and TOML, and what is wrong with it is told before any data is read."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moodal.core.errors import MoodalError, UsageError
from moodal.lab import recipes
from moodal.lab.pipeline import Node, Pipeline, from_toml, load, register
from moodal.lab.pipeline.toml import load as load_file
from moodal.lab.pipeline.uses import PORTS, STAGES, USES

WESAD = """\
name = "wesad-stress"
acquire = { use = "wesad", device = "chest" }
window = { seconds = 60, hop = 30, min_coverage = 0.9 }
extract = ["ecg.hrv", "eda.basic", "resp.basic", "temp.basic"]
label = { phases = { baseline = 0, amusement = 0, stress = 1 } }
select = ["impute", "scale"]
estimate = { use = "random-forest", seeds = [0, 1, 2] }
split = "leave-subject-out"
"""
SHIPPED = ("anxiety-phases", "eegmat", "meld-text-audio", "ravdess-av", "wesad-stress")


def mean_of(window: Any) -> dict[str, float]:
    return {"mean": 0.0}


def chain() -> Pipeline:
    return (
        Pipeline("wesad-stress")
        .acquire("wesad", device="chest")
        .window(60, hop=30, min_coverage=0.9)
        .extract("ecg.hrv", "eda.basic", "resp.basic", "temp.basic")
        .label(phases={"baseline": 0, "amusement": 0, "stress": 1})
        .select("impute", "scale")
        .estimate("random-forest", seeds=[0, 1, 2])
        .split("leave-subject-out")
    )


def test_python_and_toml_say_the_same() -> None:
    assert from_toml(WESAD) == chain()
    assert chain().to_toml() == WESAD
    chain().check()


def test_branches_are_written_in_full_and_come_back() -> None:
    p = (
        Pipeline("b")
        .acquire("folder")
        .window(60)
        .extract("eda.basic", "ecg.hrv")
        .select("impute", inputs=["eda.basic"])
        .label(phases={"a": 0, "b": 1})
        .estimate("lda", inputs=["impute", "ecg.hrv", "label"])
    )
    text = p.check().to_toml()
    assert "[[node]]" in text
    assert from_toml(text) == p
    assert from_toml(text).to_toml() == text


def test_two_labels_make_one_estimate_each() -> None:
    p = chain().label(phases={"baseline": 0, "stress": 1, "amusement": 2}, name="three")
    p = Pipeline("n", p.nodes[:-3]).label(phases={"baseline": 0}, name="x").label(phases={"stress": 0}, name="y")
    p = Pipeline("n", tuple(n for n in p.nodes if n.id != "label" and n.stage != "select")).estimate("lda", "knn")
    assert [n.id for n in p.of("estimate")] == ["lda@x", "lda@y", "knn@x", "knn@y"]
    assert from_toml(p.to_toml()) == p


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_pipelines_are_checked_and_keep_their_form(name: str) -> None:
    p = load(name).check()
    assert from_toml(p.to_toml()) == p
    assert from_toml(p.to_toml()).to_toml() == p.to_toml()


def test_pipelines_are_no_recipes() -> None:
    folder = recipes._FOLDER / "pipelines"
    assert {p.stem for p in folder.glob("*.toml")} == set(SHIPPED)
    for name in recipes.names():
        assert recipes.load(name).learner
    assert all(len(line) <= 120 for p in folder.glob("*.toml") for line in p.read_text(encoding="utf-8").splitlines())


# ---- any graph

WORDS = st.text(string.ascii_letters + string.digits + "_-. äß\"'\\\n\t", min_size=1, max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
KEYS = WORDS.filter(lambda k: k not in ("id", "use", "from", "stage"))


@st.composite
def graphs(draw: st.DrawFn) -> Pipeline:
    """Nodes of any stage with any inputs and settings: form is kept whether or not it makes sense."""
    ids = draw(st.lists(WORDS, min_size=1, max_size=6, unique=True))
    nodes = []
    for id in ids:
        stage = draw(st.sampled_from(STAGES))
        use = draw(st.sampled_from([n for n, u in USES.items() if u.stage == stage] + ["tests.some:thing"]))
        inputs = tuple(draw(st.lists(st.sampled_from(ids), max_size=3)))
        nodes.append(Node(id, stage, use, inputs, draw(st.dictionaries(KEYS, VALUES, max_size=3))))
    parts: dict[str, Any] = {}
    if draw(st.booleans()):
        parts["split"] = {"use": draw(WORDS), **draw(st.dictionaries(KEYS, VALUES, max_size=2))}
    return Pipeline(draw(WORDS), tuple(nodes), parts)


@given(graphs())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_graph_comes_back_from_its_text(p: Pipeline) -> None:
    text = p.to_toml()
    back = from_toml(text)
    assert back == p
    assert back.to_toml() == text


@given(st.sampled_from(["window", "extract", "label", "select", "estimate", "acquire"]), st.data())
@settings(max_examples=60, deadline=None)
def test_a_misspelt_key_is_named_with_the_nearest(stage: str, data: st.DataObject) -> None:
    p = chain()
    node = data.draw(st.sampled_from(p.of(stage)))
    known = {"window": "seconds", "label": "phases", "acquire": "device", "extract": "stream"}.get(stage)
    if known is None:
        known = "scope" if node.use == "scale" else "seeds"
        if node.use != "scale":
            return  # estimators hand unknown settings on, which is told when they are made
    at = data.draw(st.integers(0, len(known) - 1))
    wrong = known[:at] + known[at + 1 :]
    settings_ = {k: v for k, v in node.settings.items() if k != known} | {wrong: 1}
    nodes = tuple(Node(n.id, n.stage, n.use, n.inputs, settings_) if n is node else n for n in p.nodes)
    with pytest.raises(UsageError) as error:
        Pipeline(p.name, nodes, p.parts).check()
    assert repr(wrong) in str(error.value)
    assert f"Did you mean {known}?" in str(error.value)


# ---- what is wrong

HEAD = 'name = "x"\nacquire = "folder"\n'
WRONG = {
    "is not TOML": "name = ",
    "unknown key 'acquir'. Did you mean acquire?": 'name = "x"\nacquir = "folder"',
    "lacks name": 'acquire = "folder"',
    "must be a name, a table or a list": HEAD + "window = true",
    "seconds must be a number, not '60'": HEAD + 'window = { seconds = "60" }',
    "lacks seconds": HEAD + "window = { hop = 3 }",
    "says both hop and overlap": HEAD + "window = { seconds = 60, hop = 3, overlap = 0.5 }",
    "Percent: overlap = 0.25. Seconds: hop = 35.": HEAD + "window = { seconds = 60, overlap = 25 }",
    "within is 'phases'. Did you mean phase?": HEAD + 'window = { seconds = 60, within = "phases" }',
    "Did you mean eda.basic?": HEAD + 'window = 60\nextract = "eda.basc"',
    "declares eda in 'degC', but eda.basic counts in µS": 'name = "x"\nacquire = { use = "folder", '
    'units = { eda = "degC" } }\nwindow = 60\nextract = "eda.basic"',
    "leaves eda without a unit, but eda.basic counts in µS": HEAD
    + 'preprocess = "standardise"\nwindow = 60\nextract = "eda.basic"',
    "node scale is fitted on all recordings at once": HEAD + 'preprocess = "scale"\nwindow = 60\nselect = "impute"\n'
    'extract = "eda.basic"',
    "node lda needs Target": HEAD + 'window = 60\nextract = "eda.basic"\nestimate = "lda"',
    "needs Features": HEAD + 'window = 60\nlabel = { phases = { a = 0 } }\nestimate = "lda"',
    "stands in select, but lda is for estimate": HEAD + 'window = 60\nextract = "eda.basic"\nselect = "lda"',
    "no split is called 'leave-subjects-out'. Did you mean leave-subject-out?": HEAD + 'split = "leave-subjects-out"',
    "window-shuffle puts windows of one person": HEAD + 'split = "window-shuffle"',
    "is fitted before the split": HEAD + 'window = 60\nlabel = { use = "threshold", column = "suds", per = "all" }',
    'scope = "baseline-phase" and phase go together': HEAD
    + 'window = 60\nextract = "eda.basic"\nselect = { use = "scale", scope = "baseline-phase" }',
    "two nodes are called 'a'": 'name = "x"\n[[node]]\nid = "a"\nuse = "folder"\n[[node]]\nid = "a"\nuse = "folder"',
    "holds both [[node]] and the short form's acquire": HEAD + '[[node]]\nid = "a"\nuse = "folder"',
    "takes from 'b', which is not there": 'name = "x"\n[[node]]\nid = "a"\nuse = "clip"\nfrom = ["b"]',
    "in a circle": 'name = "x"\n[[node]]\nid = "a"\nuse = "clip"\nfrom = ["b"]\n[[node]]\nid = "b"\nuse = "clip"\n'
    'from = ["a"]',
    "takes Windows, but a (folder) gives Recording": 'name = "x"\n[[node]]\nid = "a"\nuse = "folder"\n[[node]]\n'
    'id = "b"\nuse = "eda.basic"\nfrom = ["a"]',
    "which is fitted inside a fold": 'name = "x"\n[[node]]\nid = "a"\nuse = "folder"\n[[node]]\nid = "w"\n'
    'use = "whole"\nfrom = ["a"]\n[[node]]\nid = "e"\nuse = "stats"\nfrom = ["w"]\n[[node]]\nid = "s"\nuse = "scale"\n'
    'from = ["e"]\n[[node]]\nid = "f"\nuse = "stats"\nfrom = ["s"]',
    "joins the windows of w (whole) and of v (whole)": 'name = "x"\n[[node]]\nid = "a"\nuse = "folder"\n[[node]]\n'
    'id = "w"\nuse = "whole"\nfrom = ["a"]\n[[node]]\nid = "v"\nuse = "whole"\nfrom = ["a"]\n[[node]]\nid = "e"\n'
    'use = "stats"\nfrom = ["w"]\n[[node]]\nid = "f"\nuse = "stats"\nfrom = ["v"]\n[[node]]\nid = "l"\n'
    'use = "phases"\nfrom = ["w"]\nphases = { a = 0 }\n[[node]]\nid = "m"\nuse = "lda"\nfrom = ["e", "f", "l"]',
}  # fmt: skip


@pytest.mark.parametrize("said", WRONG)
def test_each_fault_is_one_line_before_any_data(said: str) -> None:
    with pytest.raises(UsageError) as error:
        from_toml(WRONG[said]).check()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_lambda_is_refused_on_export_with_the_line_that_registers_it() -> None:
    p = Pipeline("x").acquire("folder").window(60).extract(lambda window: {})
    p.check()
    with pytest.raises(UsageError, match=r"moodal.lab.pipeline.register\('NAME', stage='extract'\)"):
        p.to_toml()


def test_functions_are_written_by_name_or_by_module() -> None:
    p = Pipeline("x").acquire("folder").window(60).extract(mean_of)
    text = p.to_toml()
    assert f"{__name__}:mean_of" in text
    assert from_toml(text).to_toml() == text
    register("tests.mean", stage="extract")(mean_of)
    p = Pipeline("x").acquire("folder").window(60).extract(mean_of)
    assert 'extract = "tests.mean"' in p.to_toml()
    with pytest.raises(UsageError, match="cannot be registered"):
        register("ecg.hrv", stage="extract")(mean_of)
    with pytest.raises(UsageError, match="registered already"):
        register("tests.mean", stage="extract")(lambda window: {})


def test_values_that_toml_cannot_hold_are_named() -> None:
    for value in (None, float("nan"), {1, 2}):
        with pytest.raises(UsageError, match="cannot be written to TOML"):
            Pipeline("x").acquire("folder", units=value).to_toml()


def test_no_such_file_names_what_ships() -> None:
    with pytest.raises(MoodalError, match="wesad-stress"):
        load_file("no-such.toml")


def test_every_use_is_of_a_stage() -> None:
    assert {u.stage for u in USES.values()} <= set(PORTS)
