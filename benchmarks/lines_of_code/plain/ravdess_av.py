"""RAVDESS: measures of voice and face of the same trial, each actor held out. Written with ordinary libraries."""

import json
import sys
from pathlib import Path

import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CLASSES = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]


def main(root):
    table = pd.read_csv(Path(root) / "features.csv", dtype={"actor": str})
    face = [c for c in table if c.startswith("face_")]
    voice = [c for c in table if c.startswith("voice_")]
    x = table[face + voice].to_numpy(float)
    y = table["emotion"].map(CLASSES.index).to_numpy()
    chain = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    said = cross_val_predict(chain, x, y, groups=table["actor"], cv=LeaveOneGroupOut())
    scores = {
        "accuracy": accuracy_score(y, said),
        "uar": balanced_accuracy_score(y, said),
        "macro_f1": f1_score(y, said, average="macro"),
    }
    return {"logistic": scores}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
