"""Attention over masked keys, and the cross-modal block made of it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from .masks import masked_softmax

__all__ = ["Attention", "CrossModal"]


class Attention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017, eq. 1).

    Dropout is on what is attended, not on the weights: these are so many more that drawing for each of them takes
    longer than the attention itself. Every example must have one valid key at least: give absent modalities to `Absent`
    first.
    """

    def __init__(self, d: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.drop = nn.Dropout(dropout)
        self.query, self.key, self.value, self.out = (nn.Linear(d, d) for _ in range(4))

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, Q, d)``, ``(B, S, d)``, ``(B, S)`` to ``(B, Q, d)``."""
        q, k, v = self._split(queries, keys)
        attended = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=None if mask is None else mask[:, None, None, :]
        )
        return self.drop(self.out(attended.transpose(1, 2).flatten(2)))

    def with_rows(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same, and the attention ``(B, Q, S)`` averaged over heads: rows sum to 1, exactly 0 on padding."""
        q, k, v = self._split(queries, keys)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        weights = scores.softmax(-1) if mask is None else masked_softmax(scores, mask[:, None, None, :])
        return self.drop(self.out((weights @ v).transpose(1, 2).flatten(2))), weights.mean(dim=1)

    def _split(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.query(queries), self.key(keys), self.value(keys)
        return tuple(x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))


class CrossModal(nn.Module):
    """``LN(H + MHA(Q=H, K=V=others))``: one modality asks the others."""

    def __init__(self, d: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = Attention(d, heads, dropout)
        self.norm = nn.LayerNorm(d)

    def forward(self, h: Tensor, others: Tensor, mask: Tensor) -> Tensor:
        """``(B, T, d)``, ``(B, S, d)``, ``(B, S)`` to ``(B, T, d)``."""
        return self.norm(h + self.attention(h, others, mask))
