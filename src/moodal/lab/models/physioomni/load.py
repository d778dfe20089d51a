"""Published weights from a file that the user has: names mapped, shapes checked, partial loads refused.

``PhysioOmni.pt`` holds ``model`` (or is the state dict itself) with ``{EEG,EOG,ECG,EMG}_encoder.…`` in it. It is
opened with ``weights_only=True``: nothing in it is run. Names of the two norms of a block and the order of the two
matrices of the gated perceptron were not published in words; the spellings known of the same family are taken, and
``gate`` says which matrix is the gate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from moodal.core.errors import InputError

from .encoder import Encoder
from .specs import Size, spec_named

__all__ = ["encoder_states", "load_encoders"]

#: Spellings of a name in an encoder's state, and ours.
_NAMES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), ours)
    for pattern, ours in (
        (r"patch_embed\.(conv[123]|norm[123])\.(weight|bias)", r"patch_embed.\1.\2"),
        (r"patch_embed\.l\.0\.(weight|bias)", r"patch_embed.l.0.\1"),
        (r"cls_token", "cls_token"),
        (r"(pos_embed|time_embed)\.weight", r"\1.weight"),
        (r"blocks\.(\d+)\.(?:ln_|norm|ln)([12])\.weight", r"blocks.\1.ln_\2.weight"),
        (r"blocks\.(\d+)\.attn\.(c_attn|c_proj)\.weight", r"blocks.\1.attn.\2.weight"),
        (r"blocks\.(\d+)\.mlp\.(w[123])\.weight", r"blocks.\1.mlp.\2.weight"),
        (r"norm\.(weight|bias)", r"norm.\1"),
    )
)
#: What else such a file may hold: heads of pre-training, and the vector that stood for hidden patches.
_BESIDE = re.compile(r"(.*\.)?mask_token|.*_lm_head\..*|VQ\..*")


def load_encoders(
    path: Path | str, modalities: Sequence[str], size: Size, *, gate: Literal["w1", "w3"] = "w1",
    allow_missing: Sequence[str] = (), allow_unexpected: Sequence[str] = (),
) -> dict[str, dict[str, Tensor]]:  # fmt: skip
    """State of each modality's encoder, ready for `PhysioOmni.start_from`, from a file of published weights.

    ``allow_missing`` names modalities that the file may lack (they start anew).

    Raises
    ------
    InputError : not such a file, an encoder or a part of one that is missing, a shape that does not fit, or names that
        nothing is known of.
    """
    where = str(path)
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError("no such file", where=where, fix="Give the path of PhysioOmni.pt.") from None
    except Exception as error:
        raise InputError(
            "is not a file of weights alone", where=where, fix="Only tensors and plain values are read; nothing is run."
        ) from error
    state = stored.get("model", stored) if isinstance(stored, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError("holds no state of a model", where=where, fix="Give the path of PhysioOmni.pt.")
    return encoder_states(
        state, modalities, size, gate=gate, allow_missing=allow_missing, allow_unexpected=allow_unexpected, where=where
    )


def encoder_states(
    state: Mapping[str, Tensor], modalities: Sequence[str], size: Size, *, gate: Literal["w1", "w3"] = "w1",
    allow_missing: Sequence[str] = (), allow_unexpected: Sequence[str] = (), where: str = "",
) -> dict[str, dict[str, Tensor]]:  # fmt: skip
    """The same, from a state that is loaded already; every key of the encoders asked for must be told and fit.

    Raises
    ------
    InputError : as `load_encoders`.
    """
    plain = {name.removeprefix("_orig_mod."): tensor for name, tensor in state.items()}
    found: dict[str, dict[str, Tensor]] = {}
    odd: list[str] = []
    prefixes = {f"{m.upper()}_encoder.": m for m in ("eeg", "eog", "ecg", "emg")}
    for name, tensor in plain.items():
        prefix = next((p for p in prefixes if name.startswith(p)), None)
        told = name.removeprefix(prefix).removeprefix("_orig_mod.") if prefix else ""
        ours = _ours(told, gate)
        if prefix and ours:
            found.setdefault(prefixes[prefix], {})[ours] = tensor
        elif not _BESIDE.fullmatch(name) and not any(part in name for part in allow_unexpected):
            odd.append(name)
    if odd:
        raise InputError(f"holds {len(odd)} unknown names, the first {odd[0]!r}", where=where,
                         fix="List them in allow_unexpected if they may be left out.")  # fmt: skip
    out: dict[str, dict[str, Tensor]] = {}
    for m in modalities:
        if m not in found:
            if m in allow_missing:
                continue
            raise InputError(f"has no {m.upper()}_encoder", where=where,
                             fix="Every encoder must be there, or be named in allow_missing.")  # fmt: skip
        out[m] = _fitting(found[m], m, size, where)
    return out


def _ours(name: str, gate: str) -> str:
    for pattern, ours in _NAMES:
        if match := pattern.fullmatch(name):
            told = match.expand(ours)
            if gate == "w3":  # the file's w3 is the gate, which here is w1
                swap = {".mlp.w1.": ".mlp.w3.", ".mlp.w3.": ".mlp.w1."}
                for old, new in swap.items():
                    if old in told:
                        return told.replace(old, new)
            return told
    return ""


def _fitting(state: dict[str, Tensor], m: str, size: Size, where: str) -> dict[str, Tensor]:
    with torch.device("meta"):
        spec = spec_named(m)
        wanted: dict[str, Any] = Encoder(spec, size.d(spec), size.layers, size.heads).state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise InputError(f"the {m.upper()}_encoder lacks {name}", where=where, fix="Partial weights are refused.")
        if state[name].shape != tensor.shape:
            raise InputError(
                f"{name} of the {m.upper()}_encoder is {tuple(state[name].shape)}, and must be {tuple(tensor.shape)}",
                where=where, fix='Weights published are of size = "published".',
            )  # fmt: skip
    if extra := sorted(set(state) - set(wanted)):
        raise InputError(f"the {m.upper()}_encoder has {extra[0]}, which this size has not", where=where)
    return {name: state[name].float() for name in wanted}
