"""Make the text encoder ``text-meld`` again: the one of the experts of words, tuned on MELD's train part.

    moodal train words --out runs/words
    python tools/train_text_encoder.py runs/words/text.npz --out research/src/moodal_research/text-meld.bundle

The first command leaves its encoder's weights before they are stored in few bits (``text.npz``). Of MELD's train part
only the dialogues that the protocol of the recipe ``lsgmer-meld`` trains on are used, so that its validation part stays
unseen. Some ten minutes on two cores. (The ``text-meld`` that ships started from an earlier encoder, tuned on
GoEmotions and English XED.)
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from moodal.dsp.wordpiece import WordPiece
from moodal.extract.words.encoder import normal
from moodal.lab import recipes
from moodal.lab.bench.protocols import protocol
from moodal.lab.data import sets
from moodal.lab.data.dataset import Dataset
from moodal.lab.nn.text import TextNet
from moodal.lab.train.text import Task, tune, write_encoder

LAYERS, OWN, LONGEST, PAST = 3, 48, 96, 3


def sequences(pieces: WordPiece, data: Dataset, past: int) -> list[tuple[list[int], int]]:
    """As `moodal.extract.words.encoder.TextEncoder.sequence`: the utterance, then up to ``past`` before it."""
    from moodal.core.dialogue import past_turns

    end = pieces["[SEP]"]
    own = [[*pieces.ids(normal(str(t)))[:OWN], end] for t in data.index["text"]]
    before = past_turns(data.index["dialogue"], data.index["turn"], past)
    told = []
    for i, mine in enumerate(own):
        first, rest = [pieces["[CLS]"], *mine], []
        for j in before[i][::-1]:
            if j < 0 or len(first) + len(rest) + len(own[j]) > LONGEST:
                break
            rest = own[j] + rest
        told.append((first + rest, len(first)))
    return told


def main() -> None:
    """Train it and write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("start", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    _meld(told)


def _meld(told: argparse.Namespace) -> None:
    with np.load(told.start) as stored:
        vocabulary = stored["vocabulary"].tolist()
        net = TextNet(len(vocabulary), LAYERS)
        net.load_state_dict({k: torch.from_numpy(stored[k]) for k in stored.files if k != "vocabulary"})
    pieces = WordPiece(vocabulary)
    recipe = recipes.load("lsgmer-meld")
    data = sets.read("meld", None, **recipe.data.settings)
    fold = protocol(recipe.protocol.use, **recipe.protocol.settings).split(data)[0]
    told_sequences = sequences(pieces, data, PAST)
    y = data.index.label("emotion").values

    def task(rows: np.ndarray) -> Task:
        return Task("meld", "class", [told_sequences[i] for i in rows], y[rows])

    outputs = _tuned(net, [task(fold.train)], told, told.epochs or 3, 5e-5)
    manifest = {
        "name": "text-meld", "version": "1", "licence": "GPL-3.0", "commercial": False,
        "data_terms": "MELD (GPL-3.0, dialogue of a TV series); before it GoEmotions (Apache-2.0) and EmoBank "
        "(CC BY-SA 4.0); base MiniLM-L6 (Apache-2.0)",
        "data": [{"name": "meld", "part": "train", "n": len(fold.train)}, {"name": "goemotions", "part": "train"},
                 {"name": "emobank", "part": "train"}],
        "longest": LONGEST, "own": OWN, "past": PAST,
    }  # fmt: skip
    write_encoder(told.out, net, vocabulary, manifest, CARD, trained_on=data.index["clip"][fold.train].tolist())
    print(f"{told.out}: {told.out.stat().st_size / 1e6:.1f} MB")
    for part, rows in (("validation", fold.validation), ("test", fold.test)):
        scores = outputs("meld", [told_sequences[i] for i in rows])
        told_class, truth = scores.argmax(axis=1), y[rows]
        figure = sum((truth == c).mean() * _f1(truth == c, told_class == c) for c in range(scores.shape[1]))
        print(f"MELD {part} part (head alone): weighted F1 {figure:.3f}")


CARD = f"""# text-meld

A text encoder: {LAYERS} layers of MiniLM-L6, 384 wide, read with up to {PAST} utterances before the present one. Tuned
on GoEmotions and EmoBank, then on the training dialogues of MELD.

**Not for** anything but research: MELD's text is a TV series' dialogue under GPL-3.0. It knows how six actors of one
comedy speak English; other people, other languages and other moods are out of its experience.

It says nothing by itself; see the bundles that use it for scores.
"""


def _tuned(net: TextNet, tasks: list[Task], told: argparse.Namespace, epochs: int, lr: float):
    with Progress(console=Console(stderr=True)) as bar:
        row = bar.add_task("tuning", total=None)
        return tune(
            net, tasks, epochs=epochs, lr=lr, seed=told.seed,
            progress=lambda done, total, loss: bar.update(
                row, completed=done, total=total, description=f"loss {loss:.3f}"
            ),
        )  # fmt: skip


def _f1(truth: np.ndarray, told: np.ndarray) -> float:
    both = 2 * np.count_nonzero(truth & told)
    return both / max(np.count_nonzero(truth) + np.count_nonzero(told), 1)


if __name__ == "__main__":
    main()
