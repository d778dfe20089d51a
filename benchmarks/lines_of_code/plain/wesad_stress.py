"""WESAD, chest: five signals, five models, two and three classes, each person held out. With ordinary libraries."""

import json
import pickle
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from heart import band_pass, hrv
from scipy.signal import welch
from skin import block_means, eda, slope
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

RATE, WINDOW_S, HOP_S = 700, 60, 30
TASKS = {"two": {1: 0, 3: 0, 2: 1}, "three": {1: 0, 2: 1, 3: 2}}


def emg(x, rate):
    x = band_pass(x - x.mean(), 20.0, min(450.0, 0.45 * rate), rate, 0.25)
    size, seconds = np.abs(x), len(x) / rate
    f, p = welch(x, rate, nperseg=rate)
    step = round(0.1 * rate)
    starts = range(0, len(x), step)
    level = np.array([np.sqrt((x[s : s + step] ** 2).mean()) for s in starts])
    up = level > 2 * np.median(level)
    return {
        "rms": np.sqrt((x**2).mean()),
        "mean_abs": size.mean(),
        "sd": x.std(ddof=1),
        "max_abs": size.max(),
        "p90_abs": np.percentile(size, 90),
        "integral": size.sum() / rate,
        "waveform_length": np.abs(np.diff(x)).sum() / seconds,
        "zero_crossings": (np.signbit(x[1:]) != np.signbit(x[:-1])).sum() / seconds,
        "mean_hz": (f * p).sum() / p.sum(),
        "median_hz": f[np.searchsorted(np.cumsum(p), p.sum() / 2)],
        "peak_hz": f[p.argmax()],
        "power_low": p[f < 60].sum() / p.sum(),
        "power_middle": p[(f >= 60) & (f < 120)].sum() / p.sum(),
        "power_high": p[f >= 120].sum() / p.sum(),
        "bursts": 60 * ((up[1:] & ~up[:-1]).sum() + up[0]) / seconds,
    }


def breaths(x):
    limit = 0.2 * np.quantile(np.abs(x), 0.75)
    side = np.where(x > limit, 1, np.where(x < -limit, -1, 0))
    at = np.flatnonzero(side)
    turns = np.r_[0, np.flatnonzero(np.diff(side[at])) + 1, len(at)]
    runs = [(at[a], at[b - 1] + 1, side[at[a]]) for a, b in pairwise(turns)]
    peaks = np.array([a + x[a:b].argmax() for a, b, s in runs if s > 0])
    lows = [x[a:b].min() for a, b, s in runs if s < 0]
    lows = np.array(lows[0 if runs[0][2] > 0 else 1 :][: len(peaks) - 1])
    return peaks[:-1], peaks[1:], (x[peaks[1:]] + x[peaks[:-1]]) / 2 - lows


def regularity(x, start, end, reach):
    found = []
    for a, b in zip(start, end, strict=True):
        part, lag = x[max(0, (a + b) // 2 - reach) : (a + b) // 2 + reach], b - a
        u, v = part[:-lag], part[lag:]
        found.append((u * v).sum() / np.sqrt((u**2).sum() * (v**2).sum()) if len(part) >= 2 * lag else 0.0)
    return np.mean(found)


def resp(x, rate):
    x, rate = block_means(x, rate, 10)
    x = band_pass(x - x.mean(), 0.05, 1.0, rate, 10.0)
    start, end, depth = breaths(x)
    length = (end - start) / rate
    each = 60 / length
    low = np.array([a + x[a:b].argmin() for a, b in zip(start, end, strict=True)])
    exhale, inhale = (low - start) / rate, (end - low) / rate
    f, p = welch(x, rate, nperseg=len(x))
    return {
        "rate_mean": each.mean(),
        "rate_sd": each.std(ddof=1),
        "rate_min": each.min(),
        "rate_max": each.max(),
        "depth_mean": depth.mean(),
        "depth_sd": depth.std(ddof=1),
        "depth_cv": depth.std(ddof=1) / depth.mean(),
        "length_rmssd": np.sqrt((np.diff(length) ** 2).mean()),
        "inhale_mean": inhale.mean(),
        "exhale_mean": exhale.mean(),
        "inhale_exhale": inhale.sum() / exhale.sum(),
        "regularity": regularity(x, start, end, round(12 * rate)),
        "breaths": len(length),
        "peak_hz": f[1 + p[1:].argmax()],
    }


def temp(x, rate):
    first, last = x[: round(rate)].mean(), x[-round(rate) :].mean()
    return {
        "mean": x.mean(),
        "sd": x.std(ddof=1),
        "min": x.min(),
        "max": x.max(),
        "range": np.ptp(x),
        "slope": slope(x, rate),
        "first": first,
        "change": last - first,
    }


SIGNALS = {"ECG": hrv, "EDA": eda, "EMG": emg, "Resp": resp, "Temp": temp}


def windows(folder):
    with open(folder / f"{folder.name}.pkl", "rb") as file:
        held = pickle.load(file, encoding="latin1")
    chest, codes = held["signal"]["chest"], np.asarray(held["label"]).ravel()
    edges = np.r_[0, np.flatnonzero(np.diff(codes)) + 1, len(codes)]
    for a, b in pairwise(edges):
        if codes[a] in (1, 2, 3):
            for start in range(a, b - WINDOW_S * RATE + 1, HOP_S * RATE):
                row = {"subject": folder.name, "code": int(codes[a])}
                for name, extract in SIGNALS.items():
                    x = np.asarray(chest[name], float).ravel()[start : start + WINDOW_S * RATE]
                    row |= {f"{name}_{k}": v for k, v in extract(x, RATE).items()}
                yield row


def main(root):
    folders = sorted(Path(root).glob("S*"), key=lambda f: int(f.name[1:]))
    table = pd.DataFrame([row for folder in folders for row in windows(folder)])
    x = table.drop(columns=["subject", "code"]).to_numpy()
    models = {
        "decision-tree": DecisionTreeClassifier(random_state=0),
        "random-forest": RandomForestClassifier(random_state=0),
        "adaboost": AdaBoostClassifier(random_state=0),
        "lda": LinearDiscriminantAnalysis(),
        "knn": KNeighborsClassifier(),
    }
    scores = {}
    for task, classes in TASKS.items():
        y = table["code"].map(classes).to_numpy()
        for name, model in models.items():
            chain = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model)
            told = cross_val_predict(chain, x, y, groups=table["subject"], cv=LeaveOneGroupOut())
            scores[f"{name}@{task}"] = {"accuracy": accuracy_score(y, told), "uar": balanced_accuracy_score(y, told)}
    return scores


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
