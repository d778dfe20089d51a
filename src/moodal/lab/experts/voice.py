"""The voice expert: the speech encoder's first blocks, tuned on acted speech of three languages.

::

    RAVDESS, nEMO, EmoDB ─► as other rooms would give them ─► stem and block 1 (frozen), 80-ms means ─┐   once
      7 folds that leave people out ─► tune block 2, pooling, heads ─► predictions of those left out  ◄┤
      3 × two sets ─► the third                                                                       ◄┤
      all people ─► the model that ships ◄─────────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.extract.voice.expert import ARRAYS, beside, by_person, distance, mel_of, mixed, own, sharpened
from moodal.lab.data.cache import key_of

from . import voice_rooms as rooms
from .calibrate import fit
from .made import Made
from .voice_first import away, by_own, first_heads, statistics, temperature_of
from .voice_parts import (
    ABOUT,
    CLASSES,
    FOUR,
    HARDER,
    SETS,
    People,
    contents_of,
    graph,
    parts_of,
    rivals_of,
    sounds,
    unseen,
)  # fmt: skip
from .work import Work

__all__ = ["Settings", "make"]

Array = npt.NDArray[Any]
#: Dimensions of the span that tells what is far from the training clips; shares of people left out that are beyond its
#: thresholds.
_SPAN, _FAR, _WELL = 64, 0.995, 0.95


@dataclass(frozen=True, slots=True)
class Settings:
    """``copies`` are changed copies of each clip, ``pool`` frames of 20 ms in one, ``folds`` those that leave people
    out, ``members`` nets that differ in the order of clips alone, whose weights are averaged; ``second_opinion`` is
    what the first block's statistics count for beside the network; the rest as in `voice_net.Training`."""

    copies: int = 3
    pool: int = 4
    folds: int = 7
    epochs: int = 7
    cross_epochs: int = 5
    lr: float = 1.5e-4
    head_lr: float = 2e-3
    dropout: float = 0.3
    cross_dropout: float = 0.5
    smoothing: float = 0.1
    clean: float = 0.34
    members: int = 3
    second_opinion: float = 0.5


def make(settings: Settings, work: Work) -> Made:
    """The bundle ``voice`` with its predictions of people left out."""
    import torch

    torch.set_num_threads(1)
    people = _people(work)
    frames = [_frames(settings, work, people, k) for k in range(settings.copies + 1 + len(HARDER))]
    fold = _folds(people, settings.folds)
    told = _told(settings, work, people, frames, fold)
    crossed = {c: _cross(settings, work, people, frames, c) for c in range(len(SETS))}
    final = work.kept("final", lambda: _final(settings, work, people, frames), contents_of(people))
    everybody = np.arange(len(people.truth))
    share = settings.second_opinion
    copies = [statistics(f) for f in frames[:2]]
    first = first_heads(copies, everybody, people.truth, people.corpus, people.person, share)
    parts = parts_of(people, told, crossed)
    calibrate_on = [f"{s}" for s in SETS]
    within = told["far"][people.truth >= 0]
    domain = {
        "rest": float(final["rest"]), "span": _SPAN,
        "threshold": round(float(np.quantile(within, _FAR)), 4),
        "well_within": round(float(np.quantile(within, _WELL)), 4),
        "about": f"distances that {_FAR:.1%} and {_WELL:.1%} of the clips of people left out do not exceed",
    }  # fmt: skip
    person = fit([parts[f"{s}, baseline mode"] for s in SETS])
    temperatures = {n: told[n] for n in ("temperature", "person_temperature")}
    arrays = {n: {**first, **final, **temperatures}[n] for n in ARRAYS}
    return Made(
        "voice",
        parts,
        {"runner": "voice", "scheme": "voice8", "inputs": ["sound"], "domain": domain},
        ABOUT,
        trained_on=people.indexes,
        calibrate_on=calibrate_on,
        calibration={"person": {k: person[k] for k in ("kind", "temperature", "n", "people", "fitted_on")}},
        unseen_corpus=unseen(parts),
        rivals=rivals_of(work, people, frames, fold),
        arrays=arrays,
        graphs={"encoder": graph(settings.pool, final)},
    )


