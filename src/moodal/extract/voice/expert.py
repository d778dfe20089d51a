"""Displayed emotion from how a voice sounds: windows of talk through the cut speech encoder of a bundle.

::

    sound ─► Labeller ─► Turns ─► log-mel ─► graph "encoder" ─► embedding (2 d) a window     `read`, the costly part
                                                                     │
             of a stranger   standardised over the training clips ◄──┤──► by the person's own clips   `tell`
                                     plain head ─► classes             person head ─► classes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray
from moodal.core.errors import ModelError
from moodal.core.extractor import MeasureContext
from moodal.core.runner import Evidence, Example, Told
from moodal.core.scheme import SCHEMES, mapping
from moodal.core.stream import SoundChunk
from moodal.dsp.calibration import tempered
from moodal.dsp.mel import log_mel
from moodal.weights.sessions import onnx_graph

from .activity import FRAME, RATE_HZ
from .blocks import BLOCK, ENDED, SOUND, Block, Cutter
from .labels import REASONS, SPEECH, Labeller, Labels
from .turns import LEAST, LONGEST, Turns, Window, trimmed

__all__ = [
    "ARRAYS",
    "FEWEST",
    "VoiceRunner",
    "by_person",
    "chosen",
    "distance",
    "mel_of",
    "mixed",
    "open_runner",
    "own",
]

Floats = npt.NDArray[np.float32]

#: Arrays of a bundle.
ARRAYS = (
    "mean", "spread", "plain", "plain_bias", "gate", "gate_bias", "known", "person", "person_bias", "apart",
    "apart_bias", "basis", "deviation", "first_mean", "first_spread", "first", "first_bias", "first_own",
    "first_own_bias", "first_gate", "first_gate_bias", "first_weight", "temperature", "person_temperature",
)  # fmt: skip
#: Windows of a person without which nothing is known of how that person usually sounds.
FEWEST = 8
#: How many of a person's other clips a clip is told beside.
NEAREST = 5
#: The most that the network reads at once, s.
LONGEST_S = 8
#: Standardised channels count as at most this far out, as in training.
FURTHEST = 5.0


def mel_of(sound: Floats) -> Floats:
    """What the network reads of a window: log-mel ``(frames, 80)`` at 100 Hz, without silent ends and offset."""
    sound = sound - sound.mean(dtype=np.float32)
    return log_mel(trimmed(sound)[: LONGEST_S * RATE_HZ])


def own(embedding: Floats, person: Floats, spread: Floats) -> Floats:
    """Embeddings ``(n, d)`` by the mean and deviation of the person's own ``(m, d)``; ``spread (d,)``, that of all
    training clips, keeps channels in bounds that a person hardly moves."""
    by = person.std(axis=0, ddof=1) + 0.1 * spread + 1e-4
    return np.asarray((embedding - person.mean(axis=0)) / by, np.float32)


def mixed(x: Floats, a: Mapping[str, Floats], z: Floats | None = None) -> FloatArray:
    """Log scores ``(n, C)`` of embeddings ``x (n, d)``, standardised over the training clips.

    Every corpus trained on has a head of its own (``plain (K * C, d)``), without the classes that it lacks (``known
    (K, C)`` is 0 there); each counts by how much the clip sounds like that corpus (``gate (K, d)``). With ``z (n, d)``,
    the same by the person's own clips, it is what all corpora share (``person (C, d)``) and what sets each apart
    (``apart (K * C, d)``).
    """
    known = a["known"] > 0
    x = np.clip(x, -FURTHEST, FURTHEST)
    if z is None:
        own_head = (x @ a["plain"].T + a["plain_bias"]).reshape(len(x), *known.shape)
    else:
        z = np.clip(z, -FURTHEST, FURTHEST)
        own_head = (z @ a["apart"].T + a["apart_bias"]).reshape(len(x), *known.shape)
        own_head = own_head + (z @ a["person"].T + a["person_bias"])[:, None]
    told = _log_softmax(np.where(known, own_head, -1e4).astype(np.float64))
    share = _log_softmax((x @ a["gate"].T + a["gate_bias"]).astype(np.float64))
    return np.asarray(np.logaddexp.reduce(share[:, :, None] + told, axis=1))


def by_person(embedding: Floats, known: Floats, a: Mapping[str, Floats]) -> FloatArray:
    """Log scores ``(n, C)`` of embeddings ``(n, d)`` by how the person of ``known (m, d)`` usually sounds.

    What each would be told as for itself moves half way towards its `NEAREST` others of the person: who sounds alike
    twice mostly means the same.
    """
    z, others = own(embedding, known, a["spread"]), own(known, known, a["spread"])
    told, beside = mixed(_standard(embedding, a), a, z), np.exp(mixed(_standard(known, a), a, others))
    one, many = (np.clip(v, -FURTHEST, FURTHEST).astype(np.float64) for v in (z, others))
    one, many = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9) for v in (one, many))
    alike = one @ many.T
    # Of the person's clips the clip itself is one.
    alike = np.where(alike > 1 - 1e-6, -1.0, alike)
    order = np.argsort(-alike, axis=1, kind="stable")[:, :NEAREST]
    weight = np.maximum(np.take_along_axis(alike, order, axis=1), 1e-6)
    near = (weight[:, :, None] * beside[order]).sum(axis=1) / weight.sum(axis=1, keepdims=True)
    return _log_softmax(told + 0.5 * np.log(near + 1e-3))


def beside(x: Floats, a: Mapping[str, Floats], z: Floats | None = None) -> FloatArray:
    """Log scores ``(n, C)`` by ridge regression on the first block's statistics ``x (n, d)``, standardised over the
    training clips: a head for each corpus (``first``) mixed by ``first_gate``; with ``z (n, d)``, the same by the
    person's own clips, by ``first_own``; times what they count for beside the network (``first_weight``)."""
    known = a["known"] > 0
    name, y = ("first", x) if z is None else ("first_own", z)
    y, x = np.clip(y, -FURTHEST, FURTHEST), np.clip(x, -FURTHEST, FURTHEST)
    head = (y @ a[name].T + a[f"{name}_bias"]).reshape(len(x), *known.shape)
    told = _log_softmax(np.where(known, head, -1e4).astype(np.float64))
    mean = np.logaddexp.reduce(np.log(shares(x, a) + 1e-30)[:, :, None] + told, axis=1)
    return np.asarray(a["first_weight"].item() * mean)


