"""A small bundle of the runner ``voice``: its "encoder" is the mean and deviation of each mel band."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.bundle import Bundle

D, CLASSES = 80, 8


def write(path: Path, *, threshold: float = 1e9, well_within: float = 0.0, seed: int = 0, **told: Any) -> Bundle:
    """One whose heads are random; by default nothing is out of its domain, and nothing without speech well within."""
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node
    nodes = [
        node("ReduceMean", ["mel", "time"], ["middle"], keepdims=1),
        node("Sub", ["mel", "middle"], ["from_middle"]),
        node("Mul", ["from_middle", "from_middle"], ["square"]),
        node("ReduceMean", ["square", "time"], ["variance"], keepdims=0),
        node("Sqrt", ["variance"], ["deviation"]),
        node("Squeeze", ["middle", "time"], ["mean"]),
        node("Concat", ["mean", "deviation"], ["embedding"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "encoder",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, [1, "time", 80])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 2 * D])],
        [numpy_helper.from_array(np.array([1], np.int64), "time")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    rng = np.random.default_rng(seed)
    arrays = {
        "mean": np.zeros(D), "spread": np.full(D, 0.2), "plain": rng.normal(0, 0.1, (2 * CLASSES, D)),
        "plain_bias": np.zeros(2 * CLASSES), "gate": rng.normal(0, 0.1, (2, D)), "gate_bias": np.zeros(2),
        "known": np.array([[1] * 8, [1, 0, 1, 1, 1, 1, 0, 1]]), "person": rng.normal(0, 0.1, (CLASSES, D)),
        "person_bias": np.zeros(CLASSES), "apart": rng.normal(0, 0.1, (2 * CLASSES, D)),
        "apart_bias": np.zeros(2 * CLASSES), "first_mean": np.zeros(D), "first_spread": np.full(D, 0.2),
        "first": rng.normal(0, 0.1, (2 * CLASSES, D)), "first_bias": np.zeros(2 * CLASSES),
        "first_own": rng.normal(0, 0.1, (2 * CLASSES, D)), "first_own_bias": np.zeros(2 * CLASSES),
        "first_gate": rng.normal(0, 0.1, (2, D)), "first_gate_bias": np.zeros(2), "first_weight": np.array(0.5),
        "temperature": np.ones(2), "person_temperature": np.ones(2),
        "basis": np.eye(D)[:, :4], "deviation": np.ones(4),
    }  # fmt: skip
    manifest = {
        "name": "voice-tiny", "version": "1", "kind": "expert", "licence": "CC0", "commercial": True, "data_terms": "",
        "inputs": ["sound"], "scheme": "voice8", "runner": "voice", "calibration": None,
        "domain": {"rest": 1e9, "threshold": threshold, "well_within": well_within}, **told,
    }  # fmt: skip
    Bundle.write(path, manifest, "# voice-tiny\n", {k: np.asarray(v, np.float32) for k, v in arrays.items()},
                 {"encoder": model.SerializeToString()})  # fmt: skip
    return Bundle.open(path)
