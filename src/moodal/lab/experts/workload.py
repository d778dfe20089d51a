"""Makes ``workload``: rest or mental arithmetic from ten seconds of EEG and ECG, trained on EEGMAT.

Three ways to compare a window, each with heads of its own: with everybody (causal), with all of the person's own
windows (baseline; half of them are rest here, and the card says so), with a stretch known to be neutral.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import WORKLOAD2
from moodal.dsp import spd
from moodal.dsp.eeg import position
from moodal.extract.brain.expert import BANDS, COVARIANCES, HEART, MODES, eeg_row, heart_row, matrices
from moodal.lab.data.dataset import Dataset

from .heat import cooled, temperature
from .linear import folded, predicted
from .made import Made, OutOfFold
from .work import Work

__all__ = ["Settings", "make"]

Array = npt.NDArray[Any]
_NAMES = {"causal": "EEGMAT leave one subject out", "baseline": "EEGMAT leave one subject out, baseline mode",
          "neutral": "EEGMAT leave one subject out, neutral stretch of 30 s"}  # fmt: skip
#: Windows of rest that are the neutral stretch where one is made believe.
_NEUTRAL = 3
#: Montages of fewer electrodes that are tried: those of a 14-channel and of a 4-channel headset that EEGMAT has.
_MONTAGES = {
    "10 electrodes": ("F7", "F3", "T7", "P7", "O1", "O2", "P8", "T8", "F4", "F8"),
    "4 electrodes": ("Fp1", "Fp2", "T7", "T8"),
}
ABOUT = """\
Tells whether somebody rests or works in the head (EEGMAT: serial subtraction) from 10 s of EEG, of ECG, or of both:
covariances of the EEG in nine bands as tangent vectors, heart rate and its variability, and linear heads.

Rest and task are two recordings of EEGMAT, rest always first, so electrodes that settle and eyes that open or close
count as well as work does: whether eyes were open at rest is not told. The lowest band, in which eyes move, carries a
part of the score. In baseline mode a window is compared with the mean of all of a person's windows, half of which are
rest here: where a person's windows are all of one kind, that mode must not be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``c_eeg`` and ``c_ecg``: inverse strength of the penalty of the linear heads. ``shrink_*``: share of a sphere in
    each covariance. ``ecg_share``: weight of the heart beside the EEG. ``far``: share of held-out windows that are
    taken for EEG of the kind that was trained on."""

    c_eeg: float = 0.01
    c_ecg: float = 0.1
    shrink_causal: float = 0.05
    shrink_own: float = 0.2
    ecg_share: float = 0.5
    far: float = 0.995


@dataclass(frozen=True)
class _Rows:
    """Windows as numbers: covariances ``(n, bands, 19, 19)``, heart ``(n, 6)`` (NaN: no beats), labels and people."""

    covariances: Array
    heart: Array
    truth: Array
    subject: Array
    electrodes: dict[str, Array]


def make(settings: Settings, work: Work) -> Made:
    """The bundle and the predictions of people left out."""
    data = work.data("eegmat", window_s=10.0, hop_s=10.0)
    told = work.kept("rows", lambda: _measured(data), data.fingerprint())
    rows = _Rows(
        told["covariances"], told["heart"], data.index.label("workload").values, np.asarray(data.index["subject"], str),
        {name: told[name] for name in _MONTAGES},
    )  # fmt: skip
    work.progress("people left out", 0.2)
    kept = work.kept("out-of-fold", lambda: _left_out(rows, settings), data.fingerprint(), settings)
    heat = _heat(kept, rows)
    groups = {k: np.asarray(data.index[k], str) for k in ("sex", "counter")}
    parts = _parts(kept, rows, heat, settings, groups)
    work.progress("the final model", 0.9)
    arrays, whitener = _final(rows, settings)
    manifest = {
        "runner": "eeg_ecg",
        "scheme": "workload2",
        "inputs": ["eeg", "ecg"],
        "window_s": 10.0,
        "shrink": {m: _shrink(settings, m) for m in MODES},
        "ecg_share": settings.ecg_share,
        "heat": heat,
        "farthest": {
            "all": round(float(np.quantile(kept["far"], settings.far)), 5),
            "few": round(float(np.quantile(kept["far_few"], settings.far)), 5),
        },
    }
    names = list(_NAMES.values())
    return Made(
        "workload", parts, manifest, ABOUT, trained_on=[data.index], calibrate_on=names[:2], scaling="power",
        rivals=_rivals(rows), arrays={**arrays, "whitener": whitener},
    )  # fmt: skip


def _measured(data: Dataset) -> dict[str, Array]:
    eeg, ecg = data.features["eeg"], data.features["ecg"]
    names = [position(f) for f in eeg.fields]
    sets: dict[str, Sequence[str | None]] = {"covariances": names}
    for name, few in _MONTAGES.items():
        sets[name] = [n if n in few else None for n in names]
    out: dict[str, list[Array]] = {k: [] for k in (*sets, "heart")}
    for i in range(len(data)):
        for key, some in sets.items():
            found = eeg_row(eeg[i].astype(np.float64), float(eeg.rate_hz or 0), some)
            if isinstance(found, str):
                raise ValueError(f"{data.index['clip'][i]}: EEG {found}")
            # What a bundle reads of a file is kept as float32.
            out[key].append(matrices(found[0].astype(np.float32)))
        beats = heart_row(ecg[i][:, 0].astype(np.float64), float(ecg.rate_hz or 0))
        out["heart"].append(np.full(len(HEART), np.nan) if isinstance(beats, str) else beats)
    return {k: np.stack(v) for k, v in out.items()}


def _shrink(settings: Settings, mode: str) -> float:
    return settings.shrink_causal if mode == "causal" else settings.shrink_own


def _reference(rows: _Rows, own: Array, mode: str) -> Array:
    """Which windows of a person (``own``, bool) that person is compared with."""
    if mode == "baseline":
        return own
    rest = np.flatnonzero(own & (rows.truth == 0))[:_NEUTRAL]
    some = np.zeros(len(own), bool)
    some[rest] = True
    return some


def _own(covariances: Array, rows: _Rows, share: float, mode: str) -> Array:
    """Tangent vectors at each person's own mean ``(n, bands * 190)``."""
    c = spd.shrunk(covariances, share)
    out = np.empty((len(c), COVARIANCES))
    for who in np.unique(rows.subject):
        here = rows.subject == who
        white = spd.inverse_root(spd.log_mean(c[_reference(rows, here, mode)]))
        out[here] = spd.tangent(c[here], white).reshape(int(here.sum()), -1)
    return out


