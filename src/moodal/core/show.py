"""How a Mood draws itself in a notebook: one lane a subject, the sentence, the gaps."""

from __future__ import annotations

from html import escape
from typing import Any

from .mood import Mood

__all__ = ["mood_html"]

_WIDTH, _HEIGHT = 640, 26


def _block(segment: dict[str, Any], per_s: float) -> str:
    """One stretch: stronger where the label set is smaller, outlined grey where nothing is told."""
    x, width = segment["start_s"] * per_s, (segment["end_s"] - segment["start_s"]) * per_s
    labels = segment["label_set"]
    strength = {0: 0.0, 1: 0.92, 2: 0.5, 3: 0.28}.get(len(labels), 0.12)
    words = " or ".join(labels) if labels else "we cannot tell"
    title = f"{segment['start_s']:.1f} to {segment['end_s']:.1f} s: {words}"
    fits = width > 7 * len(words)
    ink = "#fff" if strength > 0.9 else "#14202b"
    return (
        f'<g><title>{escape(title)}</title><rect x="{x:.1f}" y="0" width="{max(width, 1):.1f}" height="{_HEIGHT}" '
        f'fill="#1B5E9E" fill-opacity="{strength}" stroke="#7F8B96" stroke-width="0.5"/>'
        + (f'<text x="{x + 4:.1f}" y="17" font-size="11" fill="{ink}">{escape(words)}</text>' if fits else "")
        + "</g>"
    )


def mood_html(mood: Mood) -> str:
    """A small self-contained table with one drawn lane a subject; outside text is escaped."""
    summary = mood.summary()
    per_s = _WIDTH / max(mood.duration_s, 1e-9)
    rows = []
    for subject in summary["subjects"]:
        lane = "".join(_block(s, per_s) for s in subject["segments"])
        missing = ", ".join(sorted({f"{g['modality']}: {g['reason']}" for g in subject["gaps"]})) or "nothing"
        rows.append(
            f"<tr><td>{escape(subject['id'])}</td><td><svg width='{_WIDTH}' height='{_HEIGHT}' role='img'>"
            f"{lane}</svg></td></tr><tr><td></td><td><small>missing: {escape(missing)}</small></td></tr>"
        )
    status = "calibrated" if mood.calibrated else "scores, not calibrated on people"
    return (
        f"<p><b>{escape(mood.recording)}</b>, {mood.duration_s:.1f} s: displayed emotion ({status}). "
        f"Not what anybody feels.</p><table>{''.join(rows) or '<tr><td>nobody</td></tr>'}</table>"
    )
