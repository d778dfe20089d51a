"""The expert ``face``: what a small grey picture of a face shows, by two nets that learnt from ten people's votes.

::

    FER+ train ─► net one (votes, geometry) ─► net two goes on from it ─► one graph: one at the face as it is,
                                                                          two at its mirror image
    FER+ validation ─► temperature, label sets ─► scores with and without the prior shift
                    └► found again by the product's chain ─► weights of net and blendshape rule, end-to-end scores
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from moodal.core.scheme import EKMAN8
from moodal.dsp.calibration import softmax
from moodal.extract.face.classifier import ExpressionNet
from moodal.extract.face.scorer import combined
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.spec import data_home
from moodal.lab.nn.face import FaceNet, exported

from . import calibrate, face_chain
from .face_augment import POINTS
from .face_checks import Told, answers, rows_of_bad, rows_of_spoilt
from .face_train import Faces, Plan, fit, net_of
from .made import Made, OutOfFold
from .work import Work

__all__ = ["Settings", "make"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the recipe may say.

    ``width`` is the channels of the first convolution, ``first`` the epochs of a net that learns from nothing,
    ``second`` those of the two nets that go on from there at the learning rate ``rate``, each with a seed of its own.
    ``shift`` is the share of the log ratio of natural to training class shares that is added to log scores.
    ``components`` of the state of each ``every``-th training picture are whitened for the distance from training, of
    which ``held`` (a share) of validation pictures lie within the limit. ``rows`` bounds both parts (0: all), for
    tests; ``checks`` runs what is measured beside the scores.
    """

    width: int = 16
    first: int = 60
    second: int = 90
    rate: float = 1.5e-3
    shift: float = 0.5
    components: int = 160
    every: int = 3
    held: float = 0.995
    rows: int = 0
    checks: bool = True


@dataclass(frozen=True)
class _Part:
    """Pictures ``(n, 48, 48)`` uint8, votes ``(n, 8)``, the most voted class, the majority's (-1: none)."""

    pictures: npt.NDArray[np.uint8]
    votes: Floats
    emotion: npt.NDArray[np.int64]
    majority: npt.NDArray[np.int64]
    names: npt.NDArray[Any]


def make(settings: Settings, work: Work) -> Made:
    """Train, calibrate and check; an hour of one core."""
    torch.set_num_threads(1)
    data = work.data("ferplus", pixels=True)
    train, held = (_part(data, split, settings.rows) for split in ("train", "validation"))
    nets = _nets(train, settings, work)
    graph = exported(nets)
    bare = ExpressionNet(graph, np.zeros(1), np.zeros((1, 1)))
    looked = work.kept(
        "train states", lambda: {"states": answers(bare, train.pictures[:: settings.every])[1]}, settings.every
    )  # fmt: skip
    mean, whitening = _whitened(looked["states"], settings.components)
    net = ExpressionNet(graph, mean, whitening)
    told = work.kept(
        "validation",
        lambda: dict(zip(("log_p", "states", "away"), answers(net, held.pictures), strict=True)),
        settings.components, settings.every,
    )  # fmt: skip
    natural = np.bincount(held.emotion, minlength=8) / len(held.emotion)
    trained = np.bincount(train.emotion, minlength=8) / len(train.emotion)
    added = settings.shift * np.log((natural + 1e-4) / (trained + 1e-4))
    most = float(np.quantile(told["away"], settings.held))
    withheld = told["away"] > most
    parts = _parts(told["log_p"], added, held, withheld)
    manifest: dict[str, Any] = {
        "runner": "face",
        "scheme": "ekman8",
        "inputs": ["picture"],
        "prior_shift": {
            "share": settings.shift,
            "natural": [round(float(v), 5) for v in natural],
            "trained": [round(float(v), 5) for v in trained],
            "added": [round(float(v), 5) for v in added],
            "about": "added to log-probabilities before calibration: this share of the log ratio of the class shares "
            "of FER+ validation, which was drawn at random, to those of the training part, which is more even",
        },
    }  # fmt: skip
    chain = work.kept("chain", lambda: face_chain.through(held.pictures, partial(work.progress, "through the chain")))
    manifest["with_blendshapes"], ends = _through(net, chain, held, manifest)
    parts.update(ends)
    fitted = calibrate.fit([parts[_QUOTED]])
    about = _ABOUT
    if settings.checks:
        look = partial(_look, net)
        tell = Told(added, fitted, most)
        film = (data_home() or Path()) / "face_clips" / "no_face.mp4"
        manifest["robustness"] = rows_of_spoilt(held.pictures[:_CHECKED], held.emotion[:_CHECKED], look, tell)
        manifest["not_faces"] = rows_of_bad(held.pictures, face_chain.cartoons(film), look, tell, work.seed)
        about += _tables(manifest)
    return Made(
        name="face", parts=parts, manifest=manifest, about=about, trained_on=[data.index], calibrate_on=[_QUOTED],
        calibration={"out_of_domain": {"most": round(most, 5), "beyond": round(1 - settings.held, 5)}},
        rivals=_rivals(train, held, work) if settings.checks else {},
        arrays={"state_mean": mean.astype(np.float32), "state_whitening": whitening.astype(np.float32)},
        graphs={"face": graph},
    )  # fmt: skip


