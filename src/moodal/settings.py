"""What was asked for: the options of `moodal analyze` as one value, checked, stored and hashed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from math import inf, isfinite
from typing import Any

from moodal.core.clock import Span
from moodal.core.errors import UsageError
from moodal.core.expert import Chosen, Expert, choose, find_expert, sha256_of
from moodal.core.recording import Recording
from moodal.core.registry import bundles
from moodal.fuse import states
from moodal.measure import MODALITIES, extractor_specs, track_spec

__all__ = ["DEFAULT", "Settings", "default_for", "settings_from"]

#: What `analyze` looks at unless told otherwise: every modality that has an extractor. The body is looked at where the
#: recording has a signal of one: that a video has no wristband is no gap anybody waits for.
DEFAULT = ("face", "voice", "words", "body", "brain")


@dataclass(frozen=True)
class Settings:
    """Everything that can change a result, and nothing else: stored, and hashed, in provenance.

    ``fps`` thins pictures to at most that rate; ``start_s`` and ``end_s`` bound the analysis on the
    recording's clock; ``asr_model`` is a folder with another faster-whisper model; ``language`` the
    code of what is spoken, where known; ``baseline`` a neutral stretch (start, end in s) of the body's signals;
    ``keep`` names tracks to store that are too large to be stored unasked; ``model`` a bundle (or the path of one) that
    tells the emotion instead of the best of what is installed.
    """

    only: tuple[str, ...] = DEFAULT
    schemes: tuple[str, ...] = ("ekman8",)
    fps: float | None = None
    start_s: float | None = None
    end_s: float | None = None
    commercial: bool = False
    asr_model: str | None = None
    language: str | None = None
    baseline: tuple[float, float] | None = None
    keep: tuple[str, ...] = ()
    model: str | None = None

    def __post_init__(self) -> None:
        for option, number in (("--fps", self.fps), ("--start", self.start_s), ("--end", self.end_s)):
            if number is not None and not isfinite(number):
                raise UsageError(f"must be a number, not {number:g}", where=option)
        unknown = [m for m in self.only if m not in MODALITIES]
        if unknown or not self.only:
            raise UsageError(
                f"unknown modality {', '.join(unknown)!r}", where="--only", fix=f"Known: {', '.join(MODALITIES)}."
            )
        for name in self.schemes:
            states.check(name)
        if self.fps is not None and not self.fps > 0:
            raise UsageError(f"must be above 0, not {self.fps:g}", where="--fps")
        if self.start_s is not None and self.start_s < 0:
            raise UsageError(f"must not be negative, but is {self.start_s:g}", where="--start")
        for name in self.keep:
            track_spec(name)
        if self.baseline is not None and not 0 <= self.baseline[0] < self.baseline[1] < inf:
            raise UsageError("must be START:END in seconds, the end after the start", where="--baseline")
        self._check_states()
        if (expert := self.expert) is not None and expert.modality not in self.only:
            raise UsageError(
                f"{expert.bundle.name} reads {expert.modality}, which is left out", where="--only",
                fix=f"Add {expert.modality}, or leave --only out.",
            )  # fmt: skip
        if self.end_s is not None and self.end_s <= (self.start_s or 0):
            raise UsageError(f"must come after the start, but is {self.end_s:g}", where="--end")

    def _check_states(self) -> None:
        """Schemes that one expert tells of by itself need this expert, and what it reads."""
        for name in self.schemes:
            state = states.STATES.get(name)
            if state is None:
                continue
            if self.only != DEFAULT and state.modality not in self.only:
                raise UsageError(
                    f"{name} is told of {state.modality}, which is left out", where="--only",
                    fix=f"Add {state.modality}, or leave --only out.",
                )  # fmt: skip
            if state.role not in self.chosen.experts:
                raise UsageError(
                    f"{name} is told by the expert {state.role}, which is not used here", where="--scheme",
                    fix="See: moodal models list. Leave --model out.",
                )  # fmt: skip

    @property
    def expert(self) -> Expert | None:
        """The bundle that was chosen to tell alone, and who runs it; errors as `find_expert`."""
        return None if self.model is None else find_expert(self.model)

    @property
    def chosen(self) -> Chosen:
        """What tells the emotion where no bundle tells it alone: the best of what is installed and allowed."""
        return choose(None if self.expert is not None else self.model, commercial=self.commercial)

    def modalities(self, recording: Recording) -> tuple[str, ...]:
        """What is looked at in this recording: ``only``, or by default what it could have."""
        return default_for(recording, self.schemes) if self.only == DEFAULT else self.only

    def span(self, recording: Recording) -> Span:
        """The stretch of the recording to analyse."""
        start = self.start_s or 0.0
        if start >= recording.duration_s:
            raise UsageError(
                f"{start:g} s is past the end ({recording.duration_s:.2f} s)", where=f"{recording.name}: --start"
            )
        span = Span(start, min(self.end_s or recording.duration_s, recording.duration_s))
        if self.baseline is not None and not Span(*self.baseline) & span:
            raise UsageError(
                f"{self.baseline[0]:g} to {self.baseline[1]:g} s lies outside of what is analysed "
                f"({span.start:g} to {span.end:.2f} s)",
                where=f"{recording.name}: --baseline",
            )
        return span

    @property
    def sha256(self) -> str:
        """Hash of the settings in one fixed spelling; of a chosen bundle its content counts, not its name alone."""
        told = asdict(self)
        expert = self.expert
        bundles = self.chosen.bundles if expert is None else expert.bundles
        told["model"] = [sha256_of(b) for b in bundles]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def options(self) -> dict[str, Any]:
        """What extractors are told: ``experts`` names the bundles that they run, by role."""
        told = {k: v for k, v in asdict(self).items() if k in ("fps", "asr_model", "language") and v is not None}
        expert = self.expert
        return {**told, **({"experts": dict(self.chosen.experts)} if expert is None else expert.options)}


def default_for(recording: Recording, schemes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """`DEFAULT` without body and brain where no stream could tell of them; what tells one of the ``schemes`` stays
    where its expert reads any stream that is there (workload from an ECG alone)."""
    there = {s.kind for s in recording.streams}

    def worn(modality: str) -> bool:
        return any(there & set(s.reads) for s in extractor_specs().values() if s.modality == modality)

    asked = [s for name, s in states.STATES.items() if name in schemes and s.role in bundles()]
    read = {s.modality for s in asked if there & set(bundles()[s.role].manifest["inputs"])}
    return tuple(m for m in DEFAULT if m not in ("body", "brain") or m in read or worn(m))


def settings_from(**options: Any) -> Settings:
    """`Settings` from keywords spelt as the command's options; ``None`` means not given.

    Raises
    ------
    UsageError : an unknown option, or a value that makes no sense.
    """
    spelt = {"scheme": "schemes", "start": "start_s", "end": "end_s"}
    known = {*Settings.__dataclass_fields__} - set(spelt.values()) | set(spelt)
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(
            f"unknown option {', '.join(unknown)}", where="analyze", fix=f"Known: {', '.join(sorted(known))}."
        )
    values = {spelt.get(name, name): value for name, value in options.items() if value is not None}
    for name in ("only", "schemes", "keep"):
        if name in values:
            texts = [values[name]] if isinstance(values[name], str) else list(values[name])
            values[name] = tuple(
                dict.fromkeys(part.strip() for text in texts for part in text.split(",") if part.strip())
            )
    if values.get("model") is not None:
        values["model"] = str(values["model"])
        expert = find_expert(values["model"])
        if expert is not None:  # what else is measured changes nothing, so it must be asked for
            values.setdefault("only", (expert.modality,))
    if "baseline" in values:
        values["baseline"] = _stretch(values["baseline"])
    return Settings(**values)


def _stretch(given: Any) -> tuple[float, float]:
    """``"START:END"``, or a pair, in s."""
    try:
        start, end = (float(x) for x in (given.split(":") if isinstance(given, str) else given))
    except (TypeError, ValueError) as error:
        raise UsageError(f"must be START:END in seconds, not {given!r}", where="--baseline") from error
    return start, end
