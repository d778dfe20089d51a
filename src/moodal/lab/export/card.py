"""The card of an exported model: data, terms, scores with their protocol, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["NOT_FOR", "Run", "card"]

NOT_FOR = (
    "diagnosis",
    "judging risk of self-harm",
    "hiring",
    "policing",
    "lie detection",
    "what somebody feels: it tells what others would call what is displayed",
)


class Run(Protocol):
    """A finished training, as its folder tells it: ``run.json``, ``scores.json``, the register, the model."""

    @property
    def run(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def scores(self) -> Mapping[str, Any]: ...  # noqa: D102
    def training_clips(self) -> list[str]: ...  # noqa: D102
    def fitted(self) -> Any: ...  # noqa: D102


def card(manifest: Mapping[str, Any], folder: Run) -> str:
    """The card as Markdown; every figure in it comes from the run's files."""
    told, model, fit = folder.run, manifest["model"], folder.scores["fit"]
    data = told["data"]
    heard = [
        f"- {m}: {f['channels']} channels" + (f" at {f['rate_hz']:g} Hz" if f["rate_hz"] else "")
        + (f", made by {f['source']}" if f["source"] else "") + _lacking(f["present"], data["examples"])
        for m, f in data["modalities"].items()
    ]  # fmt: skip
    rows = [
        f"| {part} | {metric} | {scored['figures'][metric]:.3f} | "
        f"{scored['interval'][metric][0]:.3f} to {scored['interval'][metric][1]:.3f} | "
        f"{scored['trivial'][metric]:.3f} | {scored['n']} |"
        for part in ("test", "validation")
        for scored in (folder.scores[part],)
        for metric in scored["figures"]
    ]
    calibration = manifest["calibration"]
    return "\n".join(
        [
            f"# {manifest['name']}",
            "",
            f"{model['use']}: {_about(model)}, trained by the recipe `{told['recipe']['name']}` "
            f"(learner {told['learner']}, seed {told['seed']}).",
            "",
            f"Says: {', '.join(model['classes'])}. Displayed emotion as others would name it, never what is felt.",
            "",
            "## What it reads",
            "",
            *heard,
            *(
                f"- {m} comes from the encoder {e['name']} (SHA-256 {e['sha256'][:12]}…), which reads {e['past']} "
                "utterances before each one along"
                for m, e in manifest["encoders"].items()
            ),
            *(
                [f"- up to {model['context']} past turns of the dialogue; never a later one"]
                if model["context"]
                else []
            ),
            "",
            "Any non-empty subset of these runs; an example that has none is withheld.",
            "",
            "## Data and terms",
            "",
            f"{data['name']}: {data['terms'] or 'terms not stated'}. Trained on {data['examples']['train']} examples, "
            f"chosen on {data['examples']['validation']}, tested on {data['examples']['test']}. "
            "`training_clips` holds a hash of every example that was trained or chosen on.",
            "",
            "## Scores",
            "",
            f"Protocol: {told['protocol']}, fold {told['fold']}. Intervals: bootstrap over {folder.scores['unit']}s. "
            "The validation part chose the epoch, so its figures flatter; trivial says the most frequent class (or the "
            "mean) of everything.",
            "",
            "| part | metric | value | 95 % interval | trivial | n |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            "## Calibration",
            "",
            f"Temperature {calibration['temperature']:.3f}, fitted on the {calibration['n']} validation examples."
            if calibration
            else "None: scores are not calibrated on people.",
            "",
            "## How it was trained",
            "",
            f"{fit['parameters']:,} parameters; epoch {fit['best_epoch']} of {fit['epochs']} was chosen by "
            f"{fit['selected_on']} ({fit['selected_value']:.3f}). torch {told['environment']['torch']}; the graph "
            f"differs from the trained model by {model['parity']['found']:.1g} at most.",
            "",
            "## Not for",
            "",
            *(f"- {use}" for use in manifest["not_for"]),
            "",
        ]
    )


def _about(model: Mapping[str, Any]) -> str:
    kinds = {"class": "one class", "multilabel": "several labels", "continuous": "values", "distribution": "votes"}
    return f"{kinds[model['kind']]} from {' and '.join(model['modalities'])}"


def _lacking(present: Mapping[str, int], examples: Mapping[str, int]) -> str:
    if not present["train"]:
        return "; absent from all of training, so it is ignored"
    return (
        ""
        if present["train"] == examples["train"]
        else f"; {present['train']} of {examples['train']} had it in training"
    )