def told_of(evidence: Floats, a: Mapping[str, Floats], known: Floats | None = None) -> FloatArray:
    """Log scores ``(n, C)`` of evidence ``(n, 2 d)``, by that ``known (m, 2 d)`` of the person where it is given: the
    tuned network's and the first block's, which err apart, added."""
    d = len(a["mean"])
    tuned, first = evidence[:, :d], evidence[:, d:]
    x = np.asarray((first - a["first_mean"]) / a["first_spread"], np.float32)
    if known is None:
        return sharpened(mixed(_standard(tuned, a), a) + beside(x, a), x, a, a["temperature"])
    z = own(first, known[:, d:], a["first_spread"])
    return sharpened(by_person(tuned, known[:, :d], a) + beside(x, a, z), x, a, a["person_temperature"])


def sharpened(logits: FloatArray, x: Floats, a: Mapping[str, Floats], temperature: Floats) -> FloatArray:
    """Log scores ``(n, C)`` over the temperature of the corpora that the clips sound like: ``temperature (K,)`` says
    how much too sure of itself each corpus makes the network."""
    return _log_softmax(logits / (shares(x, a) @ np.asarray(temperature, np.float64))[:, None])


def shares(x: Floats, a: Mapping[str, Floats]) -> FloatArray:
    """How much each clip sounds like each corpus ``(n, K)``, by its standardised statistics ``x (n, d)``."""
    x = np.clip(x, -FURTHEST, FURTHEST)
    return np.asarray(np.exp(_log_softmax((x @ a["first_gate"].T + a["first_gate_bias"]).astype(np.float64))))


def _standard(embedding: Floats, a: Mapping[str, Floats]) -> Floats:
    return np.asarray((embedding - a["mean"]) / a["spread"], np.float32)


