"""A report as a terminal, Markdown and CSV show it: the same sections, written three ways."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .report import Report, Row

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["Section", "csv_text", "figure", "markdown", "sections", "terminal"]

#: What a metric is called where a person reads it.
TITLES = {
    "uar": "UAR", "macro_f1": "macro F1", "weighted_f1": "weighted F1", "micro_f1": "micro F1", "mcc": "MCC",
    "auc": "AUC",
    "mean_average_precision": "mAP", "ece": "ECE", "brier": "Brier", "pearson_r": "Pearson r", "ccc": "CCC",
    "rmse": "RMSE", "r2": "R²", "mae": "MAE", "kl": "KL", "js": "JS", "cross_entropy": "cross-entropy",
    "top1_agreement": "top-1 agreement",
}  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A titled table; the first column is text, ``texts`` are further columns of text."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    texts: tuple[int, ...] = ()


def figure(value: float, digits: int = 3) -> str:
    """A figure, or a dash where it is not defined."""
    return f"{value:.{digits}f}".replace("-", "−") if np.isfinite(value) else "–"


def _span(low: float, high: float) -> str:
    return f"{figure(low)} to {figure(high)}" if np.isfinite(low) else "–"


def _p(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def title_of(metric: str) -> str:
    """The metric's name as a person reads it."""
    return TITLES.get(metric, metric.replace("_", " "))


