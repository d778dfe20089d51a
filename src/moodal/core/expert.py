"""A bundle that somebody chose to tell the emotion (`--model`): which extractor runs it, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import registry
from .bundle import Bundle
from .errors import ModelError

__all__ = [
    "HALF_WIDTH", "ROLES", "Chosen", "Expert", "choose", "encoder_of", "expert_of", "find_expert",
    "modality_of", "sha256_of",
]  # fmt: skip

#: Half-widths of valence and arousal that are mapped from classes, where a manifest names none: those of words in
#: ``late-v0``, set by hand.
HALF_WIDTH = {"valence": 0.6, "arousal": 0.8}


#: Trained experts by the part they play in `analyze`: each the name of a bundle, used where it is installed.
ROLES = ("face", "voice", "words", "words-vad", "stress", "workload")
#: Fusions, the best first; the last one is always there.
_FUSIONS = ("late-all", "late-v0")


@dataclass(frozen=True)
class Chosen:
    """What tells the emotion: ``experts`` by role (what is not among them is told by written rules, or not at all), and
    the bundle that fuses, by its name or path."""

    experts: Mapping[str, str]
    fusion: str

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """The fusion, the experts, and the encoders that these rest on, each once."""
        found = [registry.find_bundle(n) for n in (self.fusion, *self.experts.values())]
        found += [encoder_of(b, row) for b in found for row in b.manifest.get("encoders", {}).values()]
        return tuple({b.name: b for b in found}.values())


def choose(model: str | None = None, *, commercial: bool = False) -> Chosen:
    """The best of what is installed, or the fusion that ``model`` names, with the experts that it uses.

    With ``commercial`` whatever forbids commercial use is left out.

    Raises
    ------
    ModelError : the fusion that was named needs an expert that is not installed.
    """
    known = registry.bundles()

    def allowed(name: str) -> bool:
        return name in known and (not commercial or known[name].manifest["commercial"] is True)

    if model is not None:
        bundle = registry.find_bundle(model, "--model")
        missing = [u for u in bundle.manifest.get("needs", ()) if u not in known]
        if missing:
            raise ModelError(
                f"needs {', '.join(missing)}, which is not installed", where=bundle.name, fix="See: moodal models list"
            )
    else:
        able = [f for f in _FUSIONS if allowed(f) and all(map(allowed, known[f].manifest.get("needs", ())))]
        bundle = known[able[0] if able else _FUSIONS[-1]]
    uses = [str(u) for u in bundle.manifest.get("uses", ())]
    name = bundle.name if known.get(bundle.name) == bundle else str(bundle.path)
    return Chosen({role: role for role in ROLES if role in uses and allowed(role)}, name)


@dataclass(frozen=True)
class Expert:
    """A bundle that stands in for an extractor's own model.

    ``extractor`` is the one that runs it, ``modality`` what it is of; ``encoders`` are the bundles that make each of
    its features.
    """

    bundle: Bundle
    extractor: str
    modality: str
    encoders: Mapping[str, Bundle]
    role: str = ""  #: the part it plays where it has a runner of its own (`ROLES`)

    @property
    def options(self) -> dict[str, Any]:
        """What extractors are told so that they run it."""
        return {"experts": {self.role: str(self.bundle.path)}} if self.role else {"model": str(self.bundle.path)}

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """Itself and all that it rests on, each once."""
        return tuple({b.name: b for b in (self.bundle, *self.encoders.values())}.values())

    @property
    def half_width(self) -> dict[str, float]:
        """Half the interval of valence and of arousal: the manifest's, else set by hand."""
        return {**HALF_WIDTH, **self.bundle.manifest.get("half_width", {})}

    def fusion(self) -> dict[str, Any]:
        """What `conclude` must know to pass this one's answer through unchanged; it is kept in provenance."""
        told = self.bundle.manifest
        calibration = told["calibration"] or {}
        return {
            "name": "single",
            "version": "1",
            "kind": "fusion",
            "modality": self.modality,
            "model": self.bundle.name,
            "sha256": sha256_of(self.bundle),
            "scheme": told["scheme"],
            "calibration": told["calibration"],
            "label_sets": calibration.get("label_sets"),
            "encoders": {m: {"name": b.name, "sha256": sha256_of(b)} for m, b in self.encoders.items()},
        }


