"""What the answer rests on: bundle, calibration, models, settings, hashes, as a list and as the footer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import PurePath
from typing import Any

from moodal.core.mood import Mood

from . import words

__all__ = ["footer", "plain", "rests_on"]

_BASIS = {
    "measured": "a model trained and checked on such labels",
    "mapped": "derived from the classes by a written table; no coverage is claimed",
    "none": "not told",
}


def plain(value: Any) -> Any:
    """A value as JSON knows it (provenance comes from several hands)."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return (
        value.item() if hasattr(value, "item") else str(PurePath(value)) if isinstance(value, PurePath) else str(value)
    )


def _fusion(mood: Mood) -> dict[str, Any]:
    """What tells the main scheme: the fusion, or the expert that tells a state by itself."""
    stated = mood.provenance.get("states")
    own = stated.get(mood.scheme) if isinstance(stated, Mapping) else None
    found = own or mood.provenance.get("fusion")
    return dict(found) if isinstance(found, Mapping) else {}


def _percent(share: float) -> str:
    return f"{round(share * 100)}{words.NBSP}%"


def calibration(mood: Mood) -> str:
    """How far the label sets keep what they promise, or that nobody checked."""
    if not mood.calibrated:
        return "not calibrated: scores and bands were not checked on people, so no coverage is claimed"
    stated = _fusion(mood).get("calibration")
    stated = stated if isinstance(stated, Mapping) else {}
    level, observed, on = stated.get("level"), stated.get("observed"), stated.get("on")
    if level is None or observed is None:
        return "calibrated on people"
    people = f" on {on}" if on else " on people it had not seen"
    return f"{_percent(float(level))} sets held {_percent(float(observed))} of the time{people}"


def _model_text(model: Mapping[str, Any]) -> str:
    terms = str(model.get("licence", "")) or "licence not stated"
    commercial = model.get("commercial")
    if commercial is not None:
        terms += ", commercial use allowed" if commercial else ", no commercial use"
    return f"{model.get('name', 'unnamed')} {model.get('version', '')}".rstrip() + f" ({terms})"


def _models(mood: Mood) -> list[Mapping[str, Any]]:
    """Every model once, the bundle last."""
    named: dict[str, Mapping[str, Any]] = {}
    listed = mood.provenance.get("models")
    for model in [*(listed if isinstance(listed, Sequence) else ()), *mood.models]:
        if isinstance(model, Mapping):
            named.setdefault(str(model.get("name")), model)
    bundle = str(_fusion(mood).get("name", ""))
    return sorted(named.values(), key=lambda m: m.get("name") == bundle)


def rests_on(mood: Mood) -> str:
    """Rows of the third list as HTML."""
    fusion = _fusion(mood)
    name = f"{fusion.get('name', 'no bundle named')}, version {fusion.get('version', 'not stated')}"
    rows = [("Bundle", f"{name} · {calibration(mood)}")]
    for dimension in ("valence", "arousal"):
        basis = str(mood.basis.get(dimension, "none"))
        text = _BASIS.get(basis, basis)
        if dimension == "arousal" and basis == "mapped" and _body_alone(mood):
            text = "heart rate and skin responses over the baseline, by hand-set scales; no coverage is claimed"
        rows.append((dimension.capitalize(), text))
    if mood.words:
        rows.append(("Words", "speech to text, unchecked" if _transcribed(mood) else "from the transcript given"))
    base = mood.provenance.get("baseline")
    if isinstance(base, Mapping):
        when = words.moment_span(float(base["start_s"]), float(base["end_s"]), duration=mood.duration_s)
        how = {"given": "as given", "calmest minute": "the calmest minute", "first minute": "the first minute"}
        rows.append(("Baseline", f"{when}, {how.get(str(base['how']), base['how'])}"))
    rows += [("Clocks", text) for text in _joins(mood)]
    if mood.clock == "order":
        rows.append(("Clock", "the text has no times; positions are sentences"))
    rows.append(("Not for", ", ".join(str(x) for x in fusion.get("not_for", ())) or "not stated"))
    return "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>\n" for k, v in rows)


def _body_alone(mood: Mood) -> bool:
    shares = [(m, v) for s in mood.subjects.values() for m, v in s.support.items()]
    return all((m == "body") == bool(v.any()) for m, v in shares)


