"""Training throughput: our loop, and a plain one on the same module and data; the last line is JSON.

    python benchmarks/measure_training.py ours|plain MODEL

Both train on the same made-up clips in one thread, with AdamW, clipped gradients, a warm-up and cosine schedule, a pass
over a validation part after each epoch, and the best epoch kept.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from moodal.lab.data import people
from moodal.lab.models import build
from moodal.lab.train import TorchLearner

EPOCHS, BATCH = 3, 32
SETTINGS = {"early": {}, "mult": {}, "lsgmer": {}}


def data():
    whole = people(40, 60, modalities=("audio", "text"), steps=(12, 60), seed=3)
    order = np.random.default_rng(0).permutation(len(whole))
    return whole.take(order[:2000]), whole.take(order[2000:])


def ours(model: str) -> tuple[float, int]:
    train, validation = data()
    settings = {"epochs": EPOCHS, "batch": BATCH, "modality_dropout": 0.0, "patience": 0}
    learner = TorchLearner("ours", model, {"train": settings, "calibrate": False, **SETTINGS[model]})
    begun = time.perf_counter()
    learner.fit(train, validation, label="emotion", seed=0)
    return time.perf_counter() - begun, len(train)


def plain(model: str) -> tuple[float, int]:
    train, validation = data()
    y = {id(d): d.index.label("emotion").values for d in (train, validation)}
    begun = time.perf_counter()
    torch.manual_seed(0)
    stats = {m: (f.values.mean(0), f.values.std(0) + 1e-6) for m, f in train.features.items()}

    def examples(d):
        return [
            ({m: torch.from_numpy((f[i] - stats[m][0]) / stats[m][1]) for m, f in d.features.items()}, int(y[id(d)][i]))
            for i in range(len(d))
        ]

    def collate(rows):
        values, masks = {}, {}
        for m in stats:
            parts = [r[0][m] for r in rows]
            values[m] = nn.utils.rnn.pad_sequence(parts, batch_first=True)
            lengths = torch.tensor([len(p) for p in parts])
            masks[m] = torch.arange(values[m].shape[1])[None] < lengths[:, None]
        present = torch.ones(len(rows), len(stats), dtype=torch.bool)
        return values, masks, present, torch.tensor([r[1] for r in rows])

    net = build(model, {m: f.width for m, f in train.features.items()}, 4, "class", **SETTINGS[model])
    loader = DataLoader(examples(train), BATCH, shuffle=True, collate_fn=collate)
    held = DataLoader(examples(validation), 64, collate_fn=collate)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-2)
    steps = EPOCHS * len(loader)
    warm = max(1, round(0.05 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1, (s + 1) / warm) * (0.5 + 0.5 * math.cos(math.pi * s / steps))
    )
    best = (-1.0, None)
    for _ in range(EPOCHS):
        net.train()
        for values, masks, present, target in loader:
            loss = nn.functional.cross_entropy(net(values, masks, present)["logits"], target)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        net.eval()
        with torch.inference_mode():
            right = [(net(v, m, p)["logits"].argmax(1) == t).float().sum() for v, m, p, t in held]
        best = max(best, (float(sum(right)) / len(validation), copy.deepcopy(net.state_dict())), key=lambda b: b[0])
    return time.perf_counter() - begun, len(train)


if __name__ == "__main__":
    torch.set_num_threads(1)
    which, model = sys.argv[1:]
    seconds, clips = (ours if which == "ours" else plain)(model)
    print(json.dumps({"seconds": seconds, "clips_per_s": EPOCHS * clips / seconds}))