def find_expert(name: str, where: str = "--model") -> Expert | None:
    """The bundle of that name (or at that path), with who runs it; None for a fusion that is what runs anyway.

    Raises
    ------
    UsageError : no such bundle; the nearest name is told.
    ModelError : it cannot be read, or as `expert_of`.
    """
    bundle = registry.find_bundle(name, where)
    return None if bundle.name in registry.names("fusions") else expert_of(bundle, where)


def expert_of(bundle: Bundle, where: str = "") -> Expert:
    """The bundle with the extractor that runs it: one that can give an entry of the manifest's ``inputs`` at least.

    What else the bundle would read is absent to it. Which encoder makes a feature is named in ``encoders`` by name and
    SHA-256: it is installed, or lies beside the bundle.

    Raises
    ------
    ModelError : nothing here gives what it reads, or an encoder is missing or another one.
    """
    told = bundle.manifest
    if "runner" in told:
        return _with_runner(bundle, where)
    inputs = {str(i) for i in told["inputs"]}
    specs = [registry.load("extractors", n).SPEC for n in registry.names("extractors")]
    taker = next((s for s in specs if inputs & set(s.takes)), None)
    if taker is None or told["kind"] == "encoder" or "model" not in told:
        what = "is an encoder, which other bundles use" if told["kind"] == "encoder" else "does not run by itself"
        raise ModelError(
            f"{bundle.name} {what} (it reads {', '.join(sorted(inputs))})", where=where, fix="See: moodal models list"
        )
    encoders = {m: encoder_of(bundle, row) for m, row in told.get("encoders", {}).items()}
    return Expert(bundle, taker.name, taker.modality, encoders)


def modality_of(bundle: Bundle) -> str:
    """Which modality a trained expert tells of: the room that its runner lives in; empty for other bundles."""
    path = registry.module_of("experts", str(bundle.manifest.get("runner", ""))).split(".")
    return path[2] if len(path) > 2 else ""


def _with_runner(bundle: Bundle, where: str) -> Expert:
    """A trained expert: its extractor is the one of the room that its runner lives in."""
    name = bundle.name if bundle.name in ROLES else str(bundle.manifest.get("role", ""))
    modality = modality_of(bundle)
    if name not in ROLES or not modality:
        raise ModelError(f"{bundle.name} plays no part in analyze", where=where, fix=f"Known: {', '.join(ROLES)}.")
    if modality not in ("face", "voice", "words") or name == "words-vad":
        told = bundle.manifest["scheme"] or "valence, arousal and dominance"
        raise ModelError(
            f"{bundle.name} tells no emotion by itself ({told})", where=where,
            fix=f"Leave --model out, and ask for --scheme {told}." if bundle.manifest["scheme"] else "Leave it out.",
        )  # fmt: skip
    specs = [registry.load("extractors", n).SPEC for n in registry.names("extractors")]
    taker = next(s for s in specs if s.modality == modality)
    encoders = {m: encoder_of(bundle, row) for m, row in bundle.manifest.get("encoders", {}).items()}
    return Expert(bundle, taker.name, modality, encoders, name)


def encoder_of(bundle: Bundle, row: Mapping[str, Any]) -> Bundle:
    """The encoder that a row of the manifest's ``encoders`` names by ``name`` and ``sha256``.

    Raises
    ------
    ModelError : it is not installed, damaged, or another one.
    """
    name, wanted = str(row["name"]), str(row["sha256"])
    beside = bundle.path.parent / f"{name}.bundle"
    there = [b for b in (registry.bundles().get(name), Bundle.open(beside) if beside.exists() else None) if b]
    for one in there:
        if sha256_of(one) == wanted:
            return one
    if name in registry.damaged():
        raise registry.damaged()[name]
    if not there:
        raise ModelError(
            f"needs the encoder {name}, which is not installed", where=bundle.name,
            fix="Install the distribution that brings it, or put its file beside the bundle.",
        )  # fmt: skip
    raise ModelError(
        f"needs the encoder {name} with SHA-256 {wanted[:12]}…, and the one here has {sha256_of(there[0])[:12]}…",
        where=bundle.name, fix="Install both from the same release.",
    )  # fmt: skip


def sha256_of(bundle: Bundle) -> str:
    """`Bundle.sha256`, computed once as long as its file stays the same."""
    if bundle.path.is_dir():
        return bundle.sha256()
    about = bundle.path.stat()
    return _sha256(bundle.path.resolve(), about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)
def _sha256(path: Path, _mtime: int, _size: int) -> str:
    return Bundle(path, {}).sha256()
