"""``moodal pipe`` as scripts call it: files, JSON on standard output, exit codes, one line of error, 80 columns."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from moodal.core.errors import InputError
from moodal.lab.pipeline import Pipeline, draw, from_toml, load
from moodal.lab.pipeline.propose import propose
from pipelines import write_folder

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "explanation" / "pipelines.md"


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "80", "MOODAL_HOME": str(cwd / "home")}
    command = [sys.executable, "-m", "moodal", "pipe", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_new_check_run_compare(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    write_folder(tmp_path / "study")
    made = run("new", "--from", "study", "-o", "study.toml", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert run("check", "study.toml", cwd=tmp_path).stdout.strip().endswith("nothing wrong")
    result = run("run", "study.toml", "study", "-o", "one", "--save", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    card = json.loads(result.stdout)
    assert card["data"]["recordings"] == 6
    assert {p.name for p in (tmp_path / "one").iterdir()} == {"card.json", "card.html", "pipeline.toml", "saved"}
    assert from_toml((tmp_path / "one" / "pipeline.toml").read_text()) == load(tmp_path / "study.toml")
    shown = run("run", "study.toml", "study", "-o", "two", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    told = run("compare", "one/card.json", "two/card.json", "--json", cwd=tmp_path)
    assert json.loads(told.stdout)["same"] == {"pipeline": True, "data": True, "versions": True, "split": True}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["check", "none.toml"], 2, "none.toml: no such file. Shipped: anxiety-phases"),
        (["run", "bad.toml", "."], 2, "unknown key 'seconts'. Did you mean seconds?"),
        (["run", "wesad-stress", "none"], 2, "lacks its folder"),
        (["run", "anxiety-phases", "a", "b", "c"], 2, "3 folders are named for 2 sources"),
        (["new", "--from", "none"], 2, "is no folder"),
        (["compare", "bad.toml", "bad.toml"], 2, "is no run card"),
    ],
)
def test_faults(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('name = "x"\nacquire = "folder"\nwindow = { seconts = 60 }\n')
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert len([line for line in result.stderr.splitlines() if not line.endswith("…")]) == 1


def test_the_list_of_features_needs_no_torch(tmp_path: Path) -> None:
    rows = json.loads(run("features", "--json", cwd=tmp_path).stdout)
    assert len(rows) >= 120
    shown = run("features", cwd=tmp_path).stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    code = "import sys; import moodal.cli.app as a; a.build(); import moodal.lab.pipeline; "
    code += "from moodal.lab.pipeline import load; load('eegmat').check(); "
    code += "print([m for m in ('torch', 'sklearn', 'scipy') if m in sys.modules])"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_graph_is_drawn(tmp_path: Path) -> None:
    p = load("wesad-stress")
    text = draw.text(p)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.index("extract") < text.index("inside each fold") < text.index("select")
    result = run("graph", "wesad-stress", "-o", "graph.svg", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    svg = (tmp_path / "graph.svg").read_text()
    assert svg.count('class="node') == len(p.nodes)
    assert svg.count('class="edge"') == sum(len(n.inputs) for n in p.nodes)
    hostile = Pipeline("x").acquire("folder", id="<b>&").window(60)
    assert "<b>" not in draw.svg([[n.id, n.stage, n.told, list(n.inputs)] for n in hostile.nodes])


# ---- proposals


def test_a_proposal_is_checked_and_runs(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    write_folder(tmp_path, seconds=70.0, phases=("Rest", "Task"))
    p = propose(tmp_path).check()
    assert p.node("acquire").settings["files"] == "{subject}/{subject}_{phase}_{signal}"
    assert [n.use for n in p.of("extract")] == ["ecg.hrv", "eda.basic"]
    assert p.node("label").settings["phases"] == {"Rest": 0, "Task": 1}
    assert p.node("window").settings == {"seconds": 60, "hop": 30}
    assert p.evaluate(tmp_path).told["estimates"][0]["n"] == 6


def test_proposals_know_data_sets(tmp_path: Path) -> None:
    from moodal.lab.data.sets import wesad

    wesad.generate(tmp_path / "W", 0)
    p = propose(tmp_path / "W").check()
    assert p.node("acquire").use == "wesad"
    assert set(p.node("label").settings["phases"]) == {"baseline", "stress", "amusement", "meditation"}


def test_a_folder_of_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it holds nothing"):
        propose(tmp_path)
    (tmp_path / "a b.c.txt").write_text("x")
    with pytest.raises(InputError, match="no known pattern"):
        propose(tmp_path)


# ---- the page


def test_python_and_toml_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    text = PAGE.read_text(encoding="utf-8")
    write_folder(tmp_path / "study", seconds=70.0, phases=("rest", "task"))
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, space)
    tables = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert tables
    for block in tables:
        tomllib.loads(block)
        from_toml(block).check()


def test_commands_of_the_page_exist() -> None:
    from moodal.cli.pipe import app

    known = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    asked = set(re.findall(r"moodal pipe (\w+)", PAGE.read_text(encoding="utf-8")))
    assert asked <= known
    assert asked >= {"run", "check", "graph", "new", "compare", "features"}
