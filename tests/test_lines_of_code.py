"""The lines-of-code table counts what it says, and both programs of an experiment score the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks" / "lines_of_code"
sys.path.insert(0, str(FOLDER))

import count  # noqa: E402
import twins  # noqa: E402


def test_a_line_counts_if_it_is_code(tmp_path: Path) -> None:
    assigned = '"""Doc\n\nmore."""\n\n# no\nx = (\n    1,  # yes\n\n)\n'
    function = 'def f():\n    """No."""\n    return """yes\nyes"""\n'
    (tmp_path / "a.py").write_text(assigned + function)
    assert count.python_lines(tmp_path / "a.py") == 3 + 1 + 2
    (tmp_path / "a.toml").write_text("# no\n\nname = 1\nx = [\n  1,\n]\n")
    assert count.toml_lines(tmp_path / "a.toml") == 4


@pytest.mark.parametrize("experiment", count.EXPERIMENTS, ids=lambda e: e.name)
def test_goals_of_lines(experiment: count.Experiment) -> None:
    row = count.count(experiment)
    assert row.saved(row.plain) >= 0.75
    if experiment.published:
        assert row.saved(row.published) >= 0.95


def test_plain_programs_use_ordinary_libraries_alone() -> None:
    for path in (FOLDER / "plain").glob("*.py"):
        assert "moodal" not in path.read_text(encoding="utf-8")


def test_plain_and_ours_score_the_same_on_made_up_people(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    twins.apd(tmp_path / "APD", people=3)
    twins.wesad(tmp_path / "WESAD", people=3)
    experiment = next(e for e in count.EXPERIMENTS if e.name == "anxiety-phases")
    row = count.count(experiment)
    count.agree(row, tmp_path, tmp_path)
    assert row.difference is not None
    assert row.difference <= count.TOLERANCE


@pytest.mark.slow
def test_every_experiment_scores_the_same(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    for row in count.measured(tmp_path):
        assert row.difference is None or row.difference <= count.TOLERANCE, row.experiment.name
