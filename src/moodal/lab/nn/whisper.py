"""The early blocks of Whisper's encoder: they know how something is said, not yet only what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from moodal import weights
from moodal.weights import ctranslate2

__all__ = ["Block", "WhisperEncoder", "packaged"]


class Block(nn.Module):
    """Pre-norm attention and feed-forward (Radford et al. 2022, figure 1). ``(B, T, d)`` to ``(B, T, d)``."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``mask`` ``(B, T)``, True where valid."""
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        told = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        x = x + self.out(told.transpose(1, 2).reshape(b, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class WhisperEncoder(nn.Module):
    """Two convolutions and the first ``blocks`` blocks.

    ``forward(mel (B, T, 80), mask (B, T))`` gives the output of the stem and of each block, ``(B, T / 2, d)`` at 50 Hz,
    and the mask at that rate. Clips need not be padded to 30 s.
    """

    def __init__(self, blocks: int = 2, d: int = 384, heads: int = 6, longest: int = 1500) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(80, d, 3, padding=1)
        self.conv2 = nn.Conv1d(d, d, 3, stride=2, padding=1)
        self.register_buffer("position", torch.zeros(longest, d))
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(blocks))

    def forward(self, mel: Tensor, mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """See the class."""
        x = F.gelu(self.conv1(mel.transpose(1, 2) * mask[:, None]))
        # What a padded frame computes must not reach a valid one through the second convolution.
        x = F.gelu(self.conv2(x * mask[:, None])).transpose(1, 2)
        mask = mask[:, ::2]
        x = x + self.position[: x.shape[1]]
        told = [x]
        for block in self.blocks:
            x = block(x, mask)
            told.append(x)
        return told, mask


def packaged(blocks: int = 2, path: Path | None = None) -> WhisperEncoder:
    """The encoder of the packaged Whisper tiny.en (MIT), cut after ``blocks`` of its four blocks.

    Raises
    ------
    ModelError : the model is not installed, or damaged.
    """
    stored = ctranslate2.arrays((path or weights.path("whisper-tiny.en")) / "model.bin", "encoder/")
    width = stored["encoder/conv1/bias"].shape[0]
    encoder = WhisperEncoder(blocks, width, int(stored["encoder/num_heads"]))

    def copied(module: nn.Module, name: str, norm: bool = False) -> None:
        kinds = {"weight": "gamma", "bias": "beta"} if norm else {"weight": "weight", "bias": "bias"}
        for ours, theirs in kinds.items():
            array = np.asarray(stored[f"encoder/{name}/{theirs}"], np.float32)
            getattr(module, ours).data = torch.from_numpy(array)

    copied(encoder.conv1, "conv1")
    copied(encoder.conv2, "conv2")
    encoder.position = torch.from_numpy(np.asarray(stored["encoder/position_encodings/encodings"], np.float32))
    for i, block in enumerate(encoder.blocks):
        assert isinstance(block, Block)
        copied(block.norm1, f"layer_{i}/self_attention/layer_norm", norm=True)
        copied(block.qkv, f"layer_{i}/self_attention/linear_0")
        copied(block.out, f"layer_{i}/self_attention/linear_1")
        copied(block.norm2, f"layer_{i}/ffn/layer_norm", norm=True)
        copied(block.up, f"layer_{i}/ffn/linear_0")
        copied(block.down, f"layer_{i}/ffn/linear_1")
    return encoder.eval()
