"""Tensors on disk as plain arrays: no pickle, whole or not at all."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moodal.core.errors import InputError
from moodal.formats.files import disk_errors

__all__ = ["load", "save"]


def save(path: Path, told: Mapping[str, Any], **groups: Mapping[str, Tensor]) -> None:
    """Write named groups of tensors and a JSON object into one npz, beside the target and renamed.

    Raises
    ------
    OutputError : the disk is full, or refuses.
    """
    arrays = {
        f"{group}/{name}": _array(tensor) for group, tensors in groups.items() for name, tensor in tensors.items()
    }
    arrays["told"] = np.frombuffer(json.dumps(told, ensure_ascii=False).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(buffer.getvalue())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """What `save` wrote: the object, and the groups.

    Raises
    ------
    InputError : not such a file, or damaged.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            told = json.loads(stored["told"].tobytes())
            for key in stored.files:
                if key != "told":
                    group, _, name = key.partition("/")
                    groups.setdefault(group, {})[name] = torch.from_numpy(np.array(stored[key]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"is not a readable checkpoint ({error})", where=str(path), fix="Train again.") from error
    return told, groups


def _array(tensor: Tensor) -> Any:
    # numpy has no bfloat16; our weights are float32 whatever the arithmetic.
    return tensor.detach().cpu().numpy()
