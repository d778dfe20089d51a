"""A text encoder as a graph whose products are of whole numbers: for one text at a time, on a CPU.

::

    states (T, d) ─► 8-bit, one scale a text ─► whole products ─► float32 ─► + bias, softmax, GELU, norm in float32

The scale of what enters a product is that of all its pieces: what is read together shares it. So no batch may be read
by such a graph; its manifest says ``alone``, and `moodal.extract.words.encoder` reads each text by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError
from moodal.lab.nn.graph import whole
from moodal.lab.nn.text import Layer, TextNet

__all__ = ["alone_graph"]

Array = npt.NDArray[Any]


class _Graph:
    """Nodes and constants as they are added; each method gives the name of what it computes."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, values: Array) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind: str, out: str, *asked: str, **attributes: Any) -> str:
        self.several(kind, [out], *asked, **attributes)
        return out

    def several(self, kind: str, out: Sequence[str], *asked: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(asked), list(out), **attributes))

    def rounded(self, x: str) -> tuple[str, str, str]:
        """``x`` in 8 bits: values, scale, zero."""
        names = (f"{x}_whole", f"{x}_scale", f"{x}_zero")
        self.several("DynamicQuantizeLinear", names, x)
        return names

    def product(self, out: str, told: tuple[str, str, str], weight: Array, bias: Array, bits: int) -> str:
        """``x @ weight (d, k) + bias``."""
        values, scale, zero = told
        stored, column = whole(weight, 1, bits)
        self.constant(f"{out}_w", stored)
        self.constant(f"{out}_ws", column[0])
        self.constant(f"{out}_b", bias)
        self.add("MatMulInteger", f"{out}_i", values, f"{out}_w", zero)
        self.add("Cast", f"{out}_f", f"{out}_i", to=1)
        self.add("Mul", f"{out}_c", scale, f"{out}_ws")
        self.add("Mul", f"{out}_m", f"{out}_f", f"{out}_c")
        return self.add("Add", out, f"{out}_m", f"{out}_b")

    def norm(self, out: str, x: str, norm: Any) -> str:
        self.constant(f"{out}_g", _array(norm.weight))
        self.constant(f"{out}_b", _array(norm.bias))
        return self.add("LayerNormalization", out, x, f"{out}_g", f"{out}_b", axis=-1, epsilon=float(norm.eps))


def _array(values: Any) -> Array:
    return np.asarray(values.detach().numpy(), np.float32)


def alone_graph(net: TextNet, *, bits: int = 7, piece_bits: int = 8) -> bytes:
    """The encoder as ONNX: ``ids (1, T)`` → ``states (1, T, d)``, one text without past, T up to its places.

    Weights of products are of ``bits`` bits, at most 7: of 8, sums of two products of 8 bits overflow the 16 bits in
    which processors without VNNI hold them. Pieces are of ``piece_bits``.

    Raises
    ------
    UsageError : more than 7 bits.
    """
    from onnx import TensorProto, helper

    if bits > 7:
        raise UsageError(f"weights of {bits} bits overflow on some processors", fix="Set bits to 7 or less.")
    net.eval()
    g = _Graph()
    d, heads = net.word.weight.shape[1], net.layers[0].heads
    stored, scale = whole(_array(net.word.weight), 0, piece_bits)
    g.constant("pieces", stored)
    g.constant("pieces_scale", scale)
    # Every piece is of the first kind: what was said before is not read.
    g.constant("places", _array(net.place.weight) + _array(net.kind.weight)[0])
    for name, values in (("zero", [0]), ("one", [1]), ("last", [2])):
        g.constant(name, np.array(values, np.int64))
    g.constant("split", np.array([0, -1, heads, d // heads], np.int64))
    g.constant("joined", np.array([0, -1, d], np.int64))
    g.constant("thirds", np.array([d, d, d], np.int64))
    g.add("Shape", "shape", "ids")
    g.add("Slice", "steps", "shape", "one", "last", "zero")
    g.add("Slice", "here", "places", "zero", "steps", "zero")
    for part in ("pieces", "pieces_scale"):
        g.add("Gather", f"{part}_chosen", part, "ids", axis=0)
    g.add("Cast", "chosen", "pieces_chosen", to=1)
    g.add("Mul", "scaled", "chosen", "pieces_scale_chosen")
    g.add("Add", "placed", "scaled", "here")
    x = g.norm("x0", "placed", net.norm)
    for i, layer in enumerate(net.layers):
        x = _layer(g, layer, x, f"l{i}", bits, last=i + 1 == len(net.layers))
    graph = helper.make_graph(
        g.nodes, "encoder", [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "time"])],
        [helper.make_tensor_value_info("states", TensorProto.FLOAT, [1, "time", d])], g.constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def _layer(g: _Graph, layer: Layer, x: str, name: str, bits: int, last: bool) -> str:
    # One product for queries, keys and values; the scores' division is in the queries' weights.
    d = layer.query.weight.shape[0]
    size = np.float32((d // layer.heads) ** -0.5)
    parts = [(_array(p.weight), _array(p.bias)) for p in (layer.query, layer.key, layer.value)]
    weight = np.concatenate([parts[0][0] * size, parts[1][0], parts[2][0]]).T
    bias = np.concatenate([parts[0][1] * size, parts[1][1], parts[2][1]])
    g.product(f"{name}_qkv", g.rounded(x), weight, bias, bits)
    names = [f"{name}_{c}" for c in "qkv"]
    g.several("Split", names, f"{name}_qkv", "thirds", axis=-1)
    for part, order in zip(names, ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)), strict=True):
        g.add("Reshape", f"{part}_h", part, "split")
        g.add("Transpose", f"{part}_t", f"{part}_h", perm=list(order))
    g.add("MatMul", f"{name}_scores", f"{names[0]}_t", f"{names[1]}_t")
    g.add("Softmax", f"{name}_shares", f"{name}_scores", axis=-1)
    g.add("MatMul", f"{name}_heard", f"{name}_shares", f"{names[2]}_t")
    g.add("Transpose", f"{name}_back", f"{name}_heard", perm=[0, 2, 1, 3])
    told = g.add("Reshape", f"{name}_told", f"{name}_back", "joined")
    g.product(f"{name}_out", g.rounded(told), _array(layer.out.weight).T, _array(layer.out.bias), bits)
    y = g.norm(f"{name}_y", g.add("Add", f"{name}_sum", x, f"{name}_out"), layer.norm1)
    g.product(f"{name}_up", g.rounded(y), _array(layer.up.weight).T, _array(layer.up.bias), bits)
    g.add("Gelu", f"{name}_gelu", f"{name}_up")
    g.product(f"{name}_down", g.rounded(f"{name}_gelu"), _array(layer.down.weight).T, _array(layer.down.bias), bits)
    total = g.add("Add", f"{name}_total", y, f"{name}_down")
    return g.norm("states" if last else f"{name}_x", total, layer.norm2)
