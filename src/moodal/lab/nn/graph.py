"""An exported network as bytes that say what it computes and nothing of where it was made."""

from __future__ import annotations

import io
from typing import Any

__all__ = ["saved"]


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
