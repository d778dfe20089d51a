"""Tables of the experts from their bundles: docs/reference/experts.md, and their section of benchmarks/RESULTS.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moodal.core.bundle import Bundle

START, END = "<!-- experts: written by tools/make_docs.py from the bundles -->", "<!-- end of experts -->"
ABOUT = (
    "Each figure is of people (documents, or pictures, where a set names no people) whom the model that told them had "
    "not seen; the command that makes the bundle from the data prints it again. Intervals are at 95 %, by bootstrap "
    "over people. *Trivial* is what saying the same of everything gets, *simple* a plain baseline, *goal* the aim."
)


def experts(bundles: Sequence[Bundle]) -> list[Bundle]:
    """Those whose scores were measured by `moodal train`."""
    return [b for b in bundles if isinstance(b.manifest.get("recipe"), dict) and b.manifest["recipe"].get("name")]


def page(bundles: Sequence[Bundle]) -> str:
    """The page of the reference."""
    told = experts(bundles)
    lines = [
        "# Experts",
        "",
        "Written by `tools/make_docs.py` from the bundles. What they are and how they are made: "
        "[experts](../explanation/experts.md).",
        "",
        ABOUT,
        "",
        *(line for b in told for line in (f"- [`{b.name}`](#{b.name}): {_title(b)}",)),
    ]
    for bundle in told:
        lines += ["", f"## {bundle.name}", "", *_body(bundle)]
    return "\n".join(lines) + "\n"


def section(bundles: Sequence[Bundle]) -> str:
    """The section of RESULTS.md: scores and coverage of all, without groups."""
    told = experts(bundles)
    lines = [START, "", "## Experts", "", ABOUT, "", *_scores(told), ""]
    rows = [row for b in told for row in _coverage(b)]
    if rows:
        lines += [
            "### Calibration on people that neither model nor calibration had seen",
            "",
            BY_CHANCE,
            "",
            *COVERAGE_HEAD,
            *rows,
            "",
        ]
    for bundle in told:
        lines += _subsets(bundle, "###")
    return "\n".join([*lines, END])


def replaced(text: str, bundles: Sequence[Bundle]) -> str:
    """RESULTS.md with its section of experts as it is now."""
    if START not in text:
        return f"{text.rstrip()}\n\n{section(bundles)}\n"
    before, rest = text.split(START, 1)
    return f"{before}{section(bundles)}{rest.split(END, 1)[1]}"


BY_CHANCE = (
    "*By chance*: the ECE that probabilities would show on as many examples if they meant just what they say: its "
    "mean, and what 95 % of such draws stay below."
)
COVERAGE_HEAD = (
    "| bundle | protocol | level | covered | 95 % interval | mean set size | ECE | by chance |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
)


def _title(bundle: Bundle) -> str:
    m = bundle.manifest
    return f"{m['licence']}, {'commercial use allowed' if m['commercial'] else 'not for commercial use'}"


def _body(bundle: Bundle) -> Iterator[str]:
    m = bundle.manifest
    yield f"`moodal train {m['recipe']['name']}` makes it. {m['data_terms']}. {_title(bundle)}."
    yield ""
    yield from _scores([bundle])
    if rows := _coverage(bundle):
        yield from ("", BY_CHANCE, "", *COVERAGE_HEAD, *rows)
    if subsets := _subsets(bundle, "###"):
        yield from ("", *subsets)
    for name, columns in m.get("groups", {}).items():
        for column, groups in columns.items():
            yield from ("", f"{name}, by {column}:", "", "| group | value | n | people |", "| --- | --- | --- | --- |")
            yield from (f"| {g} | {r['value']:.3f} | {r['n']} | {r['people']} |" for g, r in groups.items())


def _scores(bundles: Sequence[Bundle]) -> list[str]:
    lines = [
        "| bundle | protocol | metric | value | 95 % interval | trivial | goal | n | over | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for b in bundles:
        for name, row in b.manifest["scores"].items():
            lines.append(_row(f"`{b.name}`", f"{name}: {row['protocol']}" if name != row["protocol"] else name, row))
            for dimension, told in row.get("by_dimension", {}).items():
                lines.append(
                    f"| `{b.name}` | {name}: {dimension} | r | {told['pearson_r']:.3f} | {_span(told['interval'])} | "
                    f"0 | {_goal(told)} | {row['n']} | {row['units']} | {row['seeds']} |"
                )
        lines += [_row(f"`{b.name}`, simple", name, row) for name, row in b.manifest.get("rivals", {}).items()]
    return lines


def _row(who: str, name: str, row: dict[str, Any]) -> str:
    return (
        f"| {who} | {name} | {row['metric'].replace('_', ' ')} | {row['value']:.3f} | {_span(row['interval'])} | "
        f"{row['trivial']:.3f} | {_goal(row)} | {row['n']} | {row['units']} | {row['seeds']} |"
    )


def _goal(row: dict[str, Any]) -> str:
    return f"{row['reach']:g}{' ✓' if row.get('value', row.get('pearson_r')) >= row['reach'] else ' ✗'}" if (
        "reach" in row
    ) else "–"  # fmt: skip


def _span(interval: Sequence[float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def _coverage(bundle: Bundle) -> list[str]:
    rows = []
    for protocol, part in bundle.manifest.get("coverage", {}).items():
        kinds = {"": part["coverage"]} if "ece" in part else {f", {d}": c for d, c in part["coverage"].items()}
        for what, levels in kinds.items():
            for level, c in levels.items():
                size = f"{c['mean_set_size']:.2f}" if "mean_set_size" in c else "–"
                error = f"{part['ece']:.3f}" if "ece" in part else "–"
                chance = _chance(part)
                rows.append(f"| `{bundle.name}` | {protocol}{what} | {level} | {c['observed']:.3f} | "
                            f"{_span(c['interval'])} | {size} | {error} | {chance} |")  # fmt: skip
    return rows


def _chance(part: Mapping[str, Any]) -> str:
    told = part.get("ece_by_chance")
    return f"{told[0]:.3f}, up to {told[1]:.3f}" if told else "–"


def _subsets(bundle: Bundle, mark: str) -> list[str]:
    card = bundle.manifest.get("subset_card")
    if not card:
        return []
    lines = [f"{mark} {bundle.name}: every subset", "", card["about"], "",
             "| subset | value | 95 % interval | n |", "| --- | --- | --- | --- |"]  # fmt: skip
    lines += [f"| {r['subset']} | {r['value']:.3f} | {_span(r['interval'])} | {r['n']} |" for r in card["rows"]]
    lines += ["", *(f"- {line}" for line in card.get("findings", ())), ""]
    if rows := bundle.manifest.get("coverage_by_subset"):
        lines += [
            f"{mark} {bundle.name}: label sets at 90 %, by what is there", "",
            "Each subset has its own threshold, counted on people whom it was not fitted on; where pairs are made up, "
            "which flatters, the most cautious of the recorded ones within it.", "",
            "| subset | told on | threshold | covered | 95 % interval | mean set size | n |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]  # fmt: skip
        lines += [
            f"| {r['subset']} | {r['seen']} | {r['least']:.3f} | {r['observed']:.3f} | {_span(r['interval'])} | "
            f"{r['mean_set_size']:.2f} | {r['n']} |"
            for r in rows
        ]
        lines.append("")
    return lines
