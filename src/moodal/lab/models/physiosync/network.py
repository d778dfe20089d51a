"""Fine-tuning: each stream at both lengths of window, weighted by how sure its own decision is, decided together.

::

    stream m ─┬─ long window ──► encoder ─► feature ─┐ shared linear head: confidence c, own logits
              └─ short windows ► encoder ─► feature ─┘ (one head for long, one for short)
    fused = Σ c · Linear(feature) / Σ c over what is there ─► layers ─► logits
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from moodal.core.errors import InputError, UsageError
from moodal.lab.nn.losses import criterion, scores_of
from moodal.lab.nn.masks import fewer

from .encoder import VIEWS, Encoder
from .specs import Size, Windows, stream_named
from .waves import Signals, Waves, present_of

__all__ = ["FinetuneSettings", "Form", "PhysioSync", "encoders_of", "windowed"]


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """``stream_loss``: weight of each stream's own decision (0: as published, confidences untaught). ``fusion``:
    ``confidence``, ``mean`` (all alike), or ``concat`` (features side by side, as published: absent ones are zero).
    ``modality_dropout``: probability that a stream of an example is left out in training (one stays). ``freeze`` keeps
    the encoders as they are."""

    stream_loss: float = 0.3
    fusion: Literal["confidence", "mean", "concat"] = "confidence"
    freeze: bool = False
    modality_dropout: float = 0.2
    dropout: float = 0.2
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.modality_dropout < 1:
            raise UsageError("must be at least 0 and below 1", where="finetune.modality_dropout")


@dataclass(frozen=True, slots=True)
class Form:
    """How encoders are built: ``channels`` of each stream matter to the flat front end alone; ``context_s`` is how far
    back the long window of a stream other than the first reaches, s."""

    size: Size
    windows: Windows
    front: Literal["tokens", "flatten"] = "tokens"
    views: int = VIEWS
    prompt: int = 2
    context_s: float = 0.0

    def __post_init__(self) -> None:
        if self.front == "flatten" and self.context_s:
            raise UsageError("the flat front end reads windows of one length", where="physiosync pps_context_s",
                             fix="Set pps_context_s = 0.")  # fmt: skip

    def patch(self, name: str) -> int:
        """Samples of a patch."""
        return round(self.windows.patch_s(stream_named(name)) * self.rate(name))

    def rate(self, name: str) -> float:
        """In Hz; the flat front end reads all at the published 128."""
        return 128.0 if self.front == "flatten" else stream_named(name).rate_hz

    def patches(self, name: str, level: str, first: bool = True) -> int:
        """Patches of a window."""
        seconds = self.windows.seconds(level)
        if level == "long" and not first:
            seconds = max(seconds, self.context_s)
        return round(seconds / self.windows.patch_s(stream_named(name)))


def encoders_of(streams: Sequence[str], level: str, form: Form, channels: Mapping[str, int]) -> dict[str, Encoder]:
    """One encoder a stream for that length of window; the first one's blocks have prompts."""
    out = {}
    for k, m in enumerate(streams):
        patch = form.patch(m)
        kernel = max(1, min(patch, round(stream_named(m).kernel_s * form.rate(m))))
        out[m] = Encoder(
            form.size.width(level), form.size.blocks, form.size.heads, patch=patch, kernel=kernel,
            filters=form.size.filters, views=form.views, prompt=0 if k else form.prompt, front=form.front,
            length=channels.get(m, 1) * form.patches(m, level) * patch,
        )  # fmt: skip
    return out


def windowed(waves: Waves, name: str, level: str, form: Form, first: bool = True) -> tuple[Waves, int]:
    """The windows of a level, those of one example together, and how many an example has. The flat front end sees
    whole windows only."""
    count = form.windows.pieces if level == "short" else 1
    patches = form.patches(name, level, first)
    out = waves.pieces(patches, count) if level == "short" else waves.last(patches)
    if form.front == "flatten":
        whole = out.valid.flatten(1).all(dim=1)
        out = Waves(out.x, out.channel, out.valid & whole[:, None, None])
    return out, count


