"""An exported network as bytes that say what it computes and nothing of where it was made, and its weights small."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["saved", "whole"]


def saved(program: Any) -> bytes:
    """What `torch.onnx.export` gave, as an ONNX file.

    The exporter notes at each node which files and lines it was traced from: no part of a model, another on each
    machine, and more bytes than the nodes themselves.
    """
    assert program is not None  # it is None where the exporter writes a file by itself
    for node in program.model.graph:
        node.metadata_props.clear()
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()


def whole(values: npt.NDArray[Any], axis: int, bits: int = 8) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """``values`` as whole numbers of ``bits`` bits (8 or less, stored in 8), and one scale a place along ``axis``,
    of as many dimensions as the values.

    How a graph scales them back depends on what runs it, so that each exporter adds those nodes itself.
    """
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12).astype(np.float32)
    scale /= np.float32(2 ** (bits - 1) - 1)
    return np.round(values / scale).astype(np.int8), scale
