"""The tutorial notebooks, cell by cell, as a reader runs them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parent.parent / "docs" / "tutorials").glob("*.ipynb"))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_every_cell_runs_and_shows_itself(path: Path) -> None:
    pytest.importorskip("pandas")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    space: dict[str, object] = {}
    shown = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [], "outputs are made by whoever runs it"
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, path.name, "exec"), space)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), path.name, "eval"), space)  # type: ignore[attr-defined]
            for drawn in ("_repr_html_", "_repr_svg_"):
                if hasattr(value, drawn):
                    assert getattr(value, drawn)()
            shown += 1
    assert shown >= 3


def test_there_is_a_tutorial() -> None:
    assert TUTORIALS