def plural(n: int, noun: str) -> str:
    """``1 subject``, ``12 subjects``."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def sections(report: Report) -> list[Section]:
    """The tables of a report, in reading order; those that have nothing to say are left out."""
    real = [r for r in report.rows if not r.trivial]
    out = [_scores(report)]
    rows: tuple[tuple[str, ...], ...]
    head: tuple[str, ...]
    if report.comparisons:
        rows = tuple(
            (f"{c.a} − {c.b}", figure(c.difference), _span(c.low, c.high), _p(c.p), _p(c.p_holm))
            for c in report.comparisons
        )
        note = f"Two-sided permutation test over {plural(report.n_units, report.unit)}; Holm over the rows."
        out.append(Section("Differences", ("pair", "difference", "95 % interval", "p", "p, Holm"), rows, note))
    if report.kind == "class":
        names = report.classes
        rows = tuple((r.name, *(figure(r.recall[c], 2) for c in names)) for r in real)
        out.append(Section("Recall by class", ("learner", *names), rows))
        head = (
            "learner",
            "ECE",
            "Brier",
            f"coverage at {real[0].coverage['level']:.0%}".replace("%", " %"),
            "set size",
        )
        rows = tuple(
            (r.name, figure(r.metrics["ece"]), figure(r.metrics["brier"]), figure(r.coverage["observed"]),
             figure(r.coverage["mean_set_size"], 2))
            for r in real
        )  # fmt: skip
        note = "ECE over ten bins of equal mass. Label sets: split conformal, set on each fold's validation part."
        out.append(Section("Calibration", head, rows, note))
    others = [m for m in real[0].metrics if m not in (report.metric, "ece", "brier")]
    if others:
        rows = tuple((r.name, *(figure(r.metrics[m]) for m in others)) for r in report.rows)
        out.append(Section("Other figures", ("learner", *(title_of(m) for m in others)), rows))
    if report.cells:
        out.append(_card(report))
    if report.groups:
        rows = tuple(
            (g.learner, f"{g.column} = {g.value}", figure(g.score), _span(g.low, g.high), f"{g.n:,}", str(g.units))
            for g in report.groups
        )
        head = ("learner", "group", title_of(report.metric), "95 % interval", "n", f"{report.unit}s")
        out.append(Section("By group", head, rows, texts=(1,)))
    return out


def _scores(report: Report) -> Section:
    rows = []
    for r in report.rows:
        told = "; ".join((r.verdict, *r.flags)) if not r.trivial else "trivial"
        if r.withheld:
            told += f"; {r.withheld:,} withheld"
        spread = f"{figure(r.folds_mean)} ± {figure(r.folds_sd)}" if np.isfinite(r.folds_sd) else "–"
        rows.append((r.name, figure(r.score), _span(r.low, r.high), spread, told))
    head = (
        "learner",
        title_of(report.metric),
        "95 % interval",
        f"mean ± sd of {plural(len(report.folds), 'fold')}",
        "verdict",
    )
    seeds = f", mean over {len(report.seeds)} seeds" if len(report.seeds) > 1 else ""
    better = "" if report.higher else " Lower is better."
    note = (
        f"Pooled over folds{seeds}: {plural(report.n, 'example')}. "
        f"Interval: bootstrap over {plural(report.n_units, report.unit)}.{better}"
    )
    return Section("Scores", head, tuple(rows), note, (4,))


def _card(report: Report) -> Section:
    patterns = list(dict.fromkeys(c.pattern for c in report.cells))
    subsets = list(dict.fromkeys(c.modalities for c in report.cells))
    told = {(c.modalities, c.pattern): c for c in report.cells}
    rows = []
    for subset in subsets:
        cells = []
        for pattern in patterns:
            cell = told.get((subset, pattern))
            cells.append(figure(cell.score) if cell else "–")
        whole = told[subset, ""]
        rows.append((" + ".join(subset), cells[0], _span(whole.low, whole.high), *cells[1:]))
    head = ("there", title_of(report.metric), "95 % interval", *(p for p in patterns if p))
    note = f"{report.card}, trained on everything, tested with these modalities alone."
    return Section("Any subset", head, tuple(rows), note)


def lead(report: Report) -> list[str]:
    """What a reader must know first: a line on the data, one on the protocol, then every notice."""
    d = report.data
    people = f" of {plural(d['subjects'], 'subject')}" if d["subjects"] else ""
    have = ", ".join(m if n == d["examples"] else f"{m} (in {n:,})" for m, n in d["modalities"].items())
    apart = ", ".join(report.protocol["disjoint"])
    lines = [
        f"{d['name']}: {plural(d['examples'], 'example')}{people}" + (f"; {have}" if have else ""),
        f"Protocol: {report.protocol['name']}, {plural(len(report.folds), 'fold')}; apart: {apart}",
    ]
    return lines


def quotes(report: Report) -> list[str]:
    """The goal and what is published, each with what it may be compared with."""
    lines = []
    row = report.headline
    if report.goal:
        reach = float(report.goal["reach"])
        met = row.score >= reach if report.higher else row.score <= reach
        lines.append(
            f"Goal for {row.name}: {title_of(report.metric)} {figure(reach)}, "
            f"{'reached' if met else 'not reached'} with {figure(row.score)} ({_span(row.low, row.high)})"
        )
    for p in report.published:
        lines.append(f"Published: {title_of(p['metric'])} {figure(p['value'])} under {p['protocol']} ({p['source']})")
    return lines


def settings_lines(report: Report) -> list[str]:
    """What each learner was, what its search chose and how much it tried."""
    lines = []
    for r in report.rows:
        if r.trivial:
            continue
        fits = f"{plural(r.tried, 'fit')} tried" if r.tried > 1 else "one fit"
        told = "; ".join(r.chosen[:3]) + (f"; and {len(r.chosen) - 3} more" if len(r.chosen) > 3 else "")
        lines.append(f"{r.name}: {fits}" + (f"; chosen {told}" if told else "") + f"; settings {_settings(r)}")
    return lines


def _settings(row: Row) -> str:
    told = {k: v for k, v in row.settings.items() if v not in ("", {}, [], None)}
    return ", ".join(f"{k}={_short(v)}" for k, v in told.items()) or "none"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}={_short(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_short(v) for v in value) + "]"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _cell(text: str) -> str:
    """Text from a table of the user's own must not end a Markdown cell, or begin a tag."""
    plain = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return plain.replace("|", "\\|").replace("<", "&lt;")


