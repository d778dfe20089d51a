"""Tuning a text encoder: several label sets at once, then one set of dialogues; and writing it as a bundle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from moodal.core.bundle import Bundle
from moodal.core.errors import UsageError
from moodal.lab.nn.graph import saved, whole
from moodal.lab.nn.text import TextNet

from .text_alone import alone_graph

__all__ = ["SPECIAL", "Task", "TextNet", "graph", "kept_pieces", "tune", "write_encoder"]

#: Pieces that every cut of a vocabulary keeps.
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass
class Task:
    """One label set to learn from: input sequences, how many pieces of each are its own, and the targets.

    ``kind``: ``class`` (``(n,)`` int), ``multilabel`` (``(n, C)`` of 0 and 1) or ``continuous`` (``(n, k)``,
    standardised here). ``weight`` scales its loss.
    """

    name: str
    kind: str
    sequences: Sequence[tuple[list[int], int]]
    target: npt.NDArray[Any]
    weight: float = 1.0
    head: nn.Linear = field(init=False)

    def __post_init__(self) -> None:
        target = np.asarray(self.target)
        if self.kind == "continuous":
            target = (target - target.mean(axis=0)) / target.std(axis=0)
        self.tensor = torch.from_numpy(target if self.kind == "class" else target.astype(np.float32))

    def loss(self, z: Tensor, rows: Tensor) -> Tensor:
        """The mean loss of those rows; several labels are summed, so that a set of many is not drowned."""
        y = self.tensor[rows]
        if self.kind == "class":
            return self.weight * F.cross_entropy(z, y)
        if self.kind == "multilabel":
            return self.weight * F.binary_cross_entropy_with_logits(z, y, reduction="sum") / len(rows)
        return self.weight * F.mse_loss(z, y)


def kept_pieces(counts: Counter[str], vocabulary: Sequence[str], least: int = 2) -> list[int]:
    """Places of the pieces to keep: those seen ``least`` times, single characters, and marks."""
    return [
        i
        for i, piece in enumerate(vocabulary)
        if counts[piece] >= least or len(piece.removeprefix("##")) == 1 or piece in SPECIAL
    ]


def padded(sequences: Sequence[tuple[list[int], int]]) -> tuple[Tensor, Tensor, Tensor]:
    """``ids``, ``types`` (0: own pieces, 1: past) and ``mask``, each ``(B, T)``."""
    steps = max(len(s) for s, _ in sequences)
    ids = torch.zeros(len(sequences), steps, dtype=torch.long)
    types, mask = torch.ones_like(ids), torch.zeros(len(sequences), steps, dtype=torch.bool)
    for i, (pieces, own) in enumerate(sequences):
        ids[i, : len(pieces)] = torch.tensor(pieces)
        types[i, :own] = 0
        mask[i, : len(pieces)] = True
    return ids, types, mask


def pooled(net: TextNet, sequences: Sequence[tuple[list[int], int]]) -> Tensor:
    """``(B, d)``: the mean state over each sequence's own pieces."""
    ids, types, mask = padded(sequences)
    own = mask & (types == 0)
    return (net(ids, types, mask) * own[..., None]).sum(1) / own.sum(1, keepdim=True)