def _own_heart(rows: _Rows, mode: str) -> Array:
    out = rows.heart.copy()
    for who in np.unique(rows.subject):
        here = rows.subject == who
        out[here] -= np.nanmean(rows.heart[_reference(rows, here, mode)], axis=0)
    return out


def _left_out(rows: _Rows, settings: Settings) -> dict[str, Array]:
    """Log odds of each window by models that never saw its person, by mode, of EEG and of heart alone; and how far its
    EEG lies from theirs."""
    n = len(rows.truth)
    out = {f"{part}_{m}": np.full(n, np.nan) for part in ("eeg", "ecg") for m in MODES}
    out |= {f"{name}_{m}": np.full(n, np.nan) for name in _MONTAGES for m in MODES[:2]}
    out |= {"far": np.zeros(n), "far_few": np.zeros(n)}
    spaces = {m: _own(rows.covariances, rows, settings.shrink_own, m) for m in MODES[1:]}
    fewer = {k: _own(rows.electrodes[k], rows, settings.shrink_own, "baseline") for k in _MONTAGES}
    hearts = {m: _own_heart(rows, m) if m != "causal" else rows.heart for m in MODES}
    shrunk = spd.shrunk(rows.covariances, settings.shrink_causal)
    for who in np.unique(rows.subject):
        test = rows.subject == who
        white = spd.inverse_root(spd.log_mean(shrunk[~test]))
        spaces["causal"] = spd.tangent(shrunk, white).reshape(n, -1)
        out["far"][test] = np.sqrt(np.square(spaces["causal"][test]).mean(axis=1))
        few = _fewer(rows, settings, white)
        out["far_few"][test] = np.sqrt(np.square(few[list(_MONTAGES)[-1]][test]).mean(axis=1))
        several = _stacked([spaces["causal"], *few.values()], rows, ~test)
        head_few = folded(*several, settings.c_eeg)
        for m in MODES:
            use = ~test & (~_neutrals(rows) if m == "neutral" else True)
            head = folded(spaces[m][use], rows.truth[use], settings.c_eeg)
            out[f"eeg_{m}"][test] = predicted(spaces[m][test], head)
            beats = np.isfinite(hearts[m]).all(axis=1)
            heart = folded(hearts[m][use & beats], rows.truth[use & beats], settings.c_ecg)
            out[f"ecg_{m}"][test & beats] = predicted(hearts[m][test & beats], heart)
            for name in _MONTAGES if m != "neutral" else ():
                told = predicted(few[name][test], head_few) if m == "causal" else predicted(fewer[name][test], head)
                out[f"{name}_{m}"][test] = told
    return out


def _fewer(rows: _Rows, settings: Settings, white: Array) -> dict[str, Array]:
    """Tangent vectors ``(n, ...)`` of the same windows by fewer electrodes, the others estimated."""
    return {
        name: spd.tangent(spd.shrunk(c, settings.shrink_causal), white).reshape(len(c), -1)
        for name, c in rows.electrodes.items()
    }


def _stacked(spaces: Sequence[Array], rows: _Rows, use: Array) -> tuple[Array, Array]:
    """Rows in ``use`` of several montages, one below the other, and their labels."""
    return np.concatenate([x[use] for x in spaces]), np.tile(rows.truth[use], len(spaces))


def _neutrals(rows: _Rows) -> Array:
    out = np.zeros(len(rows.truth), bool)
    for who in np.unique(rows.subject):
        out |= _reference(rows, rows.subject == who, "neutral")
    return out


