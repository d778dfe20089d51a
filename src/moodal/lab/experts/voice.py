"""The voice expert: the speech encoder's first blocks, tuned on acted speech of three languages.

::

    RAVDESS, nEMO, EmoDB ─► as other rooms would give them ─► stem and block 1 (frozen), 80-ms means ─┐   once
      7 folds that leave people out ─► tune block 2, pooling, heads ─► predictions of those left out  ◄┤
      3 × two sets ─► the third                                                                       ◄┤
      all people ─► the model that ships ◄─────────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import scheme
from moodal.extract.voice.expert import ARRAYS, LONGEST_S, by_person, distance, mel_of, mixed
from moodal.lab.data.cache import key_of
from moodal.lab.data.index import Index
from moodal.lab.data.media import open_sound

from . import voice_rooms as rooms
from .calibrate import fit
from .made import Made, OutOfFold
from .work import Work

__all__ = ["Settings", "make"]

Array = npt.NDArray[Any]
CLASSES = scheme("voice8").classes
SETS = ("ravdess", "nemo", "emodb")
#: Classes that all three sets have in number.
FOUR = tuple(CLASSES.index(c) for c in ("neutral", "happiness", "sadness", "anger"))
#: How clips are also asked about: name of the part, what is done to them.
HARDER = ("noise at 10 dB", "telephone band", "reverberation 0.6 s")
#: Dimensions of the span that tells what is far from the training clips; shares of people left out that are beyond its
#: thresholds.
_SPAN, _FAR, _WELL = 64, 0.995, 0.95


@dataclass(frozen=True, slots=True)
class Settings:
    """``copies`` are changed copies of each clip, ``pool`` frames of 20 ms in one, ``folds`` those that leave people
    out; the rest as in `voice_net.Training`."""

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


@dataclass(frozen=True)
class People:
    """All clips of the three sets in one row: ``truth (n,)`` (-1: none of the classes), ``corpus``, ``person``."""

    indexes: Sequence[Index]
    truth: Array
    corpus: Array
    person: Array
    names: Sequence[str]

    def column(self, name: str) -> Array:
        """A column of the indexes, all clips."""
        return np.concatenate([np.asarray(i[name], str) for i in self.indexes])


def make(settings: Settings, work: Work) -> Made:
    """The bundle ``voice`` with its predictions of people left out."""
    import torch

    torch.set_num_threads(1)
    people = _people(work)
    frames = [_frames(settings, work, people, k) for k in range(settings.copies + 1 + len(HARDER))]
    fold = _folds(people, settings.folds)
    told = _told(settings, work, people, frames, fold)
    crossed = {c: _cross(settings, work, people, frames, c) for c in range(len(SETS))}
    final = work.kept("final", lambda: _final(settings, work, people, frames), _of(people))
    parts = _parts(people, told, crossed)
    calibrate_on = [f"{s}" for s in SETS]
    within = told["far"][people.truth >= 0]
    domain = {
        "rest": float(final["rest"]), "span": _SPAN,
        "threshold": round(float(np.quantile(within, _FAR)), 4),
        "well_within": round(float(np.quantile(within, _WELL)), 4),
        "about": f"distances that {_FAR:.1%} and {_WELL:.1%} of the clips of people left out do not exceed",
    }  # fmt: skip
    person = fit([parts[f"{s}, baseline mode"] for s in SETS])
    arrays = {n: final[n] for n in ARRAYS}
    return Made(
        "voice",
        parts,
        {"runner": "voice", "scheme": "voice8", "inputs": ["sound"], "domain": domain},
        _ABOUT,
        trained_on=people.indexes,
        calibrate_on=calibrate_on,
        calibration={"person": {k: person[k] for k in ("kind", "temperature", "n", "people", "fitted_on")}},
        rivals=_rivals(settings, work, people, frames, fold),
        arrays=arrays,
        graphs={"encoder": _graph(settings, final)},
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


def _of(people: People) -> str:
    return "|".join(people.column("content"))


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
        sounds = _sounds(tuple(people.column("recording")))
        others = [s for s in sounds if len(s) > rooms.RATE_HZ][::7]
        mels = []
        for i, sound in enumerate(sounds):
            mels.append(mel_of(_copy(settings, sound, copy, i, work.seed, others)))
            if i % 50 == 0:
                work.progress(f"copy {copy}", i / len(sounds) / 2)
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
                 settings.pool, work.seed, _of(people))  # fmt: skip
    return work.cache.arrays(key, compute)


@lru_cache(maxsize=1)
def _sounds(recordings: tuple[str, ...]) -> list[Array]:
    """All clips, decoded once (350 MB)."""
    return [open_sound(r) for r in recordings]


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
             *, across: bool = False, what: str = "") -> Any:  # fmt: skip
    import torch

    from moodal.lab.nn.whisper import Block, packaged

    from .voice_net import Clips, Training, VoiceNet, train

    torch.manual_seed(work.seed)
    block = packaged(2).blocks[1]
    assert isinstance(block, Block)
    net = VoiceNet([block], len(CLASSES), len(SETS))
    kept = frames[: settings.copies + 1]
    clips = Clips([f["frames"] for f in kept], [f["starts"] for f in kept], people.truth, people.person, people.corpus,
                  round(3.2 * 50 / settings.pool))  # fmt: skip
    training = Training(
        settings.cross_epochs if across else settings.epochs, settings.lr, settings.head_lr,
        dropout=settings.cross_dropout if across else settings.dropout, smoothing=settings.smoothing,
        clean=settings.clean,
    )  # fmt: skip
    return train(net, clips, rows, training, work.seed, lambda share, text: work.progress(f"{what} {text}", share))


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

    for k in np.unique(fold):
        test = np.flatnonzero(fold == k)
        rows = np.flatnonzero(fold != k)

        def compute(k: int = int(k), rows: Array = rows, test: Array = test) -> dict[str, Array]:
            net = _trained(settings, work, people, frames, rows, what=f"fold {k + 1}")
            a = _arrays(net, np.concatenate([_embedded(net, frames[c], rows) for c in (0, 1)[: len(frames)]]))
            e = _embedded(net, frames[0], test)
            found = {"plain": _plain(e, a), "person": _each(people.person[test], e, a)}
            found["far"] = distance((e - a["mean"]) / a["spread"], a["basis"], a["deviation"], float(a["rest"]))
            for j, name in enumerate(HARDER):
                found[name] = _plain(_embedded(net, frames[settings.copies + 1 + j], test), a)
            return found

        for name, values in work.kept(f"fold {k}", compute, _of(people)).items():
            out[name][test] = values
    return out


def _plain(e: Array, a: Mapping[str, Array]) -> Array:
    return mixed((e - a["mean"]) / a["spread"], a)


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
        net = _trained(settings, work, people, frames, rows, across=True, what=f"without {SETS[left]}")
        a = _arrays(net, _embedded(net, frames[0], rows))
        e = _embedded(net, frames[0], test)
        return {"plain": _plain(e, a), "set": by_person(e, e, a), "person": _each(people.person[test], e, a)}

    return {**work.kept(f"cross {left}", compute, _of(people)), "rows": test}


def _final(settings: Settings, work: Work, people: People, frames: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    rows = np.arange(len(people.truth))
    net = _trained(settings, work, people, frames, rows, what="all people")
    a = _arrays(net, np.concatenate([_embedded(net, frames[c], rows) for c in (0, 1)[: len(frames)]]))
    weights = {f"net.{k}": v.detach().numpy() for k, v in net.state_dict().items()}
    return {**a, **weights}


def _parts(
    people: People, told: Mapping[str, Array], crossed: Mapping[int, Mapping[str, Array]]
) -> dict[str, OutOfFold]:
    parts = {}
    groups = {"sex": people.column("sex")}
    protocols = (
        "RAVDESS, 5 folds by actor, 8 classes (two sentences in all, said by everybody)",
        "nEMO, leave one speaker out, 6 classes",
        "EmoDB, by speaker, 4 classes",
    )
    reach = {"plain": (0.77, 0.62, None), "person": (0.85, 0.77, None)}

    def part(values: Array, rows: Array, protocol: str, reach: float | None = None, group: bool = True) -> OutOfFold:
        return OutOfFold(
            values, people.truth[rows], np.array(people.names)[people.person[rows]], CLASSES, "uar", protocol,
            groups={k: v[rows] for k, v in groups.items()} if group else {}, reach=reach,
        )  # fmt: skip

    of = [np.flatnonzero((people.corpus == k) & (people.truth >= 0)) for k in range(len(SETS))]
    of[2] = of[2][np.isin(people.truth[of[2]], FOUR)]
    for k, name in enumerate(SETS):
        parts[name] = part(told["plain"][of[k]], of[k], protocols[k], reach["plain"][k])
    for k, name in enumerate(SETS):
        protocol = f"{protocols[k]}; by each person's own clips without labels"
        parts[f"{name}, baseline mode"] = part(told["person"][of[k]], of[k], protocol, reach["person"][k])
    for left, found in crossed.items():
        others = " + ".join(s for i, s in enumerate(SETS) if i != left)
        for norm, told_by in (("person", "each person's"), ("set", "the whole set's")):
            protocol = f"{others} to {SETS[left]}, 4 classes, by {told_by} own clips without labels"
            parts[f"{others} to {SETS[left]}, by {norm}"] = part(
                found[norm], found["rows"], protocol, 0.62, group=False
            )
    for name in HARDER:
        for k in (0, 1):
            parts[f"{SETS[k]}, {name}"] = part(told[name][of[k]], of[k], f"{protocols[k]}; {name}", group=False)
    return parts


def _rivals(
    settings: Settings, work: Work, people: People, frames: Sequence[Mapping[str, Array]], fold: Array
) -> dict[str, OutOfFold]:
    """eGeMAPS, and the frozen second block, each with ridge regression onto the classes, set by set."""
    n = len(people.truth)

    def statistics() -> dict[str, Array]:
        import torch

        from moodal.dsp.egemaps_functionals import functionals
        from moodal.extract.voice.egemaps import descriptors
        from moodal.lab.nn.whisper import packaged

        block = packaged(2).blocks[1]
        clean, hand = frames[0], []
        pooled = np.zeros((n, 768), np.float32)
        with torch.inference_mode():
            for i in range(n):
                x = torch.from_numpy(clean["frames"][clean["starts"][i] : clean["starts"][i + 1]]).float()[None]
                y = block(x, torch.ones(x.shape[:2], dtype=torch.bool))[0]
                pooled[i] = torch.cat([y.mean(0), y.std(0)]).numpy()
        for i, sound in enumerate(_sounds(tuple(people.column("recording")))):
            hand.append(functionals(descriptors(sound)))
            work.progress("eGeMAPS", i / n)
        return {"block 2, frozen": pooled, "eGeMAPS": np.nan_to_num(np.array(hand, np.float32))}

    rivals = {}
    for name, x in work.kept("statistics", statistics, _of(people)).items():
        for mode in ("", ", baseline mode"):
            z = x.copy()
            for p in np.unique(people.person) if mode else ():
                mine = people.person == p
                z[mine] = (x[mine] - x[mine].mean(axis=0)) / (x[mine].std(axis=0) + 1e-3)
            for k in (0, 1):
                rows = np.flatnonzero((people.corpus == k) & (people.truth >= 0))
                logits = np.zeros((len(rows), len(CLASSES)))
                for f in np.unique(fold[rows]):
                    train, test = rows[fold[rows] != f], fold[rows] == f
                    logits[test] = _ridge(z[train], people.truth[train], z[rows[test]])
                rivals[f"{name} + ridge, {SETS[k]}{mode}"] = OutOfFold(
                    logits, people.truth[rows], np.array(people.names)[people.person[rows]], CLASSES, "uar", "as above"
                )
    return rivals


def _ridge(x: Array, y: Array, new: Array, strength: float = 0.2) -> Array:
    """Class scores by ridge regression, every class weighing the same."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    count = np.bincount(y, minlength=len(CLASSES))
    weight = (1 / np.maximum(count[y], 1))[:, None]
    weight = weight / weight.mean()
    a, target = (x - mean) / spread, np.eye(len(CLASSES))[y] - 1 / max((count > 0).sum(), 1)
    gram = (a * weight).T @ a + strength * len(a) * np.eye(a.shape[1])
    out = ((new - mean) / spread) @ np.linalg.solve(gram, (a * weight).T @ target)
    out[:, count == 0] = -30.0
    return np.asarray(out * 4.0)