def _log_softmax(x: FloatArray) -> FloatArray:
    x = x - x.max(axis=-1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis=-1, keepdims=True)))


def distance(x: Floats, basis: Floats, deviation: Floats, rest: float) -> FloatArray:
    """How far standardised embeddings ``(n, d)`` lie from the training clips: ``(n,)``, about 1 inside.

    Mahalanobis' distance within the span of ``basis (d, k)``, over k, whose ``deviation (k,)`` is that of training; and
    what lies outside of the span, over its mean square ``rest``. The larger of both, for each is a way to be strange.
    """
    inside = x @ basis
    left = np.square(x).sum(axis=1) - np.square(inside).sum(axis=1)
    return np.asarray(np.maximum(np.square(inside / deviation).mean(axis=1), left / rest), np.float64)


@dataclass(frozen=True)
class VoiceRunner:
    """A bundle of runner ``voice``; see `moodal.core.runner.Runner`."""

    bundle: Bundle

    multilabel = frozenset[str]()
    uses_baseline = True

    @cached_property
    def schemes(self) -> Mapping[str, tuple[str, ...]]:
        """``voice8``, then ``ekman8`` and ``sentiment3`` by the written tables."""
        native = str(self.bundle.manifest["scheme"])
        return {s: SCHEMES[s].classes for s in (native, "ekman8", "sentiment3")}

    @cached_property
    def to_ekman8(self) -> Any:
        """The written table from its own classes."""
        return mapping(str(self.bundle.manifest["scheme"]), "ekman8")

    @cached_property
    def _session(self) -> Any:
        return onnx_graph(self.bundle.graph("encoder"), self.bundle.name)

    @cached_property
    def _arrays(self) -> dict[str, Floats]:
        return {n: np.asarray(self.bundle.array(n), np.float32) for n in ARRAYS}

    def load(self) -> VoiceRunner:
        """The runner with graph and arrays read, so that a damaged bundle is noticed before anything is told.

        Raises
        ------
        ModelError : a member is missing or damaged.
        """
        try:
            _ = self._session, self._arrays, self.schemes
        except (ValueError, KeyError, EOFError) as error:
            raise ModelError(f"cannot be read ({error})", where=self.bundle.name, fix="Install it again.") from error
        return self

    def embed(self, sound: Floats) -> Floats:
        """A window's sound ``(n,)`` at 16 kHz to its embedding ``(d,)``."""
        (told,) = self._session.run(None, {"mel": mel_of(sound)[None]})
        return np.asarray(told[0], np.float32)

    def read(self, example: Example) -> Evidence | str:
        """One embedding a window of talk; or ``silence``, ``noise`` (sound without speech), ``too_short`` or what else
        hides the speech.

        A clip of at most 6 s is one window: detection cuts into raised voices, and who gives a short clip means all of
        it. Where no speech is found in it, it must lie well within what the network was trained on.

        Raises
        ------
        InputError : the file cannot be read, or is no recording at all.
        """
        if example.file is None:
            return "no_stream"
        heard = _heard(example)
        if heard.sound is not None and not heard.hidden:
            told = self.embed(heard.sound)[None]
            # Where detection began to hear speech, `tell` decides by the wider limit.
            spoken = heard.windows or {"speech", "too_short"} & set(heard.frames)
            if spoken or float(self.far(told)[0]) <= float(self.bundle.manifest["domain"]["well_within"]):
                return told
        elif heard.windows:
            return np.stack([self.embed(w.sound) for w in heard.windows])
        return heard.reason

    def far(self, evidence: Evidence) -> FloatArray:
        """Each window's distance from the training clips, see `distance`."""
        a = self._arrays
        x = _standard(np.asarray(evidence, np.float32)[:, : len(a["mean"])], a)
        return distance(x, a["basis"], a["deviation"], float(self.bundle.manifest["domain"]["rest"]))

    def tell(self, evidence: Evidence, person: Sequence[Evidence] = ()) -> Told:
        """The windows' mean log scores, calibrated. With `FEWEST` windows of the person or more they are told by how
        that person usually sounds; the clip must then be one of many moods, not the only one."""
        embedding = np.asarray(evidence, np.float32)
        known = np.concatenate(list(person)) if person else np.zeros((0, embedding.shape[1]), np.float32)
        calibration = dict(self.bundle.manifest["calibration"] or {})
        enough = len(known) >= FEWEST
        if enough:
            calibration = dict(calibration.get("person", calibration))
        logits = told_of(embedding, self._arrays, known if enough else None)
        scores = tempered(logits.mean(axis=0), calibration)
        far = float(np.median(self.far(embedding)))
        return Told(scores, "out_of_domain" if far > float(self.bundle.manifest["domain"]["threshold"]) else "")

    def window(self, window: Window) -> FloatArray | None:
        """A window's scores in ekman8 ``(8,)``, of a stranger; None where it is none of its kind."""
        told = self.tell(self.embed(window.sound)[None])
        return None if told.withheld else np.asarray(self.to_ekman8.apply(told.scores))