def _people(work: Work) -> People:
    indexes, truth, corpus, person = [], [], [], []
    for k, name in enumerate(SETS):
        index = work.data(name).index
        emotion = index.labels["emotion"]
        eight = index.labels["ekman8"]
        calm = emotion.names.index("calm") if "calm" in emotion.names else -2
        for a, b in zip(emotion.values, eight.values, strict=True):
            word = "calm" if a == calm else eight.names[b] if b >= 0 else ""
            truth.append(CLASSES.index(word) if word in CLASSES else -1)
        indexes.append(index)
        corpus += [k] * len(index)
        person += [f"{name} {s}" for s in index["subject"]]
    names = sorted(set(person))
    return People(indexes, np.array(truth), np.array(corpus), np.array([names.index(p) for p in person]), names)


def _folds(people: People, folds: int) -> Array:
    """The fold that leaves each clip's person out: RAVDESS's 20 actors in five, two men and two women each, every
    speaker of nEMO in one of its own, EmoDB's spread."""
    of = {}
    for k, name in enumerate(SETS):
        mine = [p for p in people.names if p.startswith(f"{name} ")]
        if k == 0:
            of.update({p: (i // 2) % min(5, folds) for i, p in enumerate(mine)})
        else:
            of.update({p: (i if k == 1 else folds - 1 - i) % folds for i, p in enumerate(mine)})
    return np.array([of[people.names[p]] for p in people.person])


def _frames(settings: Settings, work: Work, people: People, copy: int) -> Mapping[str, Array]:
    """Frames of one copy of all clips after stem and block 1, means of ``pool`` of them; copy 0 is clean, the last ones
    are `HARDER`."""

    def compute() -> dict[str, Array]:
        import torch

        from moodal.lab.nn.whisper import packaged

        encoder = packaged(1)
        clips = sounds(tuple(people.column("recording")))
        others = [s for s in clips if len(s) > rooms.RATE_HZ][::7]
        mels = []
        for i, sound in enumerate(clips):
            mels.append(mel_of(_copy(settings, sound, copy, i, work.seed, others)))
            if i % 50 == 0:
                work.progress(f"copy {copy}", i / len(clips) / 2)
        order = np.argsort([len(m) for m in mels], kind="stable")
        found: list[Array] = [np.zeros((0, 0))] * len(mels)
        for first in range(0, len(order), 24):
            rows = order[first : first + 24]
            steps = max(len(mels[i]) for i in rows)
            x = torch.zeros(len(rows), steps + steps % 2, 80)
            mask = torch.zeros(x.shape[:2], dtype=torch.bool)
            for k, i in enumerate(rows):
                x[k, : len(mels[i])], mask[k, : len(mels[i])] = torch.from_numpy(mels[i]), True
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                told, _ = encoder(x, mask)
            for k, i in enumerate(rows):
                n = -(-len(mels[i]) // 2) // settings.pool * settings.pool
                part = told[1][k, :n].float().numpy().reshape(-1, settings.pool, told[1].shape[2]).mean(axis=1)
                found[i] = part.astype(np.float16)
            work.progress(f"copy {copy}", 0.5 + first / len(order) / 2)
        starts = np.concatenate([[0], np.cumsum([len(f) for f in found])])
        return {"frames": np.concatenate(found), "starts": starts}

    key = key_of("voice frames 1", copy if copy <= settings.copies else HARDER[copy - settings.copies - 1],
                 settings.pool, work.seed, contents_of(people))  # fmt: skip
    return work.cache.arrays(key, compute)


def _copy(settings: Settings, sound: Array, copy: int, i: int, seed: int, others: Sequence[Array]) -> Array:
    if copy == 0:
        return sound
    if copy <= settings.copies:
        return rooms.changed(sound, np.random.default_rng([seed, copy, i]), others)
    rng = np.random.default_rng([seed, 1000, i])
    kind = HARDER[copy - settings.copies - 1]
    if kind == "noise at 10 dB":
        return rooms.with_noise(sound, rooms.noise(len(sound), rng), 10.0)
    if kind == "telephone band":
        return rooms.coarse(rooms.band(sound, 300, 3400))
    return rooms.reverberant(sound, rng, 0.6, 0.0)


def _trained(settings: Settings, work: Work, people: People, frames: Sequence[Mapping[str, Array]], rows: Array,
             name: str, *, across: bool = False) -> Any:  # fmt: skip
    """The mean of the weights of several nets (Wortsman et al. 2022, arXiv 2203.05482): they begin at the same weights,
    meet the clips in another order each, and end in one valley."""
    import torch

    from moodal.lab.nn.whisper import Block, packaged

    from .voice_net import Clips, Training, VoiceNet, mean_of, settled, train

    def begun() -> VoiceNet:
        torch.manual_seed(work.seed)
        block = packaged(2).blocks[1]
        assert isinstance(block, Block)
        return VoiceNet([block], len(CLASSES), len(SETS))

    kept = frames[: settings.copies + 1]
    clips = Clips([f["frames"] for f in kept], [f["starts"] for f in kept], people.truth, people.person, people.corpus,
                  round(3.2 * 50 / settings.pool))  # fmt: skip
    training = Training(
        settings.cross_epochs if across else settings.epochs, settings.lr, settings.head_lr,
        dropout=settings.cross_dropout if across else settings.dropout, smoothing=settings.smoothing,
        clean=settings.clean,
    )  # fmt: skip

    def member(k: int) -> dict[str, Array]:
        what = f"{name}, net {k + 1}"
        told = train(begun(), clips, rows, training, work.seed + k, lambda s, text: work.progress(f"{what} {text}", s))
        return {n: v.detach().numpy() for n, v in told.state_dict().items()}

    of = contents_of(people)
    told = [work.kept(f"{name}, net {k}", partial(member, k), of) for k in range(settings.members)]
    net = begun()
    net.load_state_dict(mean_of(told))
    return settled(net.eval(), [_embedded(net, f, rows) for f in kept[:2]])


def _embedded(net: Any, frames: Mapping[str, Array], rows: Array) -> Array:
    from .voice_net import embed

    return embed(net, frames["frames"], frames["starts"], rows)


def _arrays(net: Any, embeddings: Array) -> dict[str, Array]:
    """The heads as arrays, and the span of the training clips' embeddings (standardised)."""
    told = {
        "mean": net.mean, "spread": (net.square - net.mean**2).clamp_min(1e-6).sqrt(), "plain": net.plain.weight,
        "plain_bias": net.plain.bias, "gate": net.gate.weight, "gate_bias": net.gate.bias, "known": net.known.float(),
        "apart": net.apart.weight, "apart_bias": net.apart.bias, "person": net.person.weight,
        "person_bias": net.person.bias,
    }  # fmt: skip
    a = {k: v.detach().numpy().astype(np.float32) for k, v in told.items()}
    x = (embeddings - a["mean"]) / a["spread"]
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    a["basis"] = np.ascontiguousarray(vectors[:, ::-1][:, :_SPAN].astype(np.float32))
    a["deviation"] = np.sqrt(np.maximum(values[::-1][:_SPAN], 1e-8)).astype(np.float32)
    a["rest"] = np.array(max(float(values[::-1][_SPAN:].sum()), 1e-8))
    return a


def _told(
    settings: Settings, work: Work, people: People, frames: Sequence[Mapping[str, Array]], fold: Array
) -> dict[str, Array]:
    """Log scores of every clip by the model that left its person out: of a stranger, by the person's own clips, and of
    the clip as harder rooms give it; how far it lies from that model's training clips."""
    n = len(people.truth)
    out = {"plain": np.zeros((n, len(CLASSES))), "person": np.zeros((n, len(CLASSES))), "far": np.zeros(n)}
    out |= {name: np.zeros((n, len(CLASSES))) for name in HARDER}
    firsts = [statistics(f) for f in frames]
    heads: dict[int, dict[str, Array]] = {}

    for k in np.unique(fold):
        test = np.flatnonzero(fold == k)
        rows = np.flatnonzero(fold != k)

        def compute(k: int = int(k), rows: Array = rows, test: Array = test) -> dict[str, Array]:
            net = _trained(settings, work, people, frames, rows, f"fold {k}")
            a = _arrays(net, np.concatenate([_embedded(net, frames[c], rows) for c in (0, 1)[: len(frames)]]))
            e = _embedded(net, frames[0], test)
            found = {"plain": _plain(e, a), "person": _each(people.person[test], e, a)}
            x = np.asarray((e - a["mean"]) / a["spread"], np.float32)
            found["far"] = distance(x, a["basis"], a["deviation"], float(a["rest"]))
            for j, name in enumerate(HARDER):
                found[name] = _plain(_embedded(net, frames[settings.copies + 1 + j], test), a)
            return found

        for name, values in work.kept(f"fold {k}", compute, contents_of(people)).items():
            out[name][test] = values
        a = first_heads(firsts[:2], rows, people.truth, people.corpus, people.person, settings.second_opinion)
        clean = firsts[0][test]
        z = by_own(people.person[test], clean, a["first_spread"])
        out["plain"][test] += beside(away(clean, a), a)
        out["person"][test] += beside(away(clean, a), a, z)
        heads[int(k)] = a
        for j, name in enumerate(HARDER):
            out[name][test] += beside(away(firsts[settings.copies + 1 + j][test], a), a)
    # How much too sure each corpus makes it, from the people of the other folds; of all people for the final model.
    raw = {"plain": out["plain"].copy(), "person": out["person"].copy()}
    for k, a in heads.items():
        test = np.flatnonzero(fold == k)
        t = {mode: _temperatures(people, logits, fold != k) for mode, logits in raw.items()}
        for name in ("plain", "person", *HARDER):
            j = HARDER.index(name) + settings.copies + 1 if name in HARDER else 0
            mode = "person" if name == "person" else "plain"
            out[name][test] = sharpened(out[name][test], away(firsts[j][test], a), a, t[mode])
    everybody = np.ones(n, bool)
    out["temperature"] = _temperatures(people, raw["plain"], everybody)
    out["person_temperature"] = _temperatures(people, raw["person"], everybody)
    return out


def _temperatures(people: People, logits: Array, rows: Array) -> Array:
    """One for each corpus, over the classes that it has."""
    found = []
    for c in range(len(SETS)):
        here = rows & (people.corpus == c) & (people.truth >= 0)
        found.append(temperature_of(logits[here], people.truth[here]))
    return np.array(found, np.float32)


def _plain(e: Array, a: Mapping[str, Array]) -> Array:
    return mixed(np.asarray((e - a["mean"]) / a["spread"], np.float32), a)


def _each(person: Array, e: Array, a: Mapping[str, Array]) -> Array:
    out = np.zeros((len(e), len(CLASSES)))
    for p in np.unique(person):
        mine = person == p
        out[mine] = by_person(e[mine], e[mine], a)
    return out


def _cross(
    settings: Settings, work: Work, people: People, frames: Sequence[Mapping[str, Array]], left: int
) -> dict[str, Array]:
    """Two sets to the third, in the classes that all three have; its embeddings by the mean and deviation of
    the whole set or of each person, which need no label."""
    test = np.flatnonzero((people.corpus == left) & np.isin(people.truth, FOUR))

    def compute() -> dict[str, Array]:
        rows = np.flatnonzero((people.corpus != left) & np.isin(people.truth, FOUR))
        net = _trained(settings, work, people, frames, rows, f"without {SETS[left]}", across=True)
        a = _arrays(net, _embedded(net, frames[0], rows))
        e = _embedded(net, frames[0], test)
        return {"plain": _plain(e, a), "set": by_person(e, e, a), "person": _each(people.person[test], e, a)}

    told = work.kept(f"cross {left}", compute, contents_of(people))
    rows = np.flatnonzero((people.corpus != left) & np.isin(people.truth, FOUR))
    copies = [statistics(f) for f in frames[:2]]
    nobody = np.zeros(len(people.truth), int)
    a = first_heads(copies, rows, people.truth, nobody, people.person, settings.second_opinion)
    clean = copies[0][test]
    x = away(clean, a)
    return {
        "plain": told["plain"] + beside(x, a),
        "set": told["set"] + beside(x, a, own(clean, clean, a["first_spread"])),
        "person": told["person"] + beside(x, a, by_own(people.person[test], clean, a["first_spread"])),
        "rows": test,
    }


def _final(settings: Settings, work: Work, people: People, frames: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    rows = np.arange(len(people.truth))
    net = _trained(settings, work, people, frames, rows, "all people")
    a = _arrays(net, np.concatenate([_embedded(net, frames[c], rows) for c in (0, 1)[: len(frames)]]))
    return {**a, **{f"net.{k}": v.detach().numpy() for k, v in net.state_dict().items()}}
