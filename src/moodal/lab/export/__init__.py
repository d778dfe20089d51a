"""Export: a trained run as a bundle that runs without torch, proven equal before it is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.bundle import Bundle
from moodal.formats.files import disk_errors

from .card import NOT_FOR, Run, card
from .reads import reads

__all__ = ["Run", "export"]


def export(
    run: Run,
    out: Path | str,
    *,
    name: str = "",
    version: str = "1",
    licence: str = "",
    commercial: bool = False,
    scores: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write a finished run (a `moodal.lab.train.folder.RunFolder`) as a bundle: graph, card, calibration, register of
    training clips.

    Parameters
    ----------
    out : the file; one that stands there is replaced in the last moment.
    name : the bundle's name; the file's stem, if not given.
    licence : of the weights; what the data's terms leave open is said in the card.
    scores : further figures by protocol, each ``{"value", "interval", "n", "protocol"}``, beside those of the run.

    Raises
    ------
    ModelError : the model cannot be exported, or the graph says something else than the model; nothing is written.
    OutputError : the file cannot be written.
    """
    from .graph import PARITY, graph, parity

    fitted = run.fitted()
    target = Path(out)
    exported = graph(fitted.model)
    apart = parity(fitted.model, exported)
    told, model = run.run, fitted.model
    manifest = {
        "name": name or target.name.removesuffix(".bundle"),
        "version": version,
        "kind": "fusion",
        "licence": licence or "not stated: see data_terms",
        "commercial": commercial,
        "data_terms": f"{told['data']['name']}: {told['data']['terms'] or 'terms not stated'}",
        **reads(told, fitted.modalities, fitted.settings.context),
        "data": [
            {
                "name": told["data"]["name"],
                "part": f"train and validation of {told['protocol']}, fold {told['fold']}",
                "n": told["data"]["examples"]["train"] + told["data"]["examples"]["validation"],
                "licence": told["data"]["terms"],
            }
        ],
        "scheme": fitted.scheme or f"{told['data']['name']}:{told['label']}",
        "calibration": _calibration(run, fitted),
        "not_for": list(NOT_FOR),
        "model": {
            "use": fitted.model_name,
            "kind": model.kind,
            "classes": list(fitted.names),
            "modalities": list(fitted.modalities),
            "widths": dict(model.widths),
            "seen": [bool(model.scale[m].seen) for m in model.modalities],
            "features": told["data"]["modalities"],
            "context": fitted.settings.context,
            "longest": fitted.settings.train.longest,
            "thresholds": fitted.told["thresholds"],
            "prior": fitted.prior.tolist(),
            "parity": {"allowed": PARITY, "found": apart},
        },
        "scores": {**_scores(run), **(scores or {})},
        "run": {k: told[k] for k in ("learner", "seed", "protocol", "fold", "settings", "key")}
        | {"recipe": told["recipe"]["name"], "environment": told["environment"]},
    }
    clips = np.array(run.training_clips(), "U16")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            Bundle.write(part, manifest, card(manifest, run), {"training_clips": clips}, {"model": exported})
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return Bundle.open(target)


def _calibration(run: Run, fitted: Any) -> dict[str, Any] | None:
    if not fitted.settings.calibrate or fitted.model.kind == "continuous":
        return None
    n = run.scores["validation"]["n"]
    told = {"kind": "temperature", "temperature": fitted.told["temperature"], "n": n, "fitted_on": "validation part"}
    if fitted.told["thresholds"] is not None:
        told["thresholds"] = dict(zip(fitted.names, fitted.told["thresholds"], strict=True))
    return told


def _scores(run: Run) -> dict[str, Any]:
    """Figures of the run's own test and validation parts, in the form of a manifest."""
    out = {}
    told = run.run
    where = f"{told['data']['name']}, {told['protocol']}, fold {told['fold']}, seed {told['seed']}"
    for part in ("test", "validation"):
        scored = run.scores[part]
        for metric, value in scored["figures"].items():
            out[f"{part}_{metric}"] = {
                "value": round(value, 4),
                "interval": [round(v, 4) for v in scored["interval"][metric]],
                "trivial": round(scored["trivial"][metric], 4),
                "n": scored["n"],
                "protocol": f"{where}, {part} part",
            }
    return out