def markdown(report: Report, *, level: int = 1) -> str:
    """The report as Markdown."""
    head = "#" * level
    lines = [f"{head} {_cell(report.name)}" + (f": {_cell(report.title)}" if report.title else ""), ""]
    lines += [f"{_cell(line)}  " for line in lead(report)]
    lines += ["", *(f"- **Notice**: {_cell(n)}" for n in report.notices), *(f"- {_cell(q)}" for q in quotes(report))]
    for section in sections(report):
        lines += ["", f"{head}# {section.title}", ""]
        align = [":---" if i == 0 or i in section.texts else "---:" for i in range(len(section.head))]
        lines += [f"| {' | '.join(_cell(c) for c in row)} |" for row in (section.head, align, *section.rows)]
        if section.note:
            lines += ["", _cell(section.note)]
    lines += ["", f"{head}# How", ""]
    lines += [f"- {_cell(line)}" for line in settings_lines(report)]
    lines += [f"- contamination: {_cell(report.contamination)}"]
    lines += [
        f"- {', '.join(f'{k} {v}' for k, v in report.versions.items())}; seeds {', '.join(map(str, report.seeds))}"
    ]
    if report.command:
        lines += [f"- made by `{_cell(report.command).replace('`', '?')}`"]
    return "\n".join(lines) + "\n"


def csv_text(report: Report) -> str:
    """Every figure as one long table: ``part, learner, modalities, pattern, group, metric, value, low, high, n``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("part", "learner", "modalities", "pattern", "group", "metric", "value", "low", "high", "n"))

    def write(part: str, learner: str, *cells: Any, numbers: Sequence[float]) -> None:
        told = ["" if not np.isfinite(v) else f"{v:.10g}" for v in numbers]
        writer.writerow((part, learner, *cells, *told))

    nan = float("nan")
    for r in report.rows:
        which = "+".join(r.modalities)
        write("score", r.name, which, "", "", report.metric, numbers=(r.score, r.low, r.high, report.n))
        for m, value in r.metrics.items():
            write("figure", r.name, which, "", "", m, numbers=(value, nan, nan, report.n))
        for (fold, _, _, n), value in zip(report.folds, r.by_fold, strict=False):
            write("fold", r.name, which, "", fold, report.metric, numbers=(value, nan, nan, n))
        for name, value, n in r.units:
            write(report.unit, r.name, which, "", name, report.metric, numbers=(value, nan, nan, n))
        for c, value in r.recall.items():
            write(
                "recall",
                r.name,
                which,
                "",
                c,
                "recall",
                numbers=(value, nan, nan, sum(r.confusion[report.classes.index(c)])),
            )
        if r.coverage:
            write("coverage", r.name, which, "", "", "coverage", numbers=(r.coverage["observed"], nan, nan, report.n))
    for d in report.comparisons:
        write(
            "difference",
            f"{d.a} - {d.b}",
            "",
            "",
            "",
            report.metric,
            numbers=(d.difference, d.low, d.high, report.n_units),
        )
        write("p_holm", f"{d.a} - {d.b}", "", "", "", report.metric, numbers=(d.p_holm, nan, nan, report.n_units))
    for cell in report.cells:
        write("subset", report.card, "+".join(cell.modalities), cell.pattern, "", report.metric,
              numbers=(cell.score, cell.low, cell.high, report.n))  # fmt: skip
    for g in report.groups:
        write("group", g.learner, "", "", f"{g.column}={g.value}", report.metric, numbers=(g.score, g.low, g.high, g.n))
    return text.getvalue()


def terminal(report: Report) -> Group:
    """The report for a terminal of 80 columns."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    def clean(text: str) -> str:
        return "".join(c if c.isprintable() else "?" for c in text)

    parts: list[Any] = [Text(clean(f"{report.name}  {report.title}".strip()), style="bold")]
    parts += [Text(clean(line), style="dim") for line in lead(report)]
    parts += [Text(clean(f"! {n}"), style="yellow") for n in report.notices]
    parts += [Text(clean(q)) for q in quotes(report)]
    for section in sections(report):
        if section.title == "Other figures":
            continue  # in every written form; a terminal has 80 columns
        table = Table(box=None, padding=(0, 1), pad_edge=False, title_justify="left", expand=False)
        for i, head in enumerate(section.head):
            left = i == 0 or i in section.texts
            table.add_column(Text(clean(head)), justify="left" if left else "right", overflow="fold")
        for row in section.rows:
            trivial = section.title == "Scores" and row[-1] == "trivial"
            table.add_row(*(Text(clean(c)) for c in row), style="dim" if trivial else "")
        parts += [Text(""), Text(section.title, style="bold"), table]
        if section.note:
            parts.append(Text(clean(section.note), style="dim"))
    parts += [Text(""), *(Text(clean(line), style="dim") for line in settings_lines(report))]
    return Group(*parts)
