"""Write what comes from code: pages of docs/reference, and the section of experts in benchmarks/RESULTS.md."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import experts_page

from moodal import weights
from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.track import GAP_REASONS
from moodal.derive import track_specs
from moodal.formats.neurokit import HRV, MEASURES, SIGNALS
from moodal.measure import extractor_specs

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "reference"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
BUNDLES = (ROOT / "src" / "moodal" / "bundles", ROOT / "research" / "src" / "moodal_research")


def tracks() -> str:
    """Every track with its fields and units, and the gap reasons."""
    lines = ["# Tracks", "", "Written by `tools/make_docs.py` from the specs of extractors and experts.", ""]
    for spec in track_specs():
        rate = (
            f"{spec.rate_hz:g} Hz" if spec.rate_hz else "frames of the picture" if spec.modality == "face" else "events"
        )
        lines += [
            f"## {spec.name}",
            "",
            f"{spec.about}. Rate: {rate}. Look-ahead: {spec.look_ahead_s:g} s. Source: {spec.source}.",
            "",
        ]
        if not spec.keep:
            lines += ["Not stored by `analyze` unless asked for (`--keep`); `extract` gives it.", ""]
        if len(spec.fields) > 60:
            lines += [
                f"{len(spec.fields)} fields: `{spec.fields[0].name}`, `{spec.fields[1].name}` … "
                f"`{spec.fields[-1].name}`",
                "",
            ]
            continue
        lines += ["| field | unit | about |", "| --- | --- | --- |"]
        lines += [f"| `{f.name}` | {f.unit or '–'} | {f.about or '–'} |" for f in spec.fields] + [""]
    lines += ["## Gap reasons", "", "| reason | in words |", "| --- | --- |"]
    lines += [f"| `{name}` | {words} |" for name, words in GAP_REASONS.items()]
    return "\n".join(lines) + "\n"


def bundles() -> list[Bundle]:
    """By their files: what is installed differs from machine to machine."""
    paths = [p for home in BUNDLES for p in sorted(home.iterdir()) if p.suffix == ".bundle" or p.is_dir()]
    return [Bundle.open(p) for p in paths if p.name != "__pycache__"]


def models() -> str:
    """Every model file and bundle with its terms."""
    lines = [
        "# Models",
        "",
        "Written by `tools/make_docs.py` from the manifest. `moodal models card NAME` prints more.",
        "",
    ]
    lines += ["| name | MB | licence | commercial use | data | package |", "| --- | --- | --- | --- | --- | --- |"]
    for entry in weights.entries():
        row = entry.as_dict()
        allowed = "yes" if row["commercial"] else "not clearly"
        cells = (
            f"`{entry.name}`",
            f"{row['bytes'] / 1e6:.1f}",
            row["licence"],
            allowed,
            row["data_terms"],
            row["package"],
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| bundle | kind | licence | commercial use | data |", "| --- | --- | --- | --- | --- |"]
    for bundle in bundles():
        m = bundle.manifest
        lines.append(
            f"| `{bundle.name}` | {m['kind']} | {m['licence']} | {'yes' if m['commercial'] else 'no'} "
            f"| {m['data_terms']} |"
        )
    return "\n".join(lines) + "\n"


def datasets() -> str:
    """Every data set that has a reader: what it holds, its terms, how to get it and how it must lie."""
    lines = [
        "# Data sets",
        "",
        "Written by `tools/make_docs.py` from the readers' specs (`src/moodal/lab/data/sets/`).",
        "",
        "moodal ships no data set and fetches none. A reader takes the folder that you got from its makers, "
        "in the official layout; without a folder it looks under `MOODAL_DATA` for the folder named *compact* "
        "(our own cut) or for one named after the set. A part that is not there is one line: what it is, "
        "where to get it, under which terms. Labels are kept as the files spell them; `ekman8` is a second "
        "label by the table below, and what that table leaves out has no such label. Every reader can also "
        "`generate` a twin: a small made-up copy of the official layout, with real files and a known truth, "
        "on which its laws are tested.",
        "",
        "| set | modalities | labels | commercial use | terms |",
        "| --- | --- | --- | --- | --- |",
    ]
    modules = {name: registry.load("sets", name) for name in sorted(registry.names("sets"))}
    for name, module in modules.items():
        spec = module.SPEC
        cells = (
            f"[{spec.title}](#{name}) `{name}`",
            ", ".join(spec.modalities),
            ", ".join(f"`{label}`" for label in spec.labels),
            spec.commercial,
            spec.licence,
        )
        lines.append(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |")
    for name, module in modules.items():
        spec = module.SPEC
        lines += [
            "",
            f"## {name}",
            "",
            str(module.__doc__).split("\n")[0],
            "",
            f"- **Get it:** {spec.where}",
            f"- **Layout:** {spec.layout}",
            f"- **Source:** {spec.source}",
            f"- **People:** {spec.subjects}",
        ]
        if spec.compact:
            lines.append(f"- **Compact:** `{spec.compact}`")
        settings = [p for p in inspect.signature(module.read).parameters.values() if p.name != "root"]
        if settings:
            lines.append(f"- **Settings:** {', '.join(f'`{p.name} = {p.default!r}`' for p in settings)}")
        if isinstance(table := getattr(module, "EKMAN8", None), dict):
            told = ", ".join(f"{a} → {b}" if a != b else a for a, b in table.items())
            lines.append(f"- **To `ekman8`:** {told}")
        lines.append(f"- **Twin:** {str(module.generate.__doc__).strip().split(chr(10))[0]}")
    return "\n".join(lines) + "\n"


def neurokit() -> str:
    """Our name of every measurement of the body that NeuroKit2 has a column for, and those without one."""
    specs = {t.name: t for e in extractor_specs().values() for t in e.tracks}
    rows: list[tuple[str, str, str, str]] = []
    for file, signal in SIGNALS.items():
        named = [(signal.track, field, column) for column, field in signal.fields.items()]
        named += [(signal.track, "quality", signal.quality)] if signal.quality else []
        named += [("body.heart", "hr", signal.rate)] if signal.rate else []
        named += [("body.beats", "both ends of a row", signal.beats)] if signal.beats else []
        at = {"onset": "beginning of a row", "peak": "peak", "recovery": "peak + recovery_time"}
        named += [("body.scr", at[moment], column) for column, moment in signal.events.items()]
        named += [("body.scr", field, column) for column, field in signal.at_peaks.items()]
        rows += [(track, field, column, f"{file}.csv") for track, field, column in named]
    for file, track in MEASURES.items():
        rows += [(track, f.name, HRV[f.name], f"{file}.csv") for f in specs[track].fields if f.name in HRV]
    lines = [
        "# Names in NeuroKit2",
        "",
        "Written by `tools/make_docs.py` from the code of `--write neurokit` ([formats out](formats-out.md), "
        "[body](body.md)); a test holds the",
        "names to NeuroKit2's own tables. Units are moodal's.",
        "",
        "| track | what | unit | NeuroKit2 | file |",
        "| --- | --- | --- | --- | --- |",
    ]
    for track, field, column, file in rows:
        unit = next((f.unit for f in specs[track].fields if f.name == field), "")
        lines.append(f"| `{track}` | {field} | {unit or '–'} | `{column}` | `{file}` |")
    without = [c for s in SIGNALS.values() for c in s.columns if c not in {row[2] for row in rows}]
    used = {(track, field) for track, field, _, _ in rows}
    ours = [
        f"`{t}` {f.name}"
        for t, s in specs.items()
        for f in s.fields
        if s.modality == "body" and (t, f.name) not in used
    ]
    lines += ["", f"Columns that stay empty: {', '.join(f'`{c}`' for c in without)}."]
    lines += ["", f"Fields without a column there: {', '.join(ours)}."]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the pages; with --check say whether they are up to date."""
    stale = []
    pages = (
        ("tracks.md", tracks()),
        ("models.md", models()),
        ("neurokit.md", neurokit()),
        ("datasets.md", datasets()),
        ("experts.md", experts_page.page(bundles())),
        (str(RESULTS), experts_page.replaced(RESULTS.read_text(encoding="utf-8"), bundles())),
    )
    for name, text in pages:
        path = DOCS / name  # an absolute one stays what it is
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
