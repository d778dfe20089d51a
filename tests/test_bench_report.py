"""What a report is written as: terminal, Markdown, CSV, JSON and a page; recipes from their name to their scores."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab import bench, recipes
from moodal.lab.bench import page, tables
from moodal.lab.bench import recipe as room
from moodal.lab.data import Cache, Dataset, people
from moodal.lab.data.labels import Labels

pytest.importorskip("sklearn")

HOSTILE = "</title><script>alert(1)</script>|\x1b[2J & \"quoted\""  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> bench.Report:
    data = people(9, 8, modalities=("face", "audio", "eda"), steps=(2, 4), effect=0.8, absent=0.1)
    names = ("neutral", HOSTILE, "sadness", "anger")
    labels = data.index.label("emotion")
    sex = [HOSTILE if s == "male" else s for s in data.index["sex"]]
    index = data.index.with_labels(emotion=Labels("class", names, labels.values)).with_columns(sex=sex)
    made = bench.run(
        Dataset(replace(index, notices=(HOSTILE,)), data.features),
        bench.protocol("group-kfold", k=3),
        {HOSTILE: bench.learner("logistic", {"C": 0.1}), "late": bench.learner("late-logistic", {"C": 0.1})},
        cache=Cache(tmp_path_factory.mktemp("cache")),
        missing=["random(0.5, seed=0)"],
        groups=["sex"],
        name=HOSTILE,
        title=HOSTILE,
    )
    published = {"value": 0.8, "metric": "uar", "protocol": HOSTILE, "source": HOSTILE}
    return replace(made, published=(published,), goal={"learner": "late", "reach": 0.5, "aim": None}, command=HOSTILE)


def test_a_terminal_of_80_columns_holds_it(report: bench.Report) -> None:
    from rich.console import Console

    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    console.print(tables.terminal(replace(report, notices=report.notices)))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "not above chance" in text or "above chance" in text
    for title in ("Scores", "Differences", "Recall by class", "Calibration", "Any subset", "By group"):
        assert title in text


def test_markdown_has_whole_tables(report: bench.Report) -> None:
    text = tables.markdown(report)
    assert "<script" not in text
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert len(blocks) == len(tables.sections(report))
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_csv_holds_every_figure_once(report: bench.Report) -> None:
    rows = list(csv.DictReader(io.StringIO(tables.csv_text(report))))
    scores = {r["learner"]: float(r["value"]) for r in rows if r["part"] == "score"}
    assert scores == pytest.approx({r.name: r.score for r in report.rows})
    assert sum(r["part"] == "subset" for r in rows) == len(report.cells)
    assert sum(r["part"] == "subject" for r in rows) == 9 * len(report.rows)
    assert sum(r["part"] == "group" for r in rows) == len(report.groups)
    keys = [tuple(r[k] for k in ("part", "learner", "modalities", "pattern", "group", "metric")) for r in rows]
    assert len(set(keys)) == len(keys)


def test_json_is_plain_and_times_stand_apart(report: bench.Report) -> None:
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["metric"] == "uar"
    assert set(told["timing"]) == {r.name for r in report.rows}
    assert all("seconds" not in row for row in told["rows"])
    row = told["rows"][0]
    assert {"score", "low", "high", "recall", "confusion", "coverage", "verdict", "flags", "settings"} <= set(row)
    assert sum(map(sum, row["confusion"])) == report.n


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_runs_nothing_and_asks_for_nothing(report: bench.Report) -> None:
    text = page.render(report)
    read = _Reader()
    read.feed(text)
    assert not read.open
    assert "script" not in read.tags
    assert not {"iframe", "img", "form", "object"} & set(read.tags)
    assert not [a for a, _ in read.attributes if a.startswith("on") or a == "style"]
    links = [v for a, v in read.attributes if a in ("href", "src")]
    assert set(links) == {"data:,", "./report.csv", "./report.md", "./report.json"}
    policy = next(v for a, v in read.attributes if a == "content" and v and v.startswith("default-src"))
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert read.tags.count("svg") == 5


def test_the_style_is_the_one_that_the_policy_lets_in(report: bench.Report) -> None:
    import base64
    import hashlib

    text = page.render(report)
    style = text.split("<style>", 1)[1].split("</style>", 1)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"sha256-{digest}" in text


def test_a_report_is_written_whole_and_again(report: bench.Report, tmp_path: Path) -> None:
    first = page.write(report, tmp_path)
    again = page.write(report, tmp_path)
    assert first == again
    assert first.parent.parent == tmp_path
    assert sorted(p.name for p in first.parent.iterdir()) == ["index.html", "report.csv", "report.json", "report.md"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kind", ["continuous", "multilabel", "distribution"])
def test_labels_of_other_kinds_are_written_too(kind: str, tmp_path: Path) -> None:
    import numpy as np

    data = people(5, 8, modalities=("eda",), steps=(2, 3))
    truth = np.eye(4)[data.index.label("emotion").values]
    values = truth > 0 if kind == "multilabel" else truth
    labels = Labels(kind, ("a", "b", "c", "d"), values)  # type: ignore[arg-type]
    data = Dataset(replace(data.index, labels={"told": labels}), data.features)
    use = "ridge" if kind == "continuous" else "logistic"
    made = bench.run(data, bench.protocol("group-kfold", k=3), [bench.learner(use)], cache=Cache(tmp_path))
    assert "Confusion" not in page.render(made)
    for text in (tables.markdown(made), tables.csv_text(made), json.dumps(made.to_dict(), allow_nan=False)):
        assert use in text
    assert tables.terminal(made)


# ---- recipes ---------------------------------------------------------------------------------------------------------

TEXT = """
name = "toy"
title = "A toy"
label = "emotion"
metric = "uar"
[data]
set = "synthetic"
settings = { subjects = 6, clips = 8, modalities = ["eda", "ecg"], steps = [2, 3] }
[features.eda]
[features.ecg]
[protocol]
use = "group-kfold"
settings = { k = 3 }
[[learner]]
name = "both"
use = "logistic"
settings = { C = [0.1, 1.0] }
[[learner]]
name = "one"
use = "logistic"
modalities = ["eda"]
settings = { C = 0.1 }
[report]
subsets = "both"
groups = ["sex"]
[[published]]
value = 0.5
metric = "uar"
protocol = "5-fold by person"
source = "nobody"
[goal]
learner = "both"
reach = 0.3
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOODAL_HOME", str(tmp_path / "home"))
    path = tmp_path / "toy.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_recipe_runs_from_its_file(toy: Path) -> None:
    made = bench.bench(str(toy))
    assert [r.name for r in made.rows] == ["both", "one", "majority", "prior", "shuffled"]
    assert made["one"].modalities == ("eda",)
    assert made["both"].tried == 6
    assert made.headline.name == "both"
    assert made.published[0]["source"] == "nobody"
    assert {c.modalities for c in made.cells} == {("eda", "ecg"), ("eda",), ("ecg",)}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('use = "logistic"\nmodalities', 'use = "logstic"\nmodalities', "Did you mean logistic"),
        ("subjects = 6", "persons = 6", "takes no setting 'persons'"),
        ('use = "group-kfold"', 'use = "k-fold"', "unknown protocol"),
        ('metric = "uar"\n[data]', 'metric = "wer"\n[data]', "unknown metric 'wer'"),
        ("[features.ecg]", '[features.ecg]\nuse = "wishes"', "unknown maker"),
        ('label = "emotion"', 'label = "mood"', "has no label 'mood'"),
        ('set = "synthetic"', 'set = "nowhere"', "unknown set 'nowhere'"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_one_line(toy: Path, old: str, new: str, told: str) -> None:
    assert old in TEXT
    toy.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=told) as caught:
        bench.bench(str(toy))
    assert "\n" not in str(caught.value)