_QUOTED = "FER+ validation, prior shift"
#: Validation pictures that are spoilt on purpose.
_CHECKED = 500

_ABOUT = """
What a face shows, as ten people would name it: eight classes from a grey picture of 48 x 48 pixels. Two small nets of
one shape look at the face, one at the picture as it is and one at its mirror image, and their shares are averaged.
They learnt from the votes as distributions and, beside them, to tell where the points of the face lie and how it moves
(as the mesh of the analysis says it), both from a net of sixty epochs on, with the rate raised again.

FER+ names no people, so one person may stand in both parts, and intervals are over pictures. The validation part was
not used to choose epochs or weights; the prior shift, the temperature, label sets and the weight of the blendshape rule
are fitted on it (coverage and end-to-end rows are counted in folds). Valence and arousal are mapped from classes by a
written table and claim no coverage.
"""


def _part(data: Dataset, split: str, rows: int) -> _Part:
    here = np.flatnonzero(data.index["split"] == split)
    here = here[:rows] if rows else here
    values = data.features["face"].values[here].reshape(-1, 48, 48)
    labels = data.index.labels
    votes, emotion, majority = (np.asarray(labels[c].values)[here] for c in ("votes", "emotion", "majority"))
    return _Part(np.round(values * 255).astype(np.uint8), votes, emotion, majority, data.index["clip"][here])


def _nets(train: _Part, settings: Settings, work: Work) -> list[FaceNet]:
    mesh = work.kept("geometry", lambda: face_chain.geometry(train.pictures, partial(work.progress, "geometry")))
    faces = Faces(
        torch.from_numpy(train.pictures)[:, None].float() / 255, torch.from_numpy(train.votes).float(),
        torch.from_numpy(mesh["points"][:, list(POINTS)].astype(np.float32)),
        torch.from_numpy(mesh["shapes"].astype(np.float32)),
        torch.from_numpy(np.clip((mesh["presence"] - 2) / 8, 0, 1).astype(np.float32)),
    )  # fmt: skip
    channels = tuple(settings.width * 2**k for k in range(4))
    one = Plan(channels=channels, epochs=settings.first)
    # Strong spoiling teaches a net from nothing little in so few epochs; what follows it is spoilt less.
    two = Plan(
        channels=channels, epochs=settings.second, lr=settings.rate, sizes=(40, 48, 48), strength=0.5, erased=0.2,
        mixed=0.2,
    )  # fmt: skip
    first = _trained("net one", one, lambda told: fit(faces, one, work.seed, progress=told), work)

    def onwards(k: int) -> Callable[[Callable[[int, float], None]], FaceNet]:
        return lambda told: fit(faces, two, work.seed + k, start=first, progress=told)

    return [_trained(f"net {name}", two, onwards(k), work) for k, name in ((1, "two"), (2, "three"))]


def _trained(name: str, plan: Plan, train: Callable[[Callable[[int, float], None]], FaceNet], work: Work) -> FaceNet:
    def compute() -> Mapping[str, npt.NDArray[Any]]:
        net = train(lambda epoch, loss: work.progress(f"{name}, loss {loss:.3f}", epoch / plan.epochs))
        return {k: v.contiguous().numpy() for k, v in net.state_dict().items()}

    weights: dict[str, Tensor] = {k: torch.from_numpy(np.array(v)) for k, v in work.kept(name, compute).items()}
    net = net_of(plan, len(EKMAN8))
    net.load_state_dict(weights)
    return net.eval()


def _whitened(states: npt.NDArray[Any], components: int) -> tuple[Floats, Floats]:
    """Mean ``(d,)`` and the matrix ``(d, k)`` that gives the largest components unit variance."""
    mean = states.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((states - mean).T))
    best = np.argsort(values)[::-1][: min(components, len(states) - 1)]
    vectors = vectors[:, best] * np.where(vectors[np.abs(vectors[:, best]).argmax(0), best] < 0, -1, 1)
    return mean, vectors / np.sqrt(np.maximum(values[best], 1e-9))


