"""What each modality is to the model (rate, patch, unit, target), and the sizes it is built in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moodal.core.errors import UsageError

__all__ = ["SIZES", "SPECS", "ModalitySpec", "Size", "size_named", "spec_named"]


@dataclass(frozen=True, slots=True)
class ModalitySpec:
    """One kind of signal.

    ``rate_hz`` and ``patch`` (samples): one token is ``patch`` samples of one channel. ``merge`` patches share one
    shared code. ``target``: what the tokenizer reconstructs, ``fft`` amplitudes or the ``wave`` itself. ``unit`` is
    that of the data, ``(value - centre) / scale`` what the model sees; ``standardise`` scales each example by itself
    first, where a device's units mean nothing. ``spread`` are the least and largest plausible robust deviation of a
    channel, in ``unit`` (flat or mis-scaled beyond them); ``mask`` the share that pre-training hides, ``top_hz``
    where a patch's spectrum ends as an input. ``published`` is False for our own.
    """

    name: str
    rate_hz: float
    patch: int
    merge: int
    target: Literal["fft", "wave"]
    unit: str
    scale: float
    centre: float = 0.0
    standardise: bool = False
    spread: tuple[float, float] | None = None
    mask: float = 0.5
    wide: bool = False
    top_hz: float = 45.0
    published: bool = True

    @property
    def patch_s(self) -> float:
        """Seconds of one token."""
        return self.patch / self.rate_hz

    @property
    def frame_s(self) -> float:
        """Seconds of one shared code."""
        return self.merge * self.patch / self.rate_hz


_UV = (0.05, 5000.0)
SPECS: dict[str, ModalitySpec] = {
    s.name: s
    for s in (
        ModalitySpec("eeg", 200, 200, 1, "fft", "µV", 100, spread=_UV, mask=0.5, wide=True),
        ModalitySpec("eog", 200, 100, 2, "wave", "µV", 100, spread=_UV, mask=0.7),
        ModalitySpec("ecg", 500, 100, 5, "wave", "µV", 100, spread=_UV, mask=0.7),
        ModalitySpec("emg", 500, 100, 5, "fft", "µV", 100, spread=_UV, mask=0.5, top_hz=200),
        ModalitySpec("ppg", 100, 50, 2, "wave", "", 1, standardise=True, mask=0.7, published=False),
        ModalitySpec("eda", 8, 16, 1, "wave", "µS", 5, mask=0.5, published=False),
        ModalitySpec("resp", 25, 25, 1, "wave", "", 1, standardise=True, mask=0.7, published=False),
        ModalitySpec("temp", 4, 8, 1, "wave", "°C", 5, centre=33, mask=0.5, published=False),
        ModalitySpec("acc", 32, 32, 1, "fft", "g", 1, mask=0.5, published=False),
    )
}


@dataclass(frozen=True, slots=True)
class Size:
    """``wide`` and ``narrow`` channels of the encoders of EEG and of the others; ``layers`` and ``heads`` of each;
    ``decoder_layers``; codebooks of ``codes`` by ``code_dim``, that average by ``decay`` and revive a code after
    ``revive_after`` updates without use (short trainings need both to be quick); fusion over ``slots`` by ``width``."""

    wide: int
    narrow: int
    layers: int
    heads: int
    decoder_layers: int
    codes: int
    code_dim: int
    merge_heads: int
    slots: int
    width: int
    fusion_heads: int
    decay: float
    revive_after: int

    def d(self, spec: ModalitySpec) -> int:
        """Channels of a modality's encoder."""
        return self.wide if spec.wide else self.narrow


SIZES: dict[str, Size] = {
    "tiny": Size(64, 32, 2, 4, 1, 64, 16, 4, 16, 32, 4, 0.9, 10),
    "published": Size(200, 100, 12, 10, 3, 8192, 64, 8, 128, 128, 8, 0.99, 200),
}


def spec_named(name: str) -> ModalitySpec:
    """The modality of that name.

    Raises
    ------
    UsageError : there is none.
    """
    if name not in SPECS:
        raise UsageError(f"unknown modality {name!r}", where="physioomni", fix=f"Known: {', '.join(SPECS)}.")
    return SPECS[name]


def size_named(name: str) -> Size:
    """The size of that name.

    Raises
    ------
    UsageError : there is none.
    """
    if name not in SIZES:
        raise UsageError(f"unknown size {name!r}", where="physioomni", fix=f"Known: {', '.join(SIZES)}.")
    return SIZES[name]
