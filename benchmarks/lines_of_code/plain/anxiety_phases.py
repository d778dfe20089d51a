"""APD and WESAD, each within itself: calm against stressed, four models and their vote. With ordinary libraries."""

import json
import pickle
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from heart import hrv
from skin import eda
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

WINDOW_S, HOP_S = 60, 30
APD_PHASES = {"Baseline_Rest": 0, "BugBox_Exposure": 1, "Speech_Exposure": 1}
APD_RATES = {"ECG": 250, "EDA": 50}
WESAD_CODES = {1: 0, 2: 1}


def rows(subject, label, ecg, ecg_rate, eda_x, eda_rate):
    seconds = len(ecg) / ecg_rate
    for start in np.arange(0, seconds - WINDOW_S + 1e-6, HOP_S):
        a, b = round(start * ecg_rate), round((start + WINDOW_S) * ecg_rate)
        c, d = round(start * eda_rate), round((start + WINDOW_S) * eda_rate)
        features = {f"ecg_{k}": v for k, v in hrv(ecg[a:b], ecg_rate).items()}
        features |= {f"eda_{k}": v for k, v in eda(eda_x[c:d], eda_rate).items()}
        yield {"subject": subject, "label": label, **features}


def read_apd(root):
    for folder in sorted((f for f in Path(root).iterdir() if f.is_dir()), key=lambda f: int(f.name)):
        for phase, label in APD_PHASES.items():
            signals = {}
            for name in APD_RATES:
                path = folder / f"{folder.name}_{phase}_{name}.csv"
                if path.exists():
                    signals[name] = pd.read_csv(path)[name].to_numpy(float)
            if len(signals) == 2:
                yield from rows(folder.name, label, signals["ECG"], APD_RATES["ECG"], signals["EDA"], APD_RATES["EDA"])


def read_wesad(root):
    for folder in sorted(Path(root).glob("S*"), key=lambda f: int(f.name[1:])):
        with open(folder / f"{folder.name}.pkl", "rb") as file:
            held = pickle.load(file, encoding="latin1")
        chest, codes = held["signal"]["chest"], np.asarray(held["label"]).ravel()
        ecg, skin = np.ravel(chest["ECG"]), np.ravel(chest["EDA"])
        edges = np.r_[0, np.flatnonzero(np.diff(codes)) + 1, len(codes)]
        for a, b in pairwise(edges):
            if codes[a] in WESAD_CODES:
                yield from rows(folder.name, WESAD_CODES[codes[a]], ecg[a:b], 700, skin[a:b], 700)


def probabilities(model, x):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(x)[:, 1]
    return 1 / (1 + np.exp(-model.decision_function(x)))


def main(root):
    models = {
        "hist-gradient-boosting": HistGradientBoostingClassifier(random_state=0),
        "gradient-boosting": GradientBoostingClassifier(random_state=0),
        "random-forest": RandomForestClassifier(random_state=0),
        "svm": SVC(),
    }
    scores = {}
    for corpus, read in {"apd": read_apd, "wesad": read_wesad}.items():
        table = pd.DataFrame(read(Path(root) / corpus.upper()))
        x, y = table.drop(columns=["subject", "label"]).to_numpy(), table["label"].to_numpy()
        told = {name: np.zeros(len(y)) for name in models}
        for train, test in LeaveOneGroupOut().split(x, y, table["subject"]):
            for name, model in models.items():
                chain = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model)
                told[name][test] = probabilities(chain.fit(x[train], y[train]), x[test])
        told["vote"] = np.mean(list(told.values()), axis=0)
        for name, p in told.items():
            chosen = (p > 0.5).astype(int)
            scores[f"{name}/{corpus}"] = {
                "accuracy": accuracy_score(y, chosen),
                "uar": balanced_accuracy_score(y, chosen),
            }
    return scores


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