def _look(net: ExpressionNet, pictures: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
    log_p, _, away = answers(net, pictures)
    return log_p, away


def _parts(log_p: Floats, added: Floats, held: _Part, withheld: npt.NDArray[np.bool_]) -> dict[str, OutOfFold]:
    """With and without the prior shift, all pictures and those with a strict majority."""
    strict = held.majority >= 0
    out = {}
    for shift, reach in ((True, (0.84, 0.91)), (False, (0.82, 0.89))):
        logits = log_p + (added if shift else 0)
        label = "prior shift" if shift else "no prior shift"
        for which, rows, truth, least in (
            ("", np.ones(len(logits), bool), held.emotion, reach[0]),
            (", strict majority", strict, held.majority, reach[1]),
        ):
            out[f"FER+ validation{which}, {label}"] = _out(
                logits[rows], truth[rows], held.names[rows], f"FER+ official validation part{which}, {label}",
                withheld[rows], least,
            )  # fmt: skip
    return out


def _out(logits: Floats, truth: Any, names: Any, protocol: str, withheld: Any, reach: float | None = None) -> OutOfFold:
    return OutOfFold(
        logits, truth, names, EKMAN8, "accuracy", protocol, unit="picture", withheld=withheld, reach=reach
    )  # fmt: skip


def _through(
    net: ExpressionNet, chain: Mapping[str, npt.NDArray[Any]], held: _Part, manifest: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, OutOfFold]]:
    """Weights of net and rule in the analysis, and scores of what the analysis would say, by five folds of pictures."""
    found = chain["reason"] == ""
    added = np.asarray(manifest["prior_shift"]["added"])
    log_p = np.zeros((len(found), 8))
    log_p[found] = answers(net, chain["faces"][found])[0]
    truth, rule = held.emotion, chain["rule"]
    weights = _pooled(log_p[found] + added, rule[found], truth[found])
    fold = np.random.default_rng(0).permutation(len(found)) % 5
    both = np.zeros((len(found), 8))
    for k in range(5):
        here, rest = found & (fold == k), found & (fold != k)
        told = _pooled(log_p[rest] + added, rule[rest], truth[rest]) if rest.any() else weights
        both[here] = np.log(_combined(log_p[here], rule[here], told, manifest) + 1e-9)
    names = held.names
    rows = {
        "the net alone": np.where(found[:, None], log_p + added, 0.0),
        "net and blendshape rule": both,
        "blendshape rule alone": np.log(np.maximum(rule, 1e-4)),
    }
    out = {}
    for name, logits in rows.items():
        protocol = f"FER+ validation enlarged, face found by the analysis, {name}"
        out[f"end to end, {name}"] = _out(logits, truth, names, f"{protocol}; not found counts as wrong", ~found)
        none = np.zeros(int(found.sum()), bool)
        out[f"end to end where found, {name}"] = _out(logits[found], truth[found], names[found], protocol, none)
    return {**weights, "found": round(float(found.mean()), 4), "n": int(found.sum())}, out


def _combined(log_p: Floats, rule: Floats, weights: Mapping[str, Any], manifest: Mapping[str, Any]) -> Floats:
    from moodal.core.bundle import Bundle

    return np.asarray(combined(log_p, rule, Bundle(Path(), {**manifest, "with_blendshapes": weights})))


def _pooled(net: Floats, rule: Floats, truth: npt.NDArray[np.int64]) -> dict[str, float]:
    """The weights of log-probabilities of lowest log loss; neither is negative."""
    from scipy.optimize import minimize

    log_rule = np.log(np.maximum(rule, 1e-4))

    def loss(w: Floats) -> float:
        p = softmax(w[0] * net + w[1] * log_rule)
        return float(-np.log(p[np.arange(len(truth)), truth] + 1e-12).mean())

    found = minimize(loss, np.array([1.0, 0.1]), method="L-BFGS-B", bounds=[(0, 5), (0, 2)])
    return {"net": round(float(found.x[0]), 4), "rule": round(float(found.x[1]), 4)}


def _rivals(train: _Part, held: _Part, work: Work) -> dict[str, OutOfFold]:
    """Plain baselines: logistic regression on pixels, and on the mesh's blendshapes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mesh = work.kept("geometry", dict)["shapes"]
    here = work.kept("held geometry", lambda: face_chain.geometry(held.pictures, partial(work.progress, "geometry")))
    small = [p.pictures.reshape(-1, 12, 4, 12, 4).mean(axis=(2, 4)).reshape(len(p.pictures), -1) for p in (train, held)]
    out = {}
    for name, x, z in (("pixels + logistic", *small), ("blendshapes + logistic", mesh, here["shapes"])):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
        told = np.full((len(z), 8), -20.0)
        told[:, np.unique(train.emotion)] = model.fit(x, train.emotion).predict_log_proba(z)
        out[name] = _out(told, held.emotion, held.names, f"FER+ official validation part, {name}", None)
    return out


def _tables(manifest: Mapping[str, Any]) -> str:
    head = ("withheld", "confident", "confident_and_wrong", "mean_set_size")
    words = {"confident": "told with p ≥ 0.8", "confident_and_wrong": "and wrong", "mean_set_size": "label set at 90 %"}

    def table(rows: Mapping[str, Mapping[str, float]], first: str, columns: tuple[str, ...]) -> list[str]:
        lines = [f"| {' | '.join([first, *(words.get(c, c) for c in columns)])} |", "| --- " * (len(columns) + 1) + "|"]
        return lines + [f"| {n} | {' | '.join(f'{r[c]:.3f}' for c in columns)} |" for n, r in rows.items()]

    return "\n".join([
        "", f"The first {_CHECKED} validation pictures spoilt, with the prior shift:", "",
        *table(manifest["robustness"], "spoilt how", ("accuracy", *head)), "",
        "What is no face, given to the net as if it were one (the analysis must find a face first):", "",
        *table(manifest["not_faces"], "what", (head[0], head[1], head[3])), "",
    ])  # fmt: skip