class PhysioSync(nn.Module):
    """The model that is used: `embed` and `predict` never see labels, `loss` trains.

    ``kind`` of label: ``class``, ``multilabel``, ``continuous`` or ``distribution``, over ``classes`` outputs;
    ``channels``: how many each stream has.
    """

    def __init__(
        self, streams: Sequence[str], classes: int, kind: str, form: Form, channels: Mapping[str, int],
        settings: FinetuneSettings | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        s = self.settings = settings or FinetuneSettings()
        if not streams:
            raise UsageError("needs one stream at least", where="physiosync")
        self.streams, self.classes, self.kind, self.form = tuple(streams), classes, kind, form
        self.channels = dict(channels)
        self.levels = form.windows.levels
        made = {(m, lv): e for lv in self.levels for m, e in encoders_of(streams, lv, form, channels).items()}
        self.encoders = nn.ModuleDict({f"{m}_{lv}": e for (m, lv), e in made.items()})
        width = {lv: (form.views + 1) * form.size.width(lv) for lv in self.levels}
        self.heads = nn.ModuleDict({lv: nn.Linear(width[lv], classes) for lv in self.levels})
        pieces = {lv: form.windows.pieces if lv == "short" else 1 for lv in self.levels}
        if s.fusion == "concat":
            fused = len(streams) * sum(pieces[lv] * width[lv] for lv in self.levels)
        else:
            fused = form.size.fused
            self.enter = nn.ModuleDict({f"{m}_{lv}": nn.Linear(width[lv], fused) for m, lv in made})
        layers: list[nn.Module] = []
        for out in form.size.decide:
            norm = nn.BatchNorm1d(out) if form.front == "flatten" else nn.LayerNorm(out)
            layers += [nn.Linear(fused, out), norm, nn.ReLU(), nn.Dropout(s.dropout)]
            fused = out
        self.decide = nn.Sequential(*layers, nn.Linear(fused, classes))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("shift", torch.zeros(classes))
        self.register_buffer("spread", torch.ones(classes))
        if s.freeze:
            self.encoders.requires_grad_(False)

    def embed(self, signals: Signals, present: Tensor | None = None) -> dict[str, Any]:
        """``features`` by (stream, level) ``(B, pieces, 4 d)`` (0 where absent) with ``there (B, pieces)``, and
        ``present (B, M)``. What is absent is not encoded at all.

        Raises
        ------
        InputError : an example without any stream.
        """
        shown = present_of(signals, self.streams)
        shown = shown if present is None else shown & present
        features: dict[tuple[str, str], tuple[Tensor, Tensor]] = {}
        some = torch.zeros(len(shown), dtype=torch.bool)
        for k, m in enumerate(self.streams):
            if m not in signals:
                continue
            for level in self.levels:
                waves, count = windowed(signals[m], m, level, self.form, first=k == 0)
                there = waves.present & shown[:, k].repeat_interleave(count)
                encoder = cast(Encoder, self.encoders[f"{m}_{level}"])
                whole = torch.zeros(len(there), encoder.width)
                if bool(there.any()):
                    told = encoder(waves.take(there))
                    whole = whole.to(told.dtype).index_put((there.nonzero().squeeze(1),), told)
                features[m, level] = whole.unflatten(0, (-1, count)), there.unflatten(0, (-1, count))
                some = some | features[m, level][1].any(dim=1)
        if not bool(some.all()):
            row = int((~some).nonzero()[0])
            raise InputError(f"example {row + 1} has none of {', '.join(self.streams)}", where="physiosync",
                             fix="Withhold it.")  # fmt: skip
        return {"features": features, "present": shown}

    def predict(self, signals: Signals, present: Tensor | None = None, *, each: bool = True) -> dict[str, Any]:
        """``logits (B, C)``, ``logits_each (B, M, C)`` (NaN where absent), ``confidence (B, M)`` (0 where absent),
        ``z (B, f)`` and ``own``: logits, there of each stream and level. ``each = False`` leaves out what
        is told of streams alone."""
        out = self.embed(signals, present)
        own: dict[tuple[str, str], tuple[Tensor, Tensor]] = {}
        sure: dict[tuple[str, str], Tensor] = {}
        for key, (feature, there) in out["features"].items():
            own[key] = self.heads[key[1]](feature), there
            sure[key] = self._sure(own[key][0]) * there
        z, logits = self._decided(out["features"], sure, None)
        told = {"logits": logits, "z": z, "own": own, "present": out["present"]}
        return told | self._each(out["features"], own, sure) if each else told

    def _each(
        self, features: Mapping[tuple[str, str], tuple[Tensor, Tensor]], own: Mapping[tuple[str, str], Any],
        sure: Mapping[tuple[str, str], Tensor],
    ) -> dict[str, Tensor]:  # fmt: skip
        """Of each stream alone: ``logits_each`` and ``confidence``."""
        some = next(iter(sure.values()))
        logits, confidence = [], []
        for m in self.streams:
            mine = [k for k in sure if k[0] == m]
            count = sum((own[k][1].sum(dim=1) for k in mine), torch.zeros(len(some)))
            weight = sum((sure[k].sum(dim=1) for k in mine), torch.zeros(len(some)))
            alone = self._decided(features, sure, m)[1]
            logits.append(torch.where((count > 0).unsqueeze(-1), alone, float("nan")))
            confidence.append(weight / count.clamp_min(1))
        return {"logits_each": torch.stack(logits, dim=1), "confidence": torch.stack(confidence, dim=1)}

    def forward(self, signals: Signals, present: Tensor | None = None) -> dict[str, Any]:
        """`predict`."""
        return self.predict(signals, present)

    def _sure(self, logits: Tensor) -> Tensor:
        if self.settings.fusion == "mean" or self.kind == "continuous":
            return torch.ones_like(logits[..., 0])
        if self.kind == "multilabel":
            p = logits.sigmoid()
            return torch.maximum(p, 1 - p).mean(dim=-1)
        return logits.softmax(dim=-1).amax(dim=-1)

    def _decided(
        self, features: Mapping[tuple[str, str], tuple[Tensor, Tensor]], sure: Mapping[tuple[str, str], Tensor],
        only: str | None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """``z`` and logits, of all streams or of one alone."""
        first = next(iter(features.values()))[0]
        if self.settings.fusion == "concat":
            parts = []
            for m in self.streams:
                for level in self.levels:
                    encoder = cast(Encoder, self.encoders[f"{m}_{level}"])
                    count = self.form.windows.pieces if level == "short" else 1
                    if (m, level) not in features or only not in (None, m):
                        parts.append(first.new_zeros(len(first), count * encoder.width))
                    else:
                        parts.append((features[m, level][0] * sure[m, level].unsqueeze(-1)).flatten(1))
            z = torch.cat(parts, dim=1)
        else:
            total, weight = first.new_zeros(len(first), self.form.size.fused), first.new_zeros(len(first))
            for (m, level), (feature, _) in features.items():
                if only in (None, m):
                    c = sure[m, level]
                    total = total + (self.enter[f"{m}_{level}"](feature) * c.unsqueeze(-1)).sum(dim=1)
                    weight = weight + c.sum(dim=1)
            z = total / weight.clamp_min(1e-6).unsqueeze(-1)
        return z, self.decide(z)

    def loss(
        self, signals: Signals, goal: Tensor, *, weights: Tensor | None = None, fit: str = "mse"
    ) -> dict[str, Tensor]:
        """Terms by name, already weighted: ``fused``, and ``own.STREAM`` where ``stream_loss`` is not 0.

        ``goal`` is ``(B,)`` int64 for classes, ``(B, C)`` else.
        """
        s = self.settings
        there = present_of(signals, self.streams)
        out = self.predict(signals, fewer(there, s.modality_dropout) if self.training else None, each=False)

        def fault(logits: Tensor, wanted: Tensor) -> Tensor:
            return criterion(self.kind, logits, wanted, weights=weights, smoothing=s.label_smoothing, fit=fit)

        terms = {"fused": fault(out["logits"], goal)}
        if s.stream_loss:
            for (m, level), (logits, has) in out["own"].items():
                if bool(has.any()):
                    wanted = goal.repeat_interleave(has.shape[1], dim=0)[has.flatten()]
                    terms[f"own.{m}.{level}"] = s.stream_loss / len(self.levels) * fault(logits[has], wanted)
        return terms

    def finish(self, logits: Tensor) -> Tensor:
        """Scores ``(B, C)``: at the fitted temperature, values on the scale of the labels."""
        if self.kind == "continuous":
            return logits * self.spread + self.shift
        return scores_of(self.kind, logits / self.temperature)

    def extra_state(self) -> dict[str, Any]:
        """What is needed to build it again, beside its settings."""
        return {"streams": list(self.streams), "classes": self.classes, "kind": self.kind, "channels": self.channels}

    def start_from(self, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take encoders' weights by ``STREAM_LEVEL``.

        Raises
        ------
        InputError : weights of another shape, or not of every part of an encoder.
        """
        for name, state in weights.items():
            if name in self.encoders:
                try:
                    self.encoders[name].load_state_dict(dict(state))
                except RuntimeError as error:
                    first = str(error).strip().splitlines()[-1].strip()
                    raise InputError(f"weights do not fit the encoder {name}: {first}", where="physiosync") from error
