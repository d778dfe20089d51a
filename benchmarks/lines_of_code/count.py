"""Lines of code of five experiments: AffectEval's published ones, with ordinary libraries, and as pipelines here.

    python benchmarks/lines_of_code/count.py [--write]

A line counts if it is neither blank nor comment (a docstring is a comment). Of a plain program its own modules count
too, wholly; of ours the TOML, and whatever of moodal serves that experiment alone (nothing does). Readers of data sets
serve every experiment on the set; their lines stand in a column of their own. Both programs are run on the same files
(made-up people in the layouts of WESAD and APD, and the real data in the compact layout where ``MOODAL_DATA`` has it)
and must score the same.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import subprocess
import sys
import tempfile
import tokenize
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLAIN = HERE / "plain"
PIPELINES = ROOT / "src" / "moodal" / "lab" / "recipes" / "pipelines"
SETS = ROOT / "src" / "moodal" / "lab" / "data" / "sets"
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Experiment:
    """One experiment: its pipeline and plain program, the readers it needs, and AffectEval's count.

    ``published`` are code lines of notebook and of re-formatting scripts (github.com/ANRGUSC/AffectEval, commit
    4fd3e1d: examples/schmidt.ipynb, zhou.ipynb, wesad.py, apd.py), counted in the same way. ``modules`` are local
    modules of the plain program; ``data`` where it lies: ``twin`` or a folder of ``MOODAL_DATA``.
    """

    name: str
    modules: tuple[str, ...]
    readers: tuple[str, ...]
    data: str
    published: tuple[int, ...] = ()
    metrics: tuple[str, ...] = ("accuracy", "uar")


EXPERIMENTS = (
    Experiment("wesad-stress", ("heart", "skin"), ("wesad",), "twin:WESAD", (868, 179)),
    Experiment("anxiety-phases", ("heart", "skin"), ("apd", "wesad"), "twin:", (706, 350)),
    Experiment("meld-text-audio", (), ("meld",), "fusion_meld", metrics=("accuracy", "uar", "macro_f1")),
    Experiment("ravdess-av", (), ("ravdess",), "ravdess_face_features", metrics=("accuracy", "uar", "macro_f1")),
    Experiment("eegmat", ("heart",), ("eegmat",), "body_eegmat"),
)


def python_lines(path: Path) -> int:
    """Lines that hold code: no blank, no comment, no docstring."""
    text = path.read_text(encoding="utf-8")
    docs: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            docs |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    idle = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in idle:
            held |= set(range(token.start[0], token.end[0] + 1))
    return len(held - docs)


def toml_lines(path: Path) -> int:
    """Lines that are neither blank nor comment."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


def plain_path(name: str) -> Path:
    return PLAIN / f"{name.replace('-', '_')}.py"


@dataclass
class Row:
    """What was counted of one experiment, and whether both programs score the same (None: not run)."""

    experiment: Experiment
    ours: int
    plain: int
    readers: int
    difference: float | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    data: str = ""

    @property
    def published(self) -> int | None:
        return sum(self.experiment.published) or None

    def saved(self, other: int | None) -> float | None:
        return None if other is None else 1 - self.ours / other


def count(experiment: Experiment) -> Row:
    return Row(
        experiment,
        toml_lines(PIPELINES / f"{experiment.name}.toml"),
        sum(python_lines(p) for p in (plain_path(experiment.name), *(PLAIN / f"{m}.py" for m in experiment.modules))),
        sum(python_lines(SETS / f"{r}.py") for r in experiment.readers),
    )