def test_a_data_set_that_is_not_there_is_one_line(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOODAL_DATA", raising=False)
    text = TEXT.replace('set = "synthetic"', 'set = "eegmat"').replace("settings = { subjects", "# ")
    toy.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="Get it:"):
        bench.bench(str(toy))


def test_scores_are_remembered_and_listed(toy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = replace(bench.bench(str(toy)), recipe="synthetic-leak")
    told = room.remember(made)
    row = next(r for r in room.listing() if r["name"] == "synthetic-leak")
    assert row["yours"] == told["value"] == made["both"].score
    assert row["data_present"] is True
    assert {"name", "data_present", "ours", "published", "source"} <= set(row)
    shipped = tmp_path / "scores.json"
    monkeypatch.setattr(room, "SHIPPED", shipped)
    assert next(r for r in room.listing() if r["name"] == "synthetic-leak")["ours"] is None
    shipped.write_text(json.dumps({"synthetic-leak": told}), encoding="utf-8")
    row = next(r for r in room.listing() if r["name"] == "synthetic-leak")
    assert row["ours"] == told["value"]
    assert row["interval"] == [told["low"], told["high"]]
    shipped.write_text("not json", encoding="utf-8")
    assert room.listing()


def test_every_recipe_that_ships_is_listed_and_can_be_read() -> None:
    assert [r["name"] for r in room.listing()] == list(recipes.names())


def test_recording_replaces_its_own_section_alone(toy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = bench.bench(str(toy))
    results = tmp_path / "repository" / "benchmarks" / "RESULTS.md"
    results.parent.mkdir(parents=True)
    results.write_text("# Results\n\nBefore.\n", encoding="utf-8")
    monkeypatch.setattr(room.moodal, "__file__", str(tmp_path / "repository" / "src" / "moodal" / "__init__.py"))
    monkeypatch.setattr(room, "SHIPPED", tmp_path / "scores.json")
    room.record(made)
    once = results.read_text(encoding="utf-8")
    results.write_text(once + "\nAfter.\n", encoding="utf-8")
    room.record(made)
    assert results.read_text(encoding="utf-8") == once + "\nAfter.\n"
    assert once.startswith("# Results\n\nBefore.\n")
    assert json.loads((tmp_path / "scores.json").read_text())["toy"]["command"] == "moodal bench toy"
    monkeypatch.setattr(room.moodal, "__file__", str(tmp_path / "elsewhere" / "a" / "b" / "__init__.py"))
    with pytest.raises(UsageError, match="moodal runs from elsewhere"):
        room.record(made)


def _moodal(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from moodal.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_the_command_prints_json_alone_and_writes_a_folder(toy: Path, tmp_path: Path) -> None:
    done = _moodal("bench", str(toy), "--json", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["recipe"] == "toy"
    assert (tmp_path / "out" / "toy.bench" / "index.html").exists()
    assert done.stderr.startswith("moodal: ")


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (('use = "group-kfold"', 'use = "segment-shuffle"'), 3, "allow_leak"),
        (("k = 3", "k = 30"), 2, "6 subjects for 30 folds"),
        (("", ""), 2, "no such recipe"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(toy: Path, change: tuple[str, str], code: int, told: str) -> None:
    toy.write_text(TEXT.replace(*change, 1), encoding="utf-8")
    done = _moodal("bench", str(toy) if change[0] else "nowhere.toml")
    assert done.returncode == code
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_listing_recipes_loads_nothing_heavy(toy: Path) -> None:
    script = (
        "import sys\nfrom moodal.lab.bench.recipe import listing\nlisting()\n"
        "print(sorted({'torch', 'sklearn', 'scipy', 'pandas', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
