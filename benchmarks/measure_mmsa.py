"""Training throughput of cross-attention: our model in our loop, and MMSA's MulT in a plain one; the last line is JSON.

    python benchmarks/measure_mmsa.py ours          in moodal's environment
    python benchmarks/measure_mmsa.py mmsa          in an environment of its own (make peers)

Sizes are those of MMSA 2.2.1 for MOSI, aligned: 50 steps of 768, 5 and 20 channels, width 50, 10 heads, 4 layers across
and 4 within, batch 16; made-up clips, one thread, AdamW or Adam, L1 loss, a pass over a validation part an epoch. Its
own trainer asks for an option that torch no longer has, so its model runs in the plain loop below.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch

WIDTHS = {"text": 768, "audio": 5, "vision": 20}
STEPS, TRAIN, HELD, BATCH, EPOCHS = 50, 320, 64, 16, 1
WIDTH, HEADS, LAYERS = 50, 10, 4


def arrays() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    n = TRAIN + HELD
    return {m: rng.standard_normal((n, STEPS, w)).astype(np.float32) for m, w in WIDTHS.items()}, rng.uniform(-3, 3, n)


def ours() -> float:
    from moodal.lab.data import Dataset, Feature, Index, Labels
    from moodal.lab.train import TorchLearner

    values, y = arrays()
    names = [str(i) for i in range(len(y))]
    labels = {"sentiment": Labels("continuous", ("sentiment",), y[:, None])}
    index = Index.build("made-up", {"clip": names, "subject": names}, labels)
    data = Dataset(index, {m: Feature.build(m, list(v), rate_hz=10.0) for m, v in values.items()})
    order = np.arange(len(y))
    train = {"epochs": EPOCHS, "batch": BATCH, "modality_dropout": 0.0, "patience": 0, "loss": "l1"}
    sizes = {"d": WIDTH, "heads": HEADS, "layers": LAYERS, "memory": LAYERS, "dropout": 0.1}
    learner = TorchLearner("ours", "mult", {"train": train, "calibrate": False, **sizes})
    begun = time.perf_counter()
    learner.fit(data.take(order[:TRAIN]), data.take(order[TRAIN:]), label="sentiment", seed=0)
    return time.perf_counter() - begun


def mmsa() -> float:
    from easydict import EasyDict
    from MMSA.models.singleTask.MULT import MULT

    values, y = arrays()
    told = EasyDict(
        use_bert=False, dst_feature_dim_nheads=[WIDTH, HEADS], feature_dims=list(WIDTHS.values()), nlevels=LAYERS,
        attn_dropout=0.1, attn_dropout_a=0.1, attn_dropout_v=0.0, relu_dropout=0.0, embed_dropout=0.1, res_dropout=0.1,
        output_dropout=0.1, text_dropout=0.1, attn_mask=True, train_mode="regression", num_classes=3,
        conv1d_kernel_size_l=1, conv1d_kernel_size_a=1, conv1d_kernel_size_v=1,
    )  # fmt: skip
    x = {m: torch.from_numpy(v) for m, v in values.items()}
    target = torch.from_numpy(y.astype(np.float32))[:, None]
    begun = time.perf_counter()
    torch.manual_seed(0)
    model = MULT(told)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        model.train()
        order = torch.randperm(TRAIN)
        for first in range(0, TRAIN, BATCH):
            rows = order[first : first + BATCH]
            loss = torch.nn.functional.l1_loss(model(*(x[m][rows] for m in WIDTHS))["M"], target[rows])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(model.parameters(), 0.6)
            optimiser.step()
        model.eval()
        with torch.no_grad():
            for first in range(TRAIN, TRAIN + HELD, BATCH):
                model(*(x[m][first : first + BATCH] for m in WIDTHS))
    return time.perf_counter() - begun


if __name__ == "__main__":
    torch.set_num_threads(1)
    seconds = ours() if sys.argv[1] == "ours" else mmsa()
    print(json.dumps({"seconds": seconds, "clips_per_s": EPOCHS * TRAIN / seconds}))