def _heat(kept: dict[str, Array], rows: _Rows) -> dict[str, dict[str, float]]:
    """A temperature for each mode and subset, on people left out."""
    out: dict[str, dict[str, float]] = {}
    for m in MODES:
        counted = ~_neutrals(rows) if m == "neutral" else np.ones(len(rows.truth), bool)
        out[m] = {}
        for name, log_odds in _subsets(kept, m, 0.5).items():
            fine = counted & np.isfinite(log_odds)
            out[m][name] = temperature(log_odds[fine], rows.truth[fine])
    return out


def _subsets(kept: dict[str, Array], mode: str, share: float) -> dict[str, Array]:
    eeg, ecg = kept[f"eeg_{mode}"], kept[f"ecg_{mode}"]
    return {"eeg": eeg, "ecg": ecg, "ecg+eeg": eeg + share * ecg}


def _parts(
    kept: dict[str, Array], rows: _Rows, heat: dict[str, dict[str, float]], settings: Settings, groups: dict[str, Array]
) -> dict[str, OutOfFold]:
    reach = {"causal": 0.78, "baseline": 0.90, "neutral": None}
    parts: dict[str, OutOfFold] = {}
    some: dict[str, OutOfFold] = {}
    for m, name in _NAMES.items():
        counted = ~_neutrals(rows) if m == "neutral" else np.ones(len(rows.truth), bool)
        subsets = _subsets(kept, m, settings.ecg_share)
        both = np.where(np.isfinite(subsets["ecg"]), cooled(subsets["ecg+eeg"], heat[m]["ecg+eeg"]),
                        cooled(subsets["eeg"], heat[m]["eeg"]))  # fmt: skip
        parts[name] = replace(_part(both, rows, counted, name, groups), reach=reach[m])
        for only in ("eeg", "ecg"):
            some[f"{name}, {only} alone"] = _part(
                cooled(subsets[only], heat[m][only]), rows, counted, f"{name}, {only} alone"
            )
        for few in _MONTAGES if m != "neutral" else ():
            some[f"{name}, {few}"] = _part(
                cooled(kept[f"{few}_{m}"], heat[m]["eeg"]), rows, counted, f"{name}, {few} of the 19, no ECG"
            )
    return parts | some


def _part(
    log_odds: Array, rows: _Rows, counted: Array, protocol: str, groups: dict[str, Array] | None = None
) -> OutOfFold:
    here = np.nan_to_num(log_odds[counted])
    withheld = ~np.isfinite(log_odds[counted])
    return OutOfFold(
        np.stack([-here / 2, here / 2], axis=1), rows.truth[counted], rows.subject[counted], WORKLOAD2, "uar", protocol,
        groups={k: v[counted] for k, v in (groups or {}).items()}, withheld=withheld if withheld.any() else None,
    )  # fmt: skip


def _rivals(rows: _Rows) -> dict[str, OutOfFold]:
    """Logistic regression on log band power of each channel, and centred by person."""
    power = np.log(np.diagonal(rows.covariances, axis1=-2, axis2=-1)).reshape(len(rows.truth), -1)
    centred = power.copy()
    for who in np.unique(rows.subject):
        centred[rows.subject == who] -= power[rows.subject == who].mean(axis=0)
    out = {}
    for name, x in (("log band power, logistic", power), ("log band power, logistic, baseline mode", centred)):
        log_odds = np.zeros(len(x))
        for who in np.unique(rows.subject):
            test = rows.subject == who
            log_odds[test] = predicted(x[test], folded(x[~test], rows.truth[~test], 0.01))
        out[name] = _part(log_odds, rows, np.ones(len(x), bool), name)
    return out


def _final(rows: _Rows, settings: Settings) -> tuple[dict[str, Array], Array]:
    """Heads trained on everybody, and the whitener of the mean of all."""
    c = spd.shrunk(rows.covariances, settings.shrink_causal)
    white = spd.inverse_root(spd.log_mean(c))
    arrays = {}
    for m in MODES:
        x = spd.tangent(c, white).reshape(len(c), -1) if m == "causal" else _own(
            rows.covariances, rows, settings.shrink_own, m
        )  # fmt: skip
        heart = rows.heart if m == "causal" else _own_heart(rows, m)
        use = ~_neutrals(rows) if m == "neutral" else np.ones(len(x), bool)
        beats = use & np.isfinite(heart).all(axis=1)
        arrays[f"eeg_{m}"] = folded(x[use], rows.truth[use], settings.c_eeg).astype(np.float32)
        if m == "causal":
            several = _stacked([x, *_fewer(rows, settings, white).values()], rows, use)
            arrays["eeg_few"] = folded(*several, settings.c_eeg).astype(np.float32)
        arrays[f"ecg_{m}"] = folded(heart[beats], rows.truth[beats], settings.c_ecg).astype(np.float32)
    assert len(BANDS) == c.shape[1]
    return arrays, white