def tune(
    net: TextNet,
    tasks: Sequence[Task],
    *,
    epochs: int,
    lr: float,
    batch: int = 32,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> Callable[[str, Sequence[tuple[list[int], int]]], npt.NDArray[np.float32]]:
    """Tune on all tasks at once, batches of like length mixed at random; gives a function (task, sequences) → outputs.

    AdamW, heads at ten times the rate, 5 % warm-up, then linear to 2 %; a multilabel head starts at its prior's log
    odds, so that the encoder is not shaken by the rare labels' first gradients. Products are bfloat16. Only the pooled
    state is dropped out: on a CPU, drawing for every inner value took longer than all products.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    width = net.word.weight.shape[1]
    heads = nn.ModuleDict()
    for task in tasks:
        outputs = int(task.tensor.max()) + 1 if task.kind == "class" else task.tensor.shape[1]
        task.head = nn.Linear(width, outputs)
        with torch.no_grad():
            task.head.weight.mul_(0.1)
            if task.kind == "multilabel":
                share = task.tensor.mean(0).clamp(1e-3, 1 - 1e-3)
                task.head.bias.copy_(torch.log(share / (1 - share)))
        heads[task.name] = task.head
    groups = [{"params": list(net.parameters()), "lr": lr}, {"params": list(heads.parameters()), "lr": 10 * lr}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    total = epochs * sum(-(-len(t.sequences) // batch) for t in tasks)
    warm = max(1, total // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1.0, (s + 1) / warm) * max(0.02, 1 - s / total)
    )
    done = 0
    for _ in range(epochs):
        net.train()
        for task, rows in _batches(tasks, batch, rng):
            with torch.autocast("cpu", torch.bfloat16):
                z = task.head(F.dropout(pooled(net, [task.sequences[i] for i in rows]), 0.1))
            loss = task.loss(z.float(), torch.from_numpy(rows))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            done += 1
            if progress:
                progress(done, total, float(loss.detach()))
    net.eval()

    def outputs_of(name: str, sequences: Sequence[tuple[list[int], int]]) -> npt.NDArray[np.float32]:
        order = np.argsort([len(s) for s, _ in sequences], kind="stable")
        out = np.zeros((len(sequences), heads[name].out_features), np.float32)
        with torch.inference_mode():
            for first in range(0, len(order), 64):
                rows = order[first : first + 64]
                out[rows] = heads[name](pooled(net, [sequences[i] for i in rows])).numpy()
        return out

    return outputs_of


def _batches(tasks: Sequence[Task], batch: int, rng: np.random.Generator) -> list[tuple[Task, npt.NDArray[np.int64]]]:
    found = []
    for task in tasks:
        # Sorted by a length with some noise: little is padded, and neighbours change from epoch to epoch.
        lengths = np.array([len(s) for s, _ in task.sequences]) + rng.random(len(task.sequences)) * 8
        order = np.argsort(lengths)
        found += [(task, order[i : i + batch]) for i in range(0, len(order), batch)]
    rng.shuffle(found)
    return found


def graph(net: TextNet, *, int8: bool = True, bits: int = 8, piece_bits: int = 8) -> bytes:
    """The encoder as ONNX: ``ids``, ``types``, ``mask`` → ``states``, any batch, any length up to its places.

    With ``int8`` the weights of products and of the vocabulary are stored as 8-bit whole numbers, one scale a row or
    column; sums stay floating point. ``bits`` (of products) and ``piece_bits`` (of the vocabulary) below 8 use fewer
    levels: the bytes are as many, but pack better in a bundle.
    """
    net.eval()
    ids, types, mask = padded([([2, 5, 7, 3], 4), ([2, 5, 3, 6, 8, 3], 3)])
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("time", max=len(net.place.weight))}
    program = torch.onnx.export(
        net, (ids, types, mask), dynamo=True, input_names=["ids", "types", "mask"], output_names=["states"],
        dynamic_shapes=(axes, axes, axes), verbose=False,
    )  # fmt: skip
    model = saved(program)
    return _int8(model, bits, piece_bits) if int8 else model


def _int8(model: bytes, bits: int = 8, piece_bits: int = 8) -> bytes:
    """Stored small, computed in floating point: what is between the products is never rounded, for a scale over a whole
    batch would make a sentence's states depend on which others are read with it."""
    import onnx
    from onnx import helper, numpy_helper

    told = onnx.load_from_string(model)
    graph = told.graph
    weights = {w.name: w for w in graph.initializer}
    # The axis along which each row has a scale of its own: output channels of products, pieces of the vocabulary.
    gathered = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    axes = {
        name: 0 if node.op_type == "Gather" or any(a.name == "transB" and a.i for a in node.attribute) else 1
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm", "Gather")
        for name in node.input
        if name in weights and len(weights[name].dims) == 2 and weights[name].data_type == onnx.TensorProto.FLOAT
    }
    before = []
    for name, axis in axes.items():
        values = numpy_helper.to_array(weights[name])
        stored, scale = whole(values, axis, piece_bits if name in gathered else bits)
        graph.initializer.remove(weights[name])
        graph.initializer.extend([numpy_helper.from_array(stored, f"{name}_whole"),
                                  numpy_helper.from_array(scale, f"{name}_scale")])  # fmt: skip
        if name not in gathered:
            # Of constants alone, so that it is computed once, when a session is opened.
            before += _scaled(helper, f"{name}_whole", f"{name}_scale", name)
    nodes = list(before)
    for node in graph.node:
        if node.op_type != "Gather" or node.input[0] not in axes:
            nodes.append(node)
            continue
        # Pieces are scaled once they are chosen: the whole vocabulary need not be, each time.
        out = node.output[0]
        for part in ("whole", "scale"):
            asked = [f"{node.input[0]}_{part}", node.input[1]]
            nodes.append(helper.make_node("Gather", asked, [f"{out}_{part}"], axis=0))
        nodes += _scaled(helper, f"{out}_whole", f"{out}_scale", out)
    del graph.node[:]
    graph.node.extend(nodes)
    return bytes(told.SerializeToString())


def _scaled(helper: Any, whole: str, scale: str, name: str) -> list[Any]:
    """Whole numbers times their scale, by operations that nothing takes for a wish to round what they meet."""
    cast = helper.make_node("Cast", [whole], [f"{name}_cast"], to=1)
    return [cast, helper.make_node("Mul", [f"{name}_cast", scale], [name])]


def write_encoder(
    path: Path,
    net: TextNet,
    vocabulary: Sequence[str],
    told: Mapping[str, Any],
    card: str,
    *,
    trained_on: Sequence[str] = (),
    int8: bool = True,
    bits: int = 8,
    piece_bits: int = 8,
    alone: bool = False,
    further: Mapping[str, npt.NDArray[Any]] | None = None,
) -> None:
    """The encoder as a bundle of kind ``encoder``; ``alone``: its graph is `alone_graph`, which reads no past.

    ``told`` are the manifest's own fields (name, version, licence, commercial, data_terms, data, longest, own, past);
    ``trained_on`` the names of the clips that it was tuned on; ``further`` are arrays to stand beside the graph.

    Raises
    ------
    UsageError : it is to read texts ``alone``, and the past too.
    """
    if alone and told["past"]:
        raise UsageError("reads a text alone, so no past", where=str(told["name"]), fix="Set past to 0.")
    manifest = {
        "kind": "encoder", "inputs": {"text": "pieces of a WordPiece vocabulary"}, "scheme": "", "calibration": None,
        "width": int(net.word.weight.shape[1]), "layers": len(net.layers), **told,
        **({"alone": True} if alone else {}),
    }  # fmt: skip
    arrays = {
        "vocabulary": np.frombuffer("\n".join(vocabulary).encode(), np.uint8),
        "training_names": np.array(sorted(trained_on) or [""], str),
        **(further or {}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    exported = (
        alone_graph(net, bits=bits, piece_bits=piece_bits)
        if alone
        else graph(net, int8=int8, bits=bits, piece_bits=piece_bits)
    )
    Bundle.write(path, manifest, card, arrays, {"encoder": exported})