def run_plain(name: str, data: Path) -> dict[str, dict[str, float]]:
    """The plain program in a process of its own, as somebody would run it."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", plain_path(name).name, str(data)], cwd=PLAIN, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def run_ours(name: str, data: Path | None) -> dict[str, dict[str, float]]:
    """The pipeline: one row an estimate, and one a corpus where there are several."""
    from moodal.lab.pipeline import load

    card = load(name).evaluate(data)
    rows: dict[str, dict[str, float]] = {}
    for r in card.told["estimates"]:
        for corpus, scores in r["by_corpus"].items():
            rows[f"{r['name']}/{corpus}"] = scores
        if not r["by_corpus"]:
            rows[r["name"]] = r["metrics"]
    return rows


def agree(row: Row, data: Path, ours_data: Path | None) -> None:
    """Run both and keep the largest difference.

    Raises
    ------
    AssertionError : they name different estimates, or part by more than `TOLERANCE`.
    """
    name = row.experiment.name
    theirs, ours = run_plain(name, data), run_ours(name, ours_data)
    assert set(theirs) == set(ours), f"{name}: {sorted(theirs)} and {sorted(ours)}"
    row.scores = ours
    row.difference = max(abs(theirs[k][m] - ours[k][m]) for k in theirs for m in row.experiment.metrics)
    worst = {k: {m: (theirs[k][m], ours[k][m]) for m in row.experiment.metrics} for k in theirs}
    assert row.difference <= TOLERANCE, f"{name}: plain and ours part: {worst}"


def measured(folder: Path, run: bool = True) -> list[Row]:
    """Every row; ``folder`` is where made-up people are put."""
    rows = []
    home = Path(os.environ.get("MOODAL_DATA", ""))
    for experiment in EXPERIMENTS:
        row = count(experiment)
        rows.append(row)
        if not run:
            continue
        kind, _, place = experiment.data.partition(":")
        if kind == "twin":
            if not (folder / "WESAD").exists():
                sys.path.insert(0, str(HERE))
                import twins

                twins.wesad(folder / "WESAD")
                twins.apd(folder / "APD")
            agree(row, folder / place, folder / place)
            row.data = "made-up people"
        elif os.environ.get("MOODAL_DATA") and (home / kind).is_dir():
            agree(row, home / kind, None)
            row.data = "real"
    return rows


def lines_of(rows: list[Row]) -> list[str]:
    """The section of RESULTS.md."""
    sys.path.insert(0, str(HERE.parent))
    from results import table

    def share(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.1f} %"

    def best(row: Row) -> str:
        if not row.scores:
            return "not run"
        name, scores = max(row.scores.items(), key=lambda pair: pair[1]["uar"])
        return f"UAR {scores['uar']:.3f} ({name}; {row.data})"

    body = [
        [
            f"`{r.experiment.name}`",
            "–" if r.published is None else f"{' + '.join(map(str, r.experiment.published))} = {r.published}",
            str(r.plain), str(r.ours), share(r.saved(r.published)), share(r.saved(r.plain)),
            "not run" if r.difference is None else f"{r.difference:.0e}" if r.difference else "0", best(r),
            str(r.readers),
        ]
        for r in rows
    ]  # fmt: skip
    head = ["experiment", "AffectEval", "plain", "ours", "fewer than AffectEval", "fewer than plain",
            "largest difference of a score", "best estimate", "reader, shared"]  # fmt: skip
    return [
        "Lines that are neither blank nor comment. *AffectEval*: its published notebook and re-formatting scripts",
        "(github.com/ANRGUSC/AffectEval, commit 4fd3e1d). *Plain*: numpy, pandas, scipy and scikit-learn, in",
        "`benchmarks/lines_of_code/plain`, formatted by ruff; both programs run on the same files with the same folds",
        "and seeds. *Ours*: the TOML in `moodal/lab/recipes/pipelines`; no code of moodal serves one of them alone.",
        "*Reader*: lines of moodal that read the set, for every experiment on it (a plain program reads it itself).",
        "Goals: 95 % fewer than AffectEval's, 75 % fewer than plain. Scores on made-up people say nothing of people.",
        "",
        *table(head, body),
    ]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--write", action="store_true", help="write the table into benchmarks/RESULTS.md")
    asked.add_argument("--count", action="store_true", help="count only, run nothing")
    told = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(Path(folder), run=not told.count)
    lines = lines_of(rows)
    print("\n".join(lines))
    if told.write:
        from results import write_section

        write_section("lines of code", lines)


if __name__ == "__main__":
    main()