def open_runner(bundle: Bundle) -> VoiceRunner:
    """The runner of a bundle.

    Raises
    ------
    ModelError : it is damaged.
    """
    return VoiceRunner(bundle).load()


def chosen(context: MeasureContext) -> VoiceRunner | None:
    """The expert that the caller set for this pass, if any (option ``experts``, key ``voice``).

    Raises
    ------
    UsageError : no such bundle.
    ModelError : it is damaged.
    """
    name = (context.options.get("experts") or {}).get("voice")
    return open_runner(registry.find_bundle(str(name), "voice")) if name else None


@dataclass
class _Heard:
    """What is to be heard in a file: ``sound`` where all of it is at most 6 s, ``windows`` of talk, frames by label;
    ``hidden`` where something else than silence or noise hides it."""

    sound: Floats | None
    windows: list[Window]
    frames: dict[str, int]

    @property
    def hidden(self) -> bool:
        return self.sound is None or not len(self.sound) or self.reason not in ("noise", "too_short", "speech")

    @property
    def reason(self) -> str:
        """What most of the sound is, if it is no speech."""
        if self.frames.get("speech", 0):
            return "speech" if self.windows else "too_short"
        return max(self.frames, key=lambda r: self.frames[r]) if self.frames else "silence"


def _heard(example: Example) -> _Heard:
    from moodal.media import read

    assert example.file is not None
    recording = read(example.file)
    stream = recording.stream("sound")
    if stream is None:
        return _Heard(None, [], {"no_stream": 1})
    start, end = (t if t is not None and isfinite(t) else None for t in (example.start_s, example.end_s))
    cutter, labeller, turns = Cutter(), Labeller(), Turns()
    blocks: list[Block] = []
    waiting: list[Block] = []
    heard = _Heard(None, [], {})

    def take(told: list[Labels]) -> None:
        for labels in told:
            heard.windows += turns.push(waiting.pop(0).samples, labels.label == SPEECH, labels.near)
            for label, count in zip(*np.unique(labels.label, return_counts=True), strict=True):
                heard.frames[REASONS[label]] = heard.frames.get(REASONS[label], 0) + int(count)

    def push(block: Block) -> None:
        if len(blocks) * BLOCK <= LONGEST * FRAME:
            blocks.append(block)
        waiting.append(block)
        take(labeller.push(block))

    for chunk in recording.chunks(stream.name, start=start or 0.0, end=end):
        assert isinstance(chunk, SoundChunk)
        for block in cutter.push(np.asarray(chunk.samples, np.float32), chunk.start_sample):
            push(block)
    for block in cutter.close():
        push(block)
    take(labeller.close())
    heard.windows += turns.close()
    heard.frames.pop("no_stream", None)  # after the sound's end
    if cutter.end - (cutter.start or 0) <= LONGEST * FRAME and all(
        (b.state[b.state != ENDED] == SOUND).all() for b in blocks
    ):
        parts = [b.samples[b.state == SOUND] for b in blocks]
        heard.sound = np.concatenate(parts) if parts else None
        if heard.sound is not None and len(heard.sound) < LEAST * FRAME:
            heard.sound, heard.frames = None, {"too_short": 1}
    return heard
