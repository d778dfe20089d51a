"""Training a `FaceNet`: votes as distributions, and the face's geometry beside them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from moodal.extract.face.nets import BLENDSHAPES
from moodal.lab.nn.face import FaceNet, standardised

from .face_augment import POINTS, augment, erase

__all__ = ["GEOMETRY", "Faces", "Plan", "answers", "fit", "net_of"]

#: What a net tells of geometry in training: blendshapes, then x and y of `POINTS`.
GEOMETRY = len(BLENDSHAPES) + 2 * len(POINTS)
#: For each blendshape the place of its fellow on the other side.
_FELLOWS = [
    BLENDSHAPES.index(n.replace("Left", "@").replace("Right", "Left").replace("@", "Right")) for n in BLENDSHAPES
]


@dataclass(frozen=True, slots=True)
class Plan:
    """How one net is trained.

    ``sizes``: side of the pictures, px, in the first 40 %, the next 25 % and the rest of the epochs: small ones teach
    the coarse at a fraction of the time. ``geometry`` weighs the geometric task, ``mixed`` is the share of batches in
    which two pictures are blended (Zhang et al. 2018), ``erased`` that of pictures with a part covered, ``average`` the
    decay of the running mean of weights that is kept.
    """

    channels: tuple[int, ...] = (16, 32, 64, 128)
    epochs: int = 60
    batch: int = 64
    lr: float = 2e-3
    decay: float = 0.03
    drop: float = 0.2
    strength: float = 0.8
    erased: float = 0.3
    mixed: float = 0.3
    geometry: float = 0.5
    average: float = 0.997
    sizes: tuple[int, ...] = (32, 40, 48)


@dataclass(frozen=True, slots=True)
class Faces:
    """Pictures ``(n, 1, 48, 48)`` in [0, 1], shares of votes ``(n, C)``; of the mesh: points ``(n, P, 2)`` in shares of
    the picture, blendshapes ``(n, 52)`` and how far it is sure that this is a face ``(n,)`` in [0, 1]."""

    pictures: Tensor
    votes: Tensor
    points: Tensor
    shapes: Tensor
    sure: Tensor

    def take(self, rows: npt.NDArray[np.int64]) -> Faces:
        """Some of them."""
        return Faces(*(getattr(self, f)[torch.from_numpy(rows)] for f in self.__dataclass_fields__))


def net_of(plan: Plan, classes: int) -> FaceNet:
    """A new net, laid out as this processor likes it."""
    net = FaceNet(plan.channels, classes, GEOMETRY, plan.drop)
    return net.to(memory_format=torch.channels_last)


def fit(
    faces: Faces,
    plan: Plan,
    seed: int,
    *,
    start: FaceNet | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> FaceNet:
    """The running mean of the weights after the last epoch: nothing is chosen on the way. It begins at the weights of
    ``start``, where that is given.

    AdamW, warm-up over 300 steps, then a cosine; products are bfloat16. In the last 7 % of the epochs nothing
    is covered or blended and pictures are spoilt half as much.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    n = len(faces.votes)
    mean, deviation = faces.shapes.mean(0), faces.shapes.std(0) + 0.02
    shapes = ((faces.shapes - mean) / deviation).clamp(-4, 4)
    net = net_of(plan, faces.votes.shape[1])
    if start is not None:
        net.load_state_dict(start.state_dict())
    kept = copy.deepcopy(net).eval()
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": plan.decay},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=plan.lr, betas=(0.9, 0.99), fused=True)
    steps, step = plan.epochs * (n // plan.batch), 0
    for epoch in range(plan.epochs):
        size = plan.sizes[0 if epoch < 0.4 * plan.epochs else 1 if epoch < 0.65 * plan.epochs else 2]
        late = epoch >= 0.93 * plan.epochs
        order, total = rng.permutation(n), 0.0
        net.train()
        for first in range(0, n - plan.batch + 1, plan.batch):
            rows = torch.from_numpy(order[first : first + plan.batch])
            done = step / steps
            for group in optimiser.param_groups:
                group["lr"] = plan.lr * min(1, step / 300) * (0.5 * (1 + math.cos(math.pi * done)) * 0.98 + 0.02)
            spoilt = augment(faces.pictures[rows], faces.points[rows], rng, size, plan.strength * (0.5 if late else 1))
            x, y = spoilt.faces, faces.votes[rows]
            if not late:
                x = erase(x, rng, plan.erased)
            share = 1.0
            if plan.mixed and not late and rng.random() < plan.mixed:
                x, y, share = _blended(x, y, rng)
            x = x.to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                z, told = net.both(x)
            loss = -(y * F.log_softmax(z.float(), 1)).sum(1).mean()
            here = torch.where(spoilt.mirrored[:, None], shapes[rows][:, _FELLOWS], shapes[rows])
            wanted = torch.cat([here, 4 * spoilt.points.flatten(1)], 1)
            error = F.smooth_l1_loss(told.float(), wanted, reduction="none").mean(1) * faces.sure[rows]
            clear = share if share > 0.8 else 0.0  # of two faces blended neither's geometry can be told
            loss = loss + plan.geometry * (1 - 0.7 * done) * (error * clear).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            total += float(loss.detach())
            _follow(kept, net, min(plan.average, (step + 1) / (step + 20)))
        if progress:
            progress(epoch + 1, total * plan.batch / n)
    return kept


def _blended(x: Tensor, y: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor, float]:
    share = float(rng.beta(0.2, 0.2))
    share = max(share, 1 - share)
    other = torch.from_numpy(rng.permutation(len(x)))
    return share * x + (1 - share) * x[other], share * y + (1 - share) * y[other], share


@torch.no_grad()  # type: ignore[untyped-decorator]
def _follow(kept: FaceNet, net: FaceNet, decay: float) -> None:
    for a, b in zip(kept.parameters(), net.parameters(), strict=True):
        a.lerp_(b, 1 - decay)
    for a, b in zip(kept.buffers(), net.buffers(), strict=True):
        if a.dtype.is_floating_point:
            a.lerp_(b, 1 - decay)


@torch.no_grad()  # type: ignore[untyped-decorator]
def answers(net: FaceNet, pictures: Tensor, *, mirrored: bool = False) -> npt.NDArray[np.float64]:
    """Probabilities ``(n, C)`` of pictures in [0, 1] as they are or mirrored, in float32."""
    x = standardised(pictures)
    x = x.flip(3) if mirrored else x
    told = torch.cat([torch.softmax(net(part), 1) for part in x.split(256)])
    return told.numpy().astype(np.float64)
