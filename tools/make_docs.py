"""Write the reference pages that come from code: docs/reference/tracks.md and models.md."""

from __future__ import annotations

import sys
from pathlib import Path

from moodal import weights
from moodal.core import registry
from moodal.core.track import GAP_REASONS
from moodal.measure import extractor_specs

DOCS = Path(__file__).parent.parent / "docs" / "reference"


def tracks() -> str:
    """Every track with its fields and units, and the gap reasons."""
    lines = ["# Tracks", "", "Written by `tools/make_docs.py` from the extractors' specs.", ""]
    for extractor in extractor_specs().values():
        for spec in extractor.tracks:
            rate = (
                f"{spec.rate_hz:g} Hz"
                if spec.rate_hz
                else "frames of the picture"
                if spec.modality == "face"
                else "events"
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
    for bundle in registry.bundles().values():
        m = bundle.manifest
        lines.append(
            f"| `{bundle.name}` | {m['kind']} | {m['licence']} | {'yes' if m['commercial'] else 'no'} "
            f"| {m['data_terms']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the pages; with --check say whether they are up to date."""
    stale = []
    for name, text in (("tracks.md", tracks()), ("models.md", models())):
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
