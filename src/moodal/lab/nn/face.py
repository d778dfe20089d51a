"""A small convolutional net for faces of 48 px, and its export for the product: two looks at a face, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .graph import saved, whole

__all__ = ["FaceNet", "exported", "standardised"]

#: Least contrast that is stretched to 1: as `moodal.extract.face.classifier` has it.
_LEAST_CONTRAST = 0.04


def standardised(x: Tensor) -> Tensor:
    """``(B, 1, h, w)``: each picture to zero mean and unit deviation."""
    mean = x.mean((2, 3), keepdim=True)
    return (x - mean) / x.std((2, 3), keepdim=True).clamp_min(_LEAST_CONTRAST)


class _Squeeze(nn.Module):
    """Channels weighed by what the whole picture says of them (squeeze and excitation, Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 8, 8)
        self.a, self.b = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = torch.sigmoid(self.b(torch.relu(self.a(x.mean((2, 3), keepdim=True)))))
        return x * weight


class _Block(nn.Module):
    """Two convolutions and a way around them (He et al. 2016), the picture halved."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(before, channels, 3, 2, 1, bias=False)
        self.ba = nn.BatchNorm2d(channels)
        self.b = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bb = nn.BatchNorm2d(channels)
        self.se = _Squeeze(channels)
        self.s = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(before, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.ba(self.a(x)), inplace=True)
        return F.relu(self.se(self.bb(self.b(inner))) + self.s(x), inplace=True)


class FaceNet(nn.Module):
    """``(B, 1, h, w)`` standardised grey faces to logits ``(B, classes)``.

    ``channels`` are those of the first convolution, then of each block. With ``geometry`` outputs the net also tells
    where the points of the face lie and how it moves, from a 3 x 3 grid of its last map: a task for training alone.
    """

    def __init__(self, channels: Sequence[int], classes: int, geometry: int = 0, drop: float = 0.0) -> None:
        super().__init__()
        first = [nn.Conv2d(1, channels[0], 3, 1, 1, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*first, *(_Block(a, b) for a, b in pairwise(channels)))
        self.head = nn.Linear(channels[-1], classes)
        self.drop = nn.Dropout(drop)
        self.aux = nn.Linear(channels[-1] * 9, geometry) if geometry else None

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.drop(self.body(x).mean((2, 3))))
        return logits

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the geometry ``(B, geometry)``."""
        assert self.aux is not None
        y = self.body(x)
        logits = self.head(self.drop(y.mean((2, 3))))
        return logits, self.aux(F.adaptive_avg_pool2d(y, 3).flatten(1))


class _Looks(nn.Module):
    """One net at the face as it is, another (or the same) at its mirror image."""

    def __init__(self, one: FaceNet, other: FaceNet) -> None:
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        states = [n.body(y).mean((2, 3)) for n, y in ((self.one, x), (self.other, x.flip(3)))]
        shares = [torch.softmax(n.head(s), 1) for n, s in zip((self.one, self.other), states, strict=True)]
        state = torch.cat(states, 1) if self.one is not self.other else (states[0] + states[1]) / 2
        return torch.log((shares[0] + shares[1]) / 2 + 1e-9), state


def exported(nets: Sequence[FaceNet]) -> bytes:
    """One or two nets as ONNX: ``x (1, 1, 48, 48)`` → ``log_probabilities (1, C)``, ``state (1, d)``.

    Normalisation is folded into the convolutions, whose weights are stored as 8-bit whole numbers with one scale an
    output channel; everything is computed in floating point.
    """
    folded = [_folded(net) for net in nets]
    looks = _Looks(folded[0], folded[-1]).eval()
    program = torch.onnx.export(
        looks, (torch.zeros(1, 1, 48, 48),), dynamo=True, input_names=["x"],
        output_names=["log_probabilities", "state"], verbose=False,
    )  # fmt: skip
    return _int8(saved(program))


def _folded(net: FaceNet) -> FaceNet:
    import copy

    from torch.nn.utils.fusion import fuse_conv_bn_eval

    net = copy.deepcopy(net).float().eval().to(memory_format=torch.contiguous_format)
    net.aux = None
    net.body[0], net.body[1] = fuse_conv_bn_eval(net.body[0], net.body[1]), nn.Identity()
    for block in net.body:
        if isinstance(block, _Block):
            block.a, block.ba = fuse_conv_bn_eval(block.a, block.ba), nn.Identity()
            block.b, block.bb = fuse_conv_bn_eval(block.b, block.bb), nn.Identity()
            block.s[1], block.s[2] = fuse_conv_bn_eval(block.s[1], block.s[2]), nn.Identity()
    return net


def _int8(model: bytes) -> bytes:
    """Weights of convolutions stored small: whole number × scale, which runtimes multiply once, as they load."""
    import onnx
    from onnx import helper, numpy_helper

    told = onnx.load_from_string(model)
    graph = told.graph
    wanted = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    before = []
    for weight in [w for w in graph.initializer if w.name in wanted and len(w.dims) == 4]:
        values, name = numpy_helper.to_array(weight), weight.name
        if values.size < 256:
            continue
        small, scale = whole(values, 0)
        graph.initializer.remove(weight)
        graph.initializer.extend(
            [numpy_helper.from_array(small, f"{name}_whole"), numpy_helper.from_array(scale, f"{name}_scale")]
        )
        before += [
            helper.make_node("Cast", [f"{name}_whole"], [f"{name}_float"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [name]),
        ]
    nodes = [*before, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return bytes(told.SerializeToString())
