"""Stage 2, masked signal modelling: hidden patches, and two heads a modality that tell their codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from moodal.core.errors import InputError, UsageError

from .encoder import EncoderSettings, initialise
from .specs import Size, spec_named
from .tokenizer import Codes, encoders_of
from .tokens import Signals, Tokens, take

__all__ = ["HEADS", "Masked", "MsmSettings", "draw"]

HEADS = ("shared", "private")


@dataclass(frozen=True, slots=True)
class MsmSettings:
    """``mask``: share of patches hidden, by modality (those not named: by their spec); ``span`` patches in a row of one
    channel are hidden together; ``targets``: ``both`` codes, or one kind."""

    mask: dict[str, float] = field(default_factory=dict)
    span: int = 1
    targets: Literal["both", "shared", "private"] = "both"

    def __post_init__(self) -> None:
        if self.span < 1:
            raise UsageError(f"must be 1 at least, not {self.span}", where="msm.span")
        for m, share in self.mask.items():
            spec_named(m)
            if not isinstance(share, int | float) or not 0 < share < 1:
                raise UsageError(f"is a share between 0 and 1, not {share!r}", where=f"msm.mask.{m}")

    def share(self, m: str) -> float:
        """How much of a modality is hidden."""
        return float(self.mask.get(m, spec_named(m).mask))


def draw(tokens: Tokens, share: float, span: int = 1, generator: torch.Generator | None = None) -> Tensor:
    """Which tokens are hidden, ``(B, T)`` bool: that share of each example's tokens, one at least, drawn alike."""
    valid = ~tokens.pad
    if span > 1:
        run = tokens.channel * 1024 + tokens.time.div(span, rounding_mode="floor")
    else:
        run = torch.arange(valid.shape[1], device=valid.device).expand_as(tokens.time)
    # All tokens of one run get the number drawn for the run, so that they are hidden together.
    noise = torch.rand(len(run), int(run.max()) + 1, generator=generator).to(run.device)
    number = noise.gather(1, run).masked_fill(~valid, 2.0)
    count = (valid.sum(dim=1) * share).round().clamp_min(1).long()
    cut = number.sort(dim=1).values.gather(1, (count - 1).clamp_min(0).unsqueeze(1))
    return (number <= cut) & valid


class Masked(nn.Module):
    """Encoders, a vector that stands for what is hidden, and heads ``Linear, tanh, Linear`` over the codes."""

    def __init__(
        self, modalities: Sequence[str], size: Size, settings: MsmSettings | None = None,
        encoder: EncoderSettings | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.settings = settings or MsmSettings()
        self.modalities, self.size = tuple(modalities), size
        self.encoders = encoders_of(modalities, size, encoder)
        width = {m: size.d(spec_named(m)) for m in modalities}
        self.mask_token = nn.ParameterDict({m: nn.Parameter(torch.zeros(d)) for m, d in width.items()})
        self.targets = HEADS if self.settings.targets == "both" else (self.settings.targets,)
        self.heads = nn.ModuleDict(
            {
                f"{m}_{kind}": nn.Sequential(nn.Linear(d, d), nn.Tanh(), nn.Linear(d, size.codes))
                for m, d in width.items()
                for kind in self.targets
            }
        )
        initialise(self.heads)
        for token in self.mask_token.values():
            nn.init.trunc_normal_(token, std=0.02, a=-0.04, b=0.04)

    def forward(
        self, signals: Signals, codes: Codes, *, generator: torch.Generator | None = None,
        hidden: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Cross-entropies by name (``shared.eeg`` …) and, as ``right.…``, the share of hidden patches told right.

        ``hidden`` says which patches are hidden (``(B, T)`` bool a modality); drawn, where it is not given.

        Raises
        ------
        InputError : no example has any modality.
        """
        terms: dict[str, Tensor] = {}
        for m in self.modalities:
            if m not in signals or not bool(signals[m].present.any()):
                continue
            rows = signals[m].present
            tokens = take({m: signals[m]}, rows)[m]
            length = tokens.pad.shape[1]
            away = (
                draw(tokens, self.settings.share(m), self.settings.span, generator)
                if hidden is None
                else hidden[m][rows][:, :length] & ~tokens.pad
            )
            _, h = self.encoders[m](tokens, away, self.mask_token[m])
            for kind in self.targets:
                told = (codes.shared if kind == "shared" else codes.private)[m][rows][:, :length][away]
                logits = self.heads[f"{m}_{kind}"](h[away])
                terms[f"{kind}.{m}"] = functional.cross_entropy(logits, told)
                terms[f"right.{kind}.{m}"] = (logits.argmax(-1) == told).float().mean().detach()
        if not terms:
            raise InputError("no example has any modality", where="physioomni", fix="Leave such examples out.")
        return terms

    @staticmethod
    def loss(terms: Mapping[str, Tensor]) -> Tensor:
        """The plain sum of the cross-entropies."""
        return torch.stack([t for name, t in terms.items() if not name.startswith("right.")]).sum()
