"""A BERT encoder, small and readable: the text branch that experts are tuned from."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from moodal.core.errors import ModelError

__all__ = ["Layer", "TextNet", "load", "safetensors"]


class Layer(nn.Module):
    """Post-norm attention and feed-forward (Devlin et al. 2019). ``(B, T, d)`` to ``(B, T, d)``."""

    def __init__(self, d: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(d, d) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(d, eps=1e-12), nn.LayerNorm(d, eps=1e-12)
        self.up, self.down = nn.Linear(d, inner), nn.Linear(inner, d)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``mask`` ``(B, T)``, True where valid."""
        b, t, d = x.shape
        q, k, v = (f(x).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.query, self.key, self.value))
        if self.training and q.dtype == torch.bfloat16:
            # The fused kernel's gradient in bfloat16 takes four times as long on a CPU at these lengths.
            scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
            told = scores.masked_fill(~mask[:, None, None, :], -torch.inf).softmax(-1).to(v.dtype) @ v
        else:
            told = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        told = self.out(told.transpose(1, 2).reshape(b, t, d))
        x = self.norm1(x + F.dropout(told, self.dropout, self.training))
        return self.norm2(x + F.dropout(self.down(F.gelu(self.up(x))), self.dropout, self.training))


class TextNet(nn.Module):
    """Embeddings and ``layers`` layers.

    ``forward(ids (B, T), types (B, T), mask (B, T))`` gives states ``(B, T, d)``; what is padded reaches nothing.
    """

    def __init__(
        self, vocabulary: int, layers: int, d: int = 384, heads: int = 12, inner: int = 1536, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.word, self.place, self.kind = nn.Embedding(vocabulary, d), nn.Embedding(512, d), nn.Embedding(2, d)
        self.norm = nn.LayerNorm(d, eps=1e-12)
        self.layers = nn.ModuleList(Layer(d, heads, inner, dropout) for _ in range(layers))

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        return self.exits(ids, types, mask, (len(self.layers),))[0]

    def exits(self, ids: Tensor, types: Tensor, mask: Tensor, after: Sequence[int]) -> list[Tensor]:
        """The states after each of those numbers of layers (rising), as `forward`."""
        x = self.word(ids) + self.place.weight[: ids.shape[1]] + self.kind(types)
        x = F.dropout(self.norm(x), self.dropout, self.training)
        found = []
        for i, layer in enumerate(self.layers[: max(after)], 1):
            x = layer(x, mask)
            if i in after:
                found.append(x)
        return found


def safetensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file: eight bytes of length, a JSON header, the numbers.

    Raises
    ------
    ModelError : not such a file.
    """
    kinds = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    data = path.read_bytes()
    try:
        (size,) = struct.unpack_from("<Q", data)
        if size > len(data) - 8:
            raise ValueError("cut short")
        header = json.loads(data[8 : 8 + size])
        found = {}
        for name, told in header.items():
            if name != "__metadata__":
                a, b = told["data_offsets"]
                raw = np.frombuffer(data[8 + size + a : 8 + size + b], kinds[told["dtype"]])
                found[name] = raw.reshape(told["shape"])
    except (struct.error, ValueError, KeyError) as error:
        raise ModelError("is no safetensors file", where=str(path), fix="Fetch it again.") from error
    return found


def load(path: Path, layers: int, pieces: list[int] | None = None) -> TextNet:
    """The first ``layers`` layers of a BERT in a safetensors file, with those rows of its vocabulary (all, for None).

    Raises
    ------
    ModelError : not such a file, or another network's.
    """
    stored = {k.removeprefix("bert."): v for k, v in safetensors(path).items()}
    try:
        words = stored["embeddings.word_embeddings.weight"]
        words = words if pieces is None else words[pieces]
        net = TextNet(len(words), layers, words.shape[1])
        names = {"norm": "embeddings.LayerNorm", "place": "embeddings.position_embeddings",
                 "kind": "embeddings.token_type_embeddings"}  # fmt: skip
        parts = {"query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
                 "out": "attention.output.dense", "norm1": "attention.output.LayerNorm", "up": "intermediate.dense",
                 "down": "output.dense", "norm2": "output.LayerNorm"}  # fmt: skip
        names |= {f"layers.{i}.{o}": f"encoder.layer.{i}.{t}" for i in range(layers) for o, t in parts.items()}
        state = {f"{o}.{k}": stored[f"{t}.{k}"] for o, t in names.items() for k in ("weight", "bias")
                 if f"{t}.{k}" in stored}  # fmt: skip
        state["word.weight"] = words
        net.load_state_dict({k: torch.from_numpy(np.array(v, np.float32)) for k, v in state.items()})
    except (KeyError, RuntimeError, IndexError) as error:
        raise ModelError(f"is not the network expected ({error})", where=str(path)) from error
    return net
