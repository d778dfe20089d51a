"""A graph stored small: weights as 8-bit whole numbers, computed in floating point."""

from __future__ import annotations

from moodal.lab.nn.graph import whole

__all__ = ["stored_small"]


def stored_small(model: bytes, least: int = 4096) -> bytes:
    """The ONNX model with every floating-point constant of ``least`` values or more as int8, one scale a row.

    The row is the output channel of convolutions, the position of tables and of additions, the output column of
    products. Nothing between the products is rounded.
    """
    import onnx
    from onnx import helper, numpy_helper

    told = onnx.load_from_string(model)
    graph = told.graph
    products = {
        name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm") and not any(a.name == "transB" and a.i for a in node.attribute)
        for name in node.input[1:2]
    }
    before, kept = [], []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != onnx.TensorProto.FLOAT or values.size < least or values.ndim < 2:
            kept.append(weight)
            continue
        axis = values.ndim - 1 if weight.name in products else 0
        stored, scale = whole(values, axis)
        kept += [numpy_helper.from_array(stored, f"{weight.name}_whole"),
                 numpy_helper.from_array(scale.ravel(), f"{weight.name}_scale")]  # fmt: skip
        before.append(
            helper.make_node(
                "DequantizeLinear", [f"{weight.name}_whole", f"{weight.name}_scale"], [weight.name], axis=axis
            )
        )
    nodes = [*before, *graph.node]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    return bytes(told.SerializeToString())
