"""How well our 88 eGeMAPS functionals agree with openSMILE's on real clips.

``python benchmarks/run.py agreement`` writes the section. Both read the same samples at 16 kHz; ours are
those of `moodal extract --functionals`, which tells what lies in speech and up to half a second around it.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import clips
import results

COUNTS, SEED = {"ravdess": 80, "nemo": 80, "emodb": 40}, 2016
HIGH, FAIR = 0.95, 0.80
TURNS = "few turns make it: a frame voiced in one and not in the other, or of another candidate, adds or removes one"
PERIODS = (
    "openSMILE carries one chain of periods through a voiced stretch and keeps periods that hardly match; ours are "
    "measured frame by frame and told only where they match at 0.5"
)
EDGES = "frames at the edges of voiced stretches, voiced in one and not in the other, are the far values here"
SEGMENTS = "few segments in a clip: one more or less counts"
SILENCE = "speech activity leaves out silence further than 0.5 s from speech"
#: Why a functional stays below `HIGH`, by the beginning of its name (found out frame by frame: docs/lab/LOG.md).
WHY: dict[str, str] = {
    "F0semitoneFrom27.5Hz_sma3nz_stddevNorm": "frames an octave off in one of the two, where candidates score alike",
    "F0semitoneFrom27.5Hz_sma3nz_meanRising": TURNS,
    "F0semitoneFrom27.5Hz_sma3nz_stddevRising": TURNS,
    "F0semitoneFrom27.5Hz_sma3nz_meanFalling": TURNS,
    "F0semitoneFrom27.5Hz_sma3nz_stddevFalling": TURNS,
    "jitterLocal": PERIODS,
    "shimmerLocaldB": PERIODS,
    "logRelF0": "frames whose pitch is another candidate, and edges of voiced stretches: elsewhere the frames agree",
    "F1": EDGES,
    "F2": EDGES,
    "F3": EDGES,
    "VoicedSegmentsPerSec": SEGMENTS,
    "MeanVoicedSegment": SEGMENTS,
    "StddevVoicedSegment": SEGMENTS,
    "MeanUnvoicedSegment": SILENCE,
    "StddevUnvoicedSegment": SILENCE,
}

Values = npt.NDArray[np.float64]


def correlation(a: Values, b: Values) -> float:
    """Pearson's r over clips that both tell."""
    told = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[told], b[told])[0, 1]) if told.sum() > 2 else np.nan


def ranks(values: Values) -> Values:
    out = np.full(len(values), np.nan)
    told = np.flatnonzero(np.isfinite(values))
    _, inverse, counts = np.unique(values[told], return_inverse=True, return_counts=True)
    out[told] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return out


def near_zero(theirs: Values, ours: Values, names: list[str], name: str) -> str:
    """For a deviation over its mean: how the deviation itself agrees, and the ratio where the mean is not near 0."""
    stem = name.removesuffix("_stddevNorm")
    if stem == name:
        return ""
    j, k = names.index(f"{stem}_amean"), names.index(name)
    deviation = theirs[:, j] * theirs[:, k]
    agrees = correlation(deviation, ours[:, j] * ours[:, k])
    steady = np.abs(theirs[:, j]) > 0.5 * np.abs(deviation)
    if steady.all() or agrees < HIGH:
        return ""
    return (
        f"a ratio to a mean near 0: r of the deviation is {agrees:.3f}, of the ratio "
        f"{correlation(theirs[steady, k], ours[steady, k]):.3f} without the {int((~steady).sum())} clips whose mean is "
        "under half their deviation"
    )


def run(data: Path, work: Path, measure: Callable[..., dict[str, float]], peers: Callable[[], Path]) -> list[str]:
    listed, sounds, mine = work / "listed.json", work / "opensmile.npz", work / "moodal.npz"
    listed.write_text(json.dumps(clips.draw(data, COUNTS, SEED)), encoding="utf-8")
    measure("measure_peers.py", "agreement", str(listed), str(sounds), python=peers())
    measure("measure_ours.py", "agreement", str(sounds), str(mine))
    theirs, ours = np.load(sounds), np.load(mine)
    names = [str(n) for n in theirs["names"]]
    if names != [str(n) for n in ours["names"]]:
        raise SystemExit("the names differ from openSMILE's")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return report(np.asarray(theirs["values"], float), ours["told"], ours["borrowed"], names)


def report(theirs: Values, told: Values, borrowed: Values, names: list[str]) -> list[str]:
    scores = np.array([correlation(theirs[:, j], told[:, j]) for j in range(len(names))])
    own = np.array([correlation(theirs[:, j], borrowed[:, j]) for j in range(len(names))])
    rows = []
    for j, name in enumerate(names):
        why = ""
        if not scores[j] >= HIGH:
            parts = [near_zero(theirs, told, names, name)]
            parts += [text for start, text in WHY.items() if name.startswith(start)]
            why = "; ".join(p for p in parts if p) or "not explained"
        missing = int((~np.isfinite(told[:, j])).sum())
        rank = correlation(ranks(theirs[:, j]), ranks(told[:, j]))
        rows.append([f"`{name}`", f"{scores[j]:.3f}", f"{rank:.3f}", f"{own[j]:.3f}", str(missing), why])
    text = ", ".join(f"{n} {name}" for name, n in COUNTS.items())
    return [
        f"The 88 functionals of eGeMAPS v02 against openSMILE 2.6.0 over {sum(COUNTS.values())} clips "
        f"(seed {SEED}: {text}).",
        f"**{int((scores >= HIGH).sum())} of 88 correlate at {HIGH} or more (goal 60), "
        f"{int((scores >= FAIR).sum())} at {FAIR:.2f} or more (goal 75).**",
        "*Own contours*: our functionals of openSMILE's contours, so a low r beside a high one lies in the contour.",
        "*Missing* counts clips for which moodal tells nothing; openSMILE always gives a number.",
        "",
        *results.table(("functional", "r", "rank r", "r, own contours", "missing", "why below 0.95"), rows),
    ]
