"""Made-up people in the layouts of WESAD and APD: hearts that beat faster under stress, skin that responds, breath.

They serve to run two programs on the same files; what they score says nothing of people.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

#: Phase → code of WESAD's label channel, seconds; per minute: beats, skin responses, breaths; size of EMG; warming, °C.
STATES = {
    "baseline": (1, 150, 68.0, 2.5, 13.5, 8.0, 0.0),
    "stress": (2, 120, 73.0, 4.0, 15.5, 9.0, -0.05),
    "amusement": (3, 120, 70.0, 3.0, 14.5, 8.5, 0.05),
    "meditation": (4, 70, 62.0, 1.0, 9.0, 6.0, 0.1),
}


def ecg(rng: np.random.Generator, seconds: float, rate: float, beats_a_minute: float) -> np.ndarray:
    """Millivolts: R waves of 1 mV after intervals that vary with breath and at random, and a T wave."""
    t = np.arange(round(seconds * rate)) / rate
    x = 0.03 * rng.normal(size=len(t)) + 0.05 * np.sin(2 * np.pi * 0.2 * t)
    at = rng.uniform(0, 0.5)
    while at < seconds:
        x += np.exp(-(((t - at) / 0.012) ** 2)) + 0.2 * np.exp(-(((t - at - 0.25) / 0.05) ** 2))
        at += 60 / beats_a_minute + 0.03 * np.sin(2 * np.pi * 0.25 * at) + 0.02 * rng.normal()
    return x


def eda(rng: np.random.Generator, seconds: float, rate: float, responses_a_minute: float, level: float) -> np.ndarray:
    """Microsiemens: a level that drifts, responses of 1 to 3 s rise."""
    t = np.arange(round(seconds * rate)) / rate
    x = level + 0.1 * np.sin(2 * np.pi * t / 180 + rng.uniform(0, 6)) + 0.002 * rng.normal(size=len(t))
    for at in np.sort(rng.uniform(0, seconds, rng.poisson(responses_a_minute * seconds / 60))):
        u = np.maximum(t - at, 0)
        x += rng.uniform(0.1, 0.4) * 2 * (np.exp(-u / 4) - np.exp(-u / 0.8)) * (t >= at)
    return x


def wesad(root: Path, people: int = 6, seed: int = 0, rate: int = 700) -> None:
    """``S2/S2.pkl`` and ``S2_quest.csv`` as published; the wrist is there and idle."""
    for k in range(people):
        rng = np.random.default_rng([seed, k])
        who = f"S{k + 2}"
        rest, tone = rng.normal(0, 5), rng.uniform(2, 6)
        order = ["baseline", "stress", "meditation", "amusement", "meditation"]
        if k % 2:
            order = ["baseline", "amusement", "meditation", "stress", "meditation"]
        chest: dict[str, list[np.ndarray]] = {n: [] for n in ("ECG", "EDA", "EMG", "Resp", "Temp", "ACC")}
        label = []
        for state in order:
            code, seconds, heart, scr, breath, muscle, warmth = STATES[state]
            for on, length in ((code, seconds), (0, 4)):
                n = length * rate
                t = np.arange(n) / rate
                chest["ECG"].append(ecg(rng, length, rate, heart + rest + rng.normal(0, 4)))
                chest["EDA"].append(eda(rng, length, rate, scr, tone))
                chest["EMG"].append(muscle / 1000 * rng.lognormal(0, 0.2) * rng.normal(size=n))
                wave = np.sin(2 * np.pi * (breath + rng.normal(0, 2)) / 60 * t) + 0.1 * np.sin(2 * np.pi * 0.05 * t)
                chest["Resp"].append(3 * wave + 0.2 * rng.normal(size=n))
                chest["Temp"].append(33.5 + (warmth + rng.normal(0, 0.1)) * t / length + 0.02 * rng.normal(size=n))
                chest["ACC"].append(np.array([0.1, 0.2, 0.97]) + 0.01 * rng.normal(size=(n, 3)))
                label.append(np.full(n, on, np.int32))
        whole = {n: np.concatenate(parts) for n, parts in chest.items()}
        signal = {n: x if x.ndim == 2 else x[:, None] for n, x in whole.items()}
        codes = np.concatenate(label)
        seconds = len(codes) / rate
        wrist = {n: np.zeros((round(seconds * r), c)) for n, r, c in
                 (("BVP", 64, 1), ("EDA", 4, 1), ("TEMP", 4, 1), ("ACC", 32, 3))}  # fmt: skip
        folder = root / who
        folder.mkdir(parents=True)
        with (folder / f"{who}.pkl").open("wb") as file:
            pickle.dump({"signal": {"chest": signal, "wrist": wrist}, "label": codes, "subject": who}, file, 2)
        names = {"baseline": "Base", "stress": "TSST", "amusement": "Fun"}
        rest_names = iter(("Medi 1", "Medi 2"))
        told = [names.get(s) or next(rest_names) for s in order]
        lines = [f"# Subj;{who};;", f"# ORDER;{';'.join(told)};;", *("# DIM;5;5;;" for _ in told), ""]
        (folder / f"{who}_quest.csv").write_text("\n".join(lines), encoding="utf-8")


def apd(root: Path, people: int = 6, seed: int = 1) -> None:
    """``4/4_Baseline_Rest_ECG.csv`` and so on, and ``participants_details.csv``."""
    phases = {"Baseline_Rest": "baseline", "BugBox_Exposure": "stress", "Speech_Exposure": "stress"}
    rows = ["Participant,Baseline_SUDS,BugBox_Exposure_SUDS,Speech_Exposure_SUDS"]
    for k in range(people):
        rng = np.random.default_rng([seed, k])
        who = str(k + 4)
        rows.append(f"P{who},{rng.integers(0, 40)},{rng.integers(40, 100)},{rng.integers(40, 100)}")
        rest, tone = rng.normal(0, 5), rng.uniform(2, 6)
        (root / who).mkdir(parents=True)
        for phase, state in phases.items():
            _, _, heart, scr, *_ = STATES[state]
            seconds = 150 if state == "baseline" else 120
            values = {
                "ECG": (250, ecg(rng, seconds, 250, heart + rest + rng.normal(0, 4))),
                "EDA": (50, eda(rng, seconds, 50, scr, tone)),
            }
            for name, (rate, x) in values.items():
                lines = [f",{name},timestamp"]
                lines += [f"{i},{v:.6f},{i / rate:.4f}" for i, v in enumerate(x)]
                (root / who / f"{who}_{phase}_{name}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (root / "participants_details.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