def _joins(mood: Mood) -> list[str]:
    """How each stream of another clock was joined: ``ppg joined to picture by tap: +1.84 s, 12 ppm, ± 18 ms``."""
    found = mood.provenance.get("joins")
    ways: dict[tuple[Any, ...], list[str]] = {}
    for join in found if isinstance(found, Sequence) else ():
        if isinstance(join, Mapping) and join.get("how") != "same file":
            way = tuple(join.get(k) for k in ("onto", "how", "offset_s", "drift_ppm", "error_ms"))
            ways.setdefault(way, []).append(str(join.get("stream")))
    told = []
    for (onto, how, offset, drift, error), streams in ways.items():
        sure = (
            f"±{words.NBSP}{error:.0f}{words.NBSP}ms" if isinstance(error, (int, float)) else "nobody can tell how well"
        )
        moved = f"{words.signed(float(offset or 0))}{words.NBSP}s, {float(drift or 0):.0f}{words.NBSP}ppm"
        told.append(f"{words.joined(streams)} joined to {onto} by {how}: {moved}, {sure}")
    return told


def _transcribed(mood: Mood) -> bool:
    return not any(s.kind == "words" for s in mood.streams)


def _settings(mood: Mood) -> list[str]:
    settings = mood.provenance.get("settings")
    settings = settings if isinstance(settings, Mapping) else {}
    # Where every modality of the recording was looked at, naming them says that others were left out.
    every = set(mood.modalities) <= set(settings.get("only") or ())
    kept = {k: v for k, v in settings.items() if v not in (None, (), [], False, "") and not (k == "only" and every)}
    said = [f"{k.replace('_', ' ')} {_value(v)}" for k, v in kept.items()]
    return [f"settings: {'; '.join(said)}"] if said else []


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _rate(hertz: float) -> str:
    return f"{hertz:.0f}" if hertz >= 1000 else f"{round(hertz, 2):g}"


def _streams(mood: Mood) -> str:
    told = []
    for s in mood.streams:
        parts: list[str] = [words.STREAM_NAMES.get(s.kind, s.kind)]
        if s.rate_hz and not mood.still:
            parts.append(f"{_rate(s.rate_hz)}{words.NBSP}{'frames a second' if s.kind == 'picture' else 'Hz'}")
        if s.info.get("codec"):
            parts.append(str(s.info["codec"]))
        told.append(" ".join(parts))
    return ", ".join(told)


def _short(sha: str) -> str:
    """The ends of a hash for the eye; the whole stands in the file's provenance."""
    return f"{sha[:4]}…{sha[-4:]}" if len(sha) > 12 else sha


def footer(mood: Mood, drawn_step: float) -> str:
    """Provenance as paragraphs of HTML; no date, so that the same input gives the same bytes."""
    recorded = mood.provenance.get("recording")
    sha = recorded.get("sha256") if isinstance(recorded, Mapping) else None
    fusion = _fusion(mood)
    parts = [f"moodal {mood.provenance.get('moodal', '')}".rstrip()]
    parts += [_model_text(m) for m in _models(mood)]
    terms = str(fusion.get("data_terms", ""))
    if terms:
        whole = terms.startswith(("none", "fitted on", "trained on"))  # says itself what was done with the data
        learnt = terms.removeprefix("none: ") if whole else f"learnt from {terms}"
        parts.append(f"{fusion.get('name', 'bundle')}: {learnt}")
    parts += [_streams(mood), *_settings(mood)]
    if mood.clock != "order" and not mood.still:
        parts.append("one clock, the recording's own")
    if drawn_step > mood.step_s * 1.5:
        parts.append(f"drawn in steps of {drawn_step:.1f}{words.NBSP}s, the table holds {mood.step_s:g}{words.NBSP}s")
    hashes = [
        f'{what} sha256 <code title="{escape(str(value))}">{escape(_short(str(value)))}</code>'
        for what, value in (("recording", sha), ("settings", mood.provenance.get("settings_sha256")))
        if value
    ]
    line = " · ".join([*(escape(p) for p in parts if p), *hashes])
    return f'<p class="about">{escape(words.ABOUT)}</p>\n<p class="provenance">{line}</p>'
