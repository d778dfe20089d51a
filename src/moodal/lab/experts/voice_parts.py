"""What the voice expert hands over: its predictions as parts, simple rivals in the same folds, and its graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import scheme
from moodal.extract.voice.expert import LONGEST_S
from moodal.lab.data.index import Index
from moodal.lab.data.media import open_sound

from .made import OutOfFold
from .voice_first import ridge
from .work import Work

__all__ = [
    "ABOUT",
    "CLASSES",
    "FOUR",
    "HARDER",
    "SETS",
    "People",
    "contents_of",
    "graph",
    "parts_of",
    "rivals_of",
    "sounds",
    "unseen",
]

Array = npt.NDArray[Any]
CLASSES = scheme("voice8").classes
SETS = ("ravdess", "nemo", "emodb")
#: Classes that all three sets have in number.
FOUR = tuple(CLASSES.index(c) for c in ("neutral", "happiness", "sadness", "anger"))
#: How clips are also asked about: name of the part, what is done to them.
HARDER = ("noise at 10 dB", "telephone band", "reverberation 0.6 s")


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


def contents_of(people: People) -> str:
    """What all clips hold, in order: hashes in one text."""
    return "|".join(people.column("content"))


@lru_cache(maxsize=1)
def sounds(recordings: tuple[str, ...]) -> list[Array]:
    """All clips, decoded once (350 MB)."""
    return [open_sound(r) for r in recordings]


def parts_of(
    people: People, told: Mapping[str, Array], crossed: Mapping[int, Mapping[str, Array]]
) -> dict[str, OutOfFold]:
    """Predictions by protocol: strangers, baseline mode, one corpus from two others, and harder rooms."""
    parts = {}
    groups, clips = {"sex": people.column("sex")}, people.column("clip")
    protocols = (
        "RAVDESS, 5 folds by actor, 8 classes (two sentences in all, said by everybody)",
        "nEMO, leave one speaker out, 6 classes",
        "EmoDB, by speaker, 4 classes",
    )
    reach = {"plain": (0.77, 0.62, None), "person": (0.85, 0.77, None)}

    def part(values: Array, rows: Array, protocol: str, reach: float | None = None, group: bool = True) -> OutOfFold:
        return OutOfFold(
            values, people.truth[rows], np.array(people.names)[people.person[rows]], CLASSES, "uar", protocol,
            groups={k: v[rows] for k, v in groups.items()} if group else {}, reach=reach, clip=clips[rows],
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


def unseen(parts: Mapping[str, OutOfFold]) -> dict[str, tuple[tuple[str, ...], OutOfFold]]:
    """Each corpus as one that nobody has seen: answers of a model of the other two, calibrated on people of those; by
    each person's own clips, and by the whole set's, without labels."""
    found = {}
    for target in SETS:
        others = tuple(s for s in SETS if s != target)
        for norm, known in (("person", tuple(f"{s}, baseline mode" for s in others)), ("set", others)):
            told = parts[f"{' + '.join(others)} to {target}, by {norm}"]
            found[f"{target}, unseen corpus, by {norm}"] = (known, told)
    return found


def rivals_of(work: Work, people: People, frames: Sequence[Mapping[str, Array]], fold: Array) -> dict[str, OutOfFold]:
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
        for i, sound in enumerate(sounds(tuple(people.column("recording")))):
            hand.append(functionals(descriptors(sound)))
            work.progress("eGeMAPS", i / n)
        return {"block 2, frozen": pooled, "eGeMAPS": np.nan_to_num(np.array(hand, np.float32))}

    rivals = {}
    for name, x in work.kept("statistics", statistics, contents_of(people)).items():
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
                    weight, bias = ridge(z[train], people.truth[train], len(CLASSES))
                    logits[test] = z[rows[test]] @ weight + bias
                rivals[f"{name} + ridge, {SETS[k]}{mode}"] = OutOfFold(
                    logits, people.truth[rows], np.array(people.names)[people.person[rows]], CLASSES, "uar", "as above"
                )
    return rivals


def graph(pool: int, final: Mapping[str, Array]) -> bytes:
    """The whole encoder as ONNX, ``mel (1, T, 80)`` to ``embedding (1, d)``, its weights as 8-bit whole numbers."""
    import torch

    from moodal.lab.nn.graph import saved
    from moodal.lab.nn.whisper import Block, packaged

    from .voice_net import Encoder, VoiceNet
    from .voice_store import stored_small

    encoder = packaged(2)
    block = encoder.blocks[1]
    assert isinstance(block, Block)
    net = VoiceNet([block], len(CLASSES), len(SETS))
    net.load_state_dict({k[4:]: torch.from_numpy(v) for k, v in final.items() if k.startswith("net.")})
    whole = Encoder(encoder, net, pool, LONGEST_S * 50).eval()
    program = torch.onnx.export(
        whole, (torch.randn(1, 300, 80),), dynamo=True, input_names=["mel"], output_names=["embedding"],
        dynamic_shapes=({1: torch.export.Dim("time", min=20, max=LONGEST_S * 100)},), verbose=False,
    )  # fmt: skip
    return stored_small(saved(program))


ABOUT = """\
How a voice sounds: eight classes (neutral, calm, happiness, surprise, sadness, anger, disgust, fear) from the sound
alone; no word is recognised. The stem and the first two blocks of Whisper tiny.en's encoder (MIT, Radford et al. 2022);
the second block, the pooling and the heads are tuned on acted speech in English, Polish and German, as recorded and as
generated rooms, noises and lines would give it, by several nets whose weights are averaged; a ridge regression on the
first block's statistics counts half as much.

All of it is acted by few people in studios: figures on free speech in other places are not known, and lower. RAVDESS
has two sentences, so that words cannot be what is learnt there, nor can it be shown that they would not be elsewhere. A
stranger's single clip gets the figures without "baseline mode"; that mode takes off how the person usually sounds and
needs at least eight clips or windows of many moods, without labels. Calm is told apart from neutral in RAVDESS alone.
What lies further from the training clips than nearly all clips of people left out is withheld.
"""
