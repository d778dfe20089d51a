"""A model as one ONNX graph, and the proof that it says what the model says."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from moodal.core.errors import ModelError
from moodal.lab.models.base import Model
from moodal.lab.nn.graph import saved
from moodal.weights.sessions import onnx_graph

__all__ = ["PARITY", "graph", "parity"]

#: Largest difference between the graph's scores and the model's.
PARITY = 1e-4


class Flat(nn.Module):
    """The model with lists for tables: ``scores`` first, then what it reports."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, values: list[Tensor], masks: list[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        """As `Model.forward`, in the order of its modalities."""
        names = self.model.modalities
        out = self.model(dict(zip(names, values, strict=True)), dict(zip(names, masks, strict=True)), present)
        return self.model.finish(out["logits"]), *out.values()


def graph(model: Model) -> bytes:
    """The ONNX graph of a model in evaluation mode: inputs ``m``, ``mask_m``, ``present``; batch and time are free.

    Raises
    ------
    ModelError : the exporter does not know an operation of the model.
    """
    model = model.eval().cpu()
    values, masks, present = _drawn(model, 5, np.random.default_rng(0))
    names = model.modalities
    with torch.no_grad():
        reported = list(model(dict(zip(names, values, strict=True)), dict(zip(names, masks, strict=True)), present))
    batch = torch.export.Dim("batch")
    times = [torch.export.Dim(f"time_{i}") for i in range(len(names))]
    free = tuple({0: batch, 1: time} for time in times)
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                Flat(model).eval(), (tuple(values), tuple(masks), present), dynamo=True, verbose=False,
                dynamic_shapes=(free, free, {0: batch}),
                input_names=[*names, *(f"mask_{m}" for m in names), "present"], output_names=["scores", *reported],
            )  # fmt: skip
            return saved(program)
    except Exception as error:
        raise ModelError(f"cannot be exported ({str(error).splitlines()[0][:200]})", where="ONNX") from error


def parity(model: Model, exported: bytes, *, trials: int = 3, seed: int = 0) -> float:
    """The largest difference of scores over random batches under every non-empty subset of modalities.

    Raises
    ------
    ModelError : it is above `PARITY`, or not a number.
    """
    rng = np.random.default_rng(seed)
    session = onnx_graph(exported, "the exported model")
    flat = Flat(model.eval().cpu())
    names = model.modalities
    worst = 0.0
    for trial in range(trials):
        for k in range(1, len(names) + 1):
            for subset in combinations(range(len(names)), k):
                values, masks, present = _drawn(model, 1 + 3 * trial, rng)
                present[:] = torch.tensor([i in subset for i in range(len(names))])
                feed = {m: v.numpy() for m, v in zip(names, values, strict=True)}
                feed |= {f"mask_{m}": v.numpy() for m, v in zip(names, masks, strict=True)}
                told = session.run(["scores"], {**feed, "present": present.numpy()})[0]
                with torch.no_grad():
                    apart = float(np.abs(told - flat(values, masks, present)[0].numpy()).max())
                if not apart <= PARITY:
                    there = ", ".join(names[i] for i in subset)
                    raise ModelError(
                        f"the exported graph differs from the model by {apart:.2g} with {there}",
                        where="export", fix=f"Nothing was written: at most {PARITY:g} is allowed.",
                    )  # fmt: skip
                worst = max(worst, apart)
    return worst


def _drawn(model: Model, n: int, rng: np.random.Generator) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """A random batch on the scale of the training part, lengths from one step on."""
    values, masks = [], []
    for i, (m, width) in enumerate(model.widths.items()):
        steps = int(rng.integers(2, 8)) + i
        scale = model.scale[m]
        x = torch.from_numpy(rng.normal(size=(n, steps, width)).astype(np.float32))
        values.append(x * scale.spread.cpu() + scale.mean.cpu())
        long = torch.from_numpy(rng.integers(1, steps + 1, n))
        masks.append(torch.arange(steps) < long.unsqueeze(1))
    return values, masks, torch.ones(n, len(model.widths), dtype=torch.bool)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells the whole world how it goes; errors still come as exceptions."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
