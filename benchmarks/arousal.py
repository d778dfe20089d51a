"""Does the arousal of the voice tell strong anger from calm? AUC with an interval over resampled speakers.

``python benchmarks/run.py arousal`` writes the section. RAVDESS had no part in choosing the rule's cues, places and
weights; the neutral clips of EmoDB and nEMO gave it its places and spreads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import clips
import results

Row = dict[str, str]
DRAWS, SEED = 2000, 7
TESTS: tuple[tuple[str, str, Callable[[Row], bool], Callable[[Row], bool]], ...] = (
    (
        "RAVDESS: angry (strong) against calm",
        "ravdess",
        lambda r: r["emotion"] == "angry" and r["intensity"] == "strong",
        lambda r: r["emotion"] == "calm",
    ),
    ("EmoDB: anger against neutral", "emodb", lambda r: r["emotion"] == "anger", lambda r: r["emotion"] == "neutral"),
    ("nEMO: anger against neutral", "nemo", lambda r: r["emotion"] == "anger", lambda r: r["emotion"] == "neutral"),
)


def auc(high: npt.NDArray[np.float64], low: npt.NDArray[np.float64]) -> float:
    """Share of pairs in which the first is higher, ties half; a pair with a NaN counts as lost."""
    told = np.isfinite(high)[:, None] & np.isfinite(low)[None]
    won = np.where(told, (np.sign(high[:, None] - low[None]) + 1) / 2, 0.0)
    return float(won.mean())


def interval(values: npt.NDArray[np.float64], high: npt.NDArray[np.bool_], speakers: list[str]) -> str:
    """AUC of what is told, with the middle 95 % over resampled speakers."""
    rng = np.random.default_rng(SEED)
    names = sorted(set(speakers))
    of = [np.flatnonzero(np.array(speakers) == n) for n in names]
    scores = []
    for _ in range(DRAWS):
        at = np.concatenate([of[i] for i in rng.integers(0, len(names), len(names))])
        part, side = values[at], high[at]
        a, b = part[side & np.isfinite(part)], part[~side & np.isfinite(part)]
        if len(a) and len(b):
            scores.append(auc(a, b))
    low, top = np.percentile(scores, [2.5, 97.5])
    told = np.isfinite(values)
    return f"{auc(values[high & told], values[~high & told]):.3f} ({low:.3f} to {top:.3f})"


def run(data: Path, work: Path, measure: Callable[..., dict[str, float]], peers: Callable[[], Path]) -> list[str]:
    rows: list[Row] = []
    sides: list[bool] = []
    for _, name, is_high, is_low in TESTS:
        for row in clips.table(data, name):
            if is_high(row) or is_low(row):
                rows.append(row)
                sides.append(is_high(row))
    files = clips.unpack(data, rows, work / "clips")
    (work / "clips.json").write_text(json.dumps([str(f) for f in files]), encoding="utf-8")
    measure("measure_ours.py", "arousal", str(work / "clips.json"), str(work / "arousal.json"))
    answers = json.loads((work / "arousal.json").read_text(encoding="utf-8"))
    values = {k: np.array([np.nan if a[k] is None else a[k] for a in answers]) for k in ("arousal", "level", "crest")}
    high = np.array(sides)
    lines = [
        "Arousal that `moodal.analyze(clip, only='voice')` gives over a whole clip: AUC over the clips that are told,",
        "95 % interval over resampled speakers. *Withheld lost* counts each pair with a withheld clip as lost.",
        "The baselines are the clip's level, as recorded and after scaling every clip to one peak.",
        "",
    ]
    out, reasons = [], []
    for title, name, _, _ in TESTS:
        here = np.array([r["set"] == name for r in rows])
        side, told = high[here], values["arousal"][here]
        speakers = [r["speaker"] for r, h in zip(rows, here, strict=True) if h]
        missing = (
            f"{int(np.isnan(told[side]).sum())} of {side.sum()}, {int(np.isnan(told[~side]).sum())} of {(~side).sum()}"
        )
        out.append(
            [
                f"{title}, {len(set(speakers))} speakers",
                interval(told, side, speakers),
                missing,
                f"{auc(told[side], told[~side]):.3f}",
                f"{np.nanmean(told[side]):+.2f}, {np.nanmean(told[~side]):+.2f}",
                interval(values["level"][here], side, speakers),
                interval(values["crest"][here], side, speakers),
            ]
        )
        for s, label in ((True, "first"), (False, "second")):
            why = [
                a["reason"]
                for a, h, k in zip(answers, here, high, strict=True)
                if h and k == s and a["arousal"] is None
            ]
            if why:
                counts = ", ".join(f"{why.count(w)} {w}" for w in sorted(set(why)))
                reasons.append(f"{title}, {label} class withheld: {counts}.")
    head = ("test", "AUC", "withheld", "AUC, withheld lost", "mean arousal", "level alone", "level over peak alone")
    lines += results.table(head, out)
    if reasons:
        lines += ["", "Longest gap of the clips withheld: " + " ".join(reasons)]
    lines += [
        "",
        "Where the rule's places and spreads come from (neutral clips of EmoDB and nEMO, mean ± standard deviation):",
        "",
    ]
    return lines + cues(rows, answers)


def cues(rows: list[Row], answers: list[dict[str, object]]) -> list[str]:
    from moodal.extract.voice.emotion import CUES

    cells = []
    for i, (name, _, place, spread, weight) in enumerate(CUES):
        row = [name, f"{place:g} ± {spread:g}", f"{weight:+g}"]
        for s in ("emodb", "nemo"):
            found = np.array(
                [
                    a["cues"][i]
                    for r, a in zip(rows, answers, strict=True)
                    if r["set"] == s and r["emotion"] == "neutral" and a["cues"]
                ],
                float,
            )
            row.append(f"{np.nanmean(found):.3g} ± {np.nanstd(found):.2g}")
        cells.append(row)
    return results.table(("cue", "rule", "weight", "EmoDB", "nEMO"), cells)
