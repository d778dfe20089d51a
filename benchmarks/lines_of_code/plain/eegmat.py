"""EEGMAT: rest against arithmetic from EEG band powers and the heart, each person held out. With ordinary libraries."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from heart import hrv
from scipy.signal import welch
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

EEG_RATE, ECG_RATE, SECONDS, MICROVOLT = 125, 250, 60, 0.2
BANDS = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}


def band_powers(eeg, names):
    f, power = welch(eeg, EEG_RATE, nperseg=2 * EEG_RATE)
    row = {}
    for channel, p in zip(names, power, strict=True):
        for band, (low, high) in BANDS.items():
            row[f"{channel}_{band}"] = np.log10(p[(f >= low) & (f < high)].mean() * (high - low))
    return row


def main(root):
    rows = []
    with np.load(Path(root) / "eegmat_shared.npz") as held:
        for subject in sorted({k[:3] for k in held.files if k.endswith("_EEG")}):
            for label, state in enumerate(("rest", "task")):
                eeg = held[f"{subject}_{state}_EEG"][:, : SECONDS * EEG_RATE] * MICROVOLT
                ecg = held[f"{subject}_{state}_ECG"][: SECONDS * ECG_RATE].astype(float)
                row = {"subject": subject, "label": label}
                rows.append(row | band_powers(eeg, held["channels"]) | hrv(ecg, ECG_RATE))
    table = pd.DataFrame(rows)
    x, y = table.drop(columns=["subject", "label"]).to_numpy(), table["label"].to_numpy()
    models = {
        "logistic": LogisticRegression(max_iter=2000),
        "random-forest": RandomForestClassifier(random_state=0),
    }
    scores = {}
    for name, model in models.items():
        chain = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model)
        told = cross_val_predict(chain, x, y, groups=table["subject"], cv=LeaveOneGroupOut())
        scores[name] = {"accuracy": accuracy_score(y, told), "uar": balanced_accuracy_score(y, told)}
    return scores


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