def _graph(settings: Settings, final: Mapping[str, Array]) -> bytes:
    """The whole encoder as ONNX, ``mel (1, T, 80)`` to ``embedding (1, d)``, its weights as 8-bit whole numbers."""
    import torch

    from moodal.lab.nn.whisper import Block, packaged

    from .voice_net import Encoder, VoiceNet

    encoder = packaged(2)
    block = encoder.blocks[1]
    assert isinstance(block, Block)
    net = VoiceNet([block], len(CLASSES), len(SETS))
    net.load_state_dict({k[4:]: torch.from_numpy(v) for k, v in final.items() if k.startswith("net.")})
    whole = Encoder(encoder, net, settings.pool, LONGEST_S * 50).eval()
    program = torch.onnx.export(
        whole, (torch.randn(1, 300, 80),), dynamo=True, input_names=["mel"], output_names=["embedding"],
        dynamic_shapes=({1: torch.export.Dim("time", min=20, max=LONGEST_S * 100)},), verbose=False,
    )  # fmt: skip
    assert program is not None
    buffer = io.BytesIO()
    program.save(buffer)
    from .voice_store import stored_small

    return stored_small(buffer.getvalue())


_ABOUT = """\
How a voice sounds: eight classes (neutral, calm, happiness, surprise, sadness, anger, disgust, fear) from the sound
alone; no word is recognised. The stem and the first two blocks of Whisper tiny.en's encoder (MIT, Radford et al. 2022);
the second block, the pooling and the heads are tuned on acted speech in English, Polish and German, as recorded and as
generated rooms, noises and lines would give it.

All of it is acted by few people in studios: figures on free speech in other places are not known, and lower. RAVDESS
has two sentences, so that words cannot be what is learnt there, nor can it be shown that they would not be elsewhere. A
stranger's single clip gets the figures without "baseline mode"; that mode takes off how the person usually sounds and
needs at least eight clips or windows of many moods, without labels. Calm is told apart from neutral in RAVDESS alone.
What lies further from the training clips than nearly all clips of people left out is withheld.
"""
