"""Names of columns and channels to kinds of streams, units to those of `SIGNAL_KINDS`, and what values can be.

Nothing is guessed in silence: a unit is stated by the file, or by ``--unit FIELD=UNIT``, or the values must fit the
kind's own unit and the reader says that it took that one. Values that no body gives are refused, stated or not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError, UsageError
from moodal.core.stream import SIGNAL_KINDS

__all__ = ["Label", "Sampled", "Unit", "Units", "declared", "doubt", "known_as", "label", "unit_of"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a file spells it, and how it becomes the kind's own: ``factor x + shift``, or ``factor / x``."""

    name: str
    factor: float = 1.0
    shift: float = 0.0
    inverse: bool = False

    def convert(self, values: FloatArray) -> FloatArray:
        """Values in the kind's own unit; a resistance of nothing or less is no number."""
        if self.inverse:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(values > 0, self.factor / values, np.nan)
        if self.factor == 1.0 and self.shift == 0.0:
            return values
        return values * self.factor + self.shift


_VOLTS = {
    "uv": 1.0, "microv": 1.0, "microvolt": 1.0, "microvolts": 1.0, "mv": 1e3, "milliv": 1e3, "millivolt": 1e3,
    "millivolts": 1e3, "v": 1e6, "volt": 1e6, "volts": 1e6, "nv": 1e-3, "nanovolt": 1e-3,
}  # fmt: skip
#: kind → spelling in lower case without spaces, degree signs and Greek → factor.
_FACTORS: dict[str, dict[str, float]] = {
    "eda": {
        "us": 1.0, "usiemens": 1.0, "microsiemens": 1.0, "microsiemen": 1.0, "umho": 1.0, "micromho": 1.0,
        "s": 1e6, "siemens": 1e6, "ms": 1e3, "millisiemens": 1e3, "ns": 1e-3, "nanosiemens": 1e-3,
    },
    "acc": {
        "g": 1.0, "mg": 1e-3, "m/s2": 1 / 9.80665, "m/s^2": 1 / 9.80665, "m/s/s": 1 / 9.80665, "ms-2": 1 / 9.80665,
        "m/s²": 1 / 9.80665, "m.s-2": 1 / 9.80665, "g/64": 1 / 64, "1/64g": 1 / 64, "e4": 1 / 64,
    },
    "ibi": {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3},
    "hr": {
        "bpm": 1.0, "1/min": 1.0, "/min": 1.0, "min-1": 1.0, "beats/min": 1.0, "beatsperminute": 1.0, "hz": 60.0,
        "1/s": 60.0,
    },
    **dict.fromkeys(("ecg", "emg", "eeg", "eog"), _VOLTS),
}  # fmt: skip
_OHMS = {"kohm": 1e3, "kiloohm": 1e3, "kω": 1e3, "ohm": 1e6, "ω": 1e6, "mohm": 1.0, "megaohm": 1.0}
_DEGREES = {
    "c": (1.0, 0.0), "degc": (1.0, 0.0), "celsius": (1.0, 0.0), "degreec": (1.0, 0.0), "degreecelsius": (1.0, 0.0),
    "f": (5 / 9, -160 / 9), "degf": (5 / 9, -160 / 9), "fahrenheit": (5 / 9, -160 / 9),
    "k": (1.0, -273.15), "kelvin": (1.0, -273.15),
}  # fmt: skip
#: Spellings shown to people, in the order in which they are tried.
_SHOWN = {
    "eda": ("uS", "nS", "mS", "S", "kohm", "ohm"), "temp": ("C", "F", "K"), "acc": ("g", "m/s2", "mg", "g/64"),
    "ibi": ("s", "ms"), "hr": ("bpm", "Hz"), **dict.fromkeys(("ecg", "emg", "eeg", "eog"), ("uV", "mV", "V", "nV")),
}  # fmt: skip


def unit_of(kind: str, text: str) -> Unit | None:
    """The unit that ``text`` spells for this kind, or ``None``. PPG and respiration take any: they have none.

    >>> unit_of("eda", "kΩ").inverse, unit_of("temp", "°F").factor, unit_of("eda", "mV")
    (True, 0.5555555555555556, None)
    """
    clean = text.strip()
    spelt = clean.replace("µ", "u").replace("μ", "u").replace("Ω", "Ω").replace("°", "").replace(" ", "").lower()
    if not spelt:
        return None
    if not SIGNAL_KINDS[kind]:
        return Unit(clean)
    if kind == "temp":
        return Unit(clean, *_DEGREES[spelt]) if spelt in _DEGREES else None
    if kind == "eda" and spelt in _OHMS:
        return Unit(clean, _OHMS[spelt], inverse=True)
    factor = _FACTORS[kind].get(spelt)
    return None if factor is None else Unit(clean, factor)


class Units(Mapping[str, str]):
    """Units that the user declared: field (a column, a channel or a kind) → unit; it remembers which were used."""

    def __init__(self, declared: Mapping[str, str] | None = None) -> None:
        self._units = {k.strip().lower(): v.strip() for k, v in (declared or {}).items()}
        self._used: set[str] = set()
        #: Whether a reader that takes units was asked.
        self.asked = False

    @classmethod
    def parse(cls, items: object) -> Units:
        """From ``["eda=uS", …]``, one such text, or a mapping.

        Raises
        ------
        UsageError : an item is no ``FIELD=UNIT``.
        """
        if isinstance(items, Units):
            return items
        if isinstance(items, Mapping):
            items = [f"{k}={v}" for k, v in items.items()]
        texts = [items] if isinstance(items, str) else list(items or ())  # type: ignore[call-overload]
        found: dict[str, str] = {}
        for text in texts:
            field, _, unit = str(text).partition("=")
            if not field.strip() or not unit.strip():
                raise UsageError(f"must be FIELD=UNIT, not {text!r}", where="--unit", fix="Say, for one: eda=uS.")
            found[field] = unit
        for field, unit in found.items():
            _check_unit(field, unit)
        return cls(found)

    def __getitem__(self, field: str) -> str:
        unit = self._units[field.lower()]
        self._used.add(field.lower())
        return unit

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._units)

    def __len__(self) -> int:
        return len(self._units)

    def first(self, *fields: str) -> str | None:
        """The unit declared for the first of these names that has one."""
        for field in fields:
            if field and field.lower() in self._units:
                return self[field]
        return None

    def with_(self, more: Mapping[str, str]) -> Units:
        """These, and those of ``more`` for fields that have none; what is used of the result is marked here too."""
        both = Units({**more, **self._units})
        both._used = self._used
        return both

    def check(self, name: str) -> None:
        """Raise `InputError` where a declared field was in none of the files."""
        unused = sorted(set(self._units) - self._used)
        if unused:
            raise InputError(
                f"has no field {', '.join(unused)} as --unit says", where=name,
                fix="Name a column, a channel or a kind of stream that it holds.",
            )  # fmt: skip


def _check_unit(field: str, text: str) -> None:
    """Raise `UsageError` where no recording could have this unit, whatever it holds."""
    named, _, after = text.rpartition(":")
    kind = (named or field).strip().lower()
    if kind in SIGNAL_KINDS and unit_of(kind, after) is None:
        raise UsageError(
            f"{after.strip()!r} is no unit of {kind}", where="--unit", fix=f"Known: {', '.join(_SHOWN[kind])}."
        )


@dataclass(frozen=True, slots=True)
class Label:
    """What a column or channel is called: its kind, its channel within it (may be empty), the unit if it states one."""

    kind: str
    channel: str
    unit: str | None


_TOKENS: dict[str, tuple[str, ...]] = {
    "eda": ("eda", "gsr", "scl", "electrodermal", "skinconductance", "galvanic", "conductance"),
    "ppg": ("ppg", "bvp", "pleth", "plethysmograph", "plethysmogram", "plethysmography", "pulse", "cardiac"),
    "ecg": ("ecg", "ekg", "electrocardiogram"),
    "hr": ("hr", "heartrate", "bpm", "pulserate"),
    "ibi": ("ibi", "rr", "rri", "nn", "ppi", "nni"),
    "resp": ("resp", "rsp", "respiration", "respiratory", "breathing", "breath", "thorax", "abdomen"),
    "temp": ("temp", "temperature", "skt", "tmp", "skintemperature"),
    "acc": ("acc", "accel", "accelerometer", "acceleration"),
    "emg": ("emg", "electromyogram"),
    "eeg": ("eeg",),
    "eog": ("eog", "electrooculogram"),
    "notes": ("marker", "markers", "event", "events", "note", "notes", "annotation", "annotations", "tag", "tags",
              "trigger"),
}  # fmt: skip
_KIND = {token: kind for kind, tokens in _TOKENS.items() for token in tokens}
#: Words before a kind that only say where or how it was taken.
_BEFORE = {
    "wrist", "chest", "left", "right", "raw", "signal", "sensor", "e4", "empatica", "polar", "skin", "body", "finger",
    "ch", "channel", "chan", "device", "data",
}  # fmt: skip
#: Words after a kind that mean something computed from it, not the signal.
_DERIVED = {
    "clean", "cleaned", "tonic", "phasic", "peak", "peaks", "quality", "rate", "scr", "onset", "onsets", "recovery",
    "height", "amplitude", "filtered", "phase", "completion", "rvt", "rmssd", "sdnn", "hrv", "mean", "std", "sd", "min",
    "max", "valid", "flag", "status", "label", "index", "count", "id", "name", "confidence", "variability", "power",
    "bands", "score",
}  # fmt: skip
#: Electrodes of the 10-10 system, and leads of an electrocardiogram.
_SITES = re.compile(r"(?:fp|af|ft|fc|tp|cp|po|f|c|t|p|o|i)(?:z|\d{1,2})h?", re.IGNORECASE)
_LEADS = re.compile(r"(?:i{1,3}|avr|avl|avf|v\d?|ml?(?:i{1,3}|v\d)|mcl\d?|lead ?\w+)", re.IGNORECASE)
_BRACKETS = re.compile(r"^(.*?)\s*[\[({]\s*([^\])}]*?)\s*[\])}]\s*$")


def label(name: str, *, sites: bool = False, leads: bool = False) -> Label | None:
    """What a column or channel name means, or ``None`` where it names nothing that is read.

    ``sites`` takes bare names of electrodes (``Fp1``) for EEG, ``leads`` bare leads (``II``) for ECG.

    >>> label("eda_uS"), label("acc_x [m/s2]").channel, label("PPG_Rate")
    (Label(kind='eda', channel='', unit='uS'), 'x', None)
    """
    text, unit = " ".join(name.replace("\ufeff", "").split()), None
    if (found := _BRACKETS.match(text)) and found[1]:
        text, unit = found[1], found[2] or None
    if sites and _SITES.fullmatch(text):
        return Label("eeg", text, unit)
    if leads and _LEADS.fullmatch(text):
        return Label("ecg", text, unit)
    tokens = list(re.finditer(r"[^\s_\-.:]+", text))
    for at, token in enumerate(tokens[:4]):
        joined = (token[0] + tokens[at + 1][0]).lower() if at + 1 < len(tokens) else ""
        kind, used = (_KIND[joined], at + 1) if joined in _KIND else (_KIND.get(token[0].lower()), at)
        if kind is not None:
            return _rest(kind, text[tokens[used].end() :].strip(" _-.:"), unit)
        if token[0].lower() not in _BEFORE:
            return None
    return None


def _rest(kind: str, rest: str, unit: str | None) -> Label | None:
    """The label of a name whose kind is known: the rest is a channel, with a unit at its end perhaps."""
    if kind == "notes":
        return Label(kind, "", None)
    tokens = [t.lower() for t in re.split(r"[\s_\-.:]+", rest) if t]
    if any(t in _DERIVED for t in tokens):
        return Label("hr", "", unit) if kind in ("hr", "ppg", "ecg") and tokens == ["rate"] and unit else None
    if unit is None and (tail := re.search(r"(?:^|[\s_\-.:])([^\s_:]+)$", rest)):
        known = unit_of(kind if SIGNAL_KINDS[kind] else "ecg", tail[1])
        if known is not None or (not SIGNAL_KINDS[kind] and tail[1].lower() in ("au", "nu", "%")):
            unit, rest = tail[1], rest[: tail.start()].strip(" _-.:")
    if kind == "ibi" and unit is not None and unit_of("hr", unit):
        return None  # RR in 1/min is a breathing rate
    if rest.lower() in ("raw", "signal", "interval", "intervals") or _KIND.get(rest.lower()) == kind:
        rest = ""
    return Label(kind, rest, unit)


def known_as(name: str, units: Units, *, sites: bool = False, leads: bool = False) -> Label | None:
    """What a column or channel is: as the user declared it (``FIELD=KIND:UNIT``), or else by its name."""
    kind, _, unit = (units.first(name, name.strip()) or "").partition(":")
    if unit and kind.strip() in SIGNAL_KINDS:
        return Label(kind.strip(), name.strip(), unit.strip())
    return label(name, sites=sites, leads=leads)


def declared(name: str, known: Label, units: Units) -> str | None:
    """The unit in force for a column or channel: declared for its name, its channel or its kind; or its own."""
    bare = _BRACKETS.match(name)
    channel = (f"{known.kind}_{known.channel}", known.channel) if known.channel else ()
    unit = units.first(name, name.strip(), bare[1] if bare else "", *channel, known.kind)
    return (unit.partition(":")[2] or unit).strip() if unit else known.unit


class Sampled:
    """A sample of a column's values, evenly spread and bounded, whatever its length."""

    MOST = 1 << 16

    def __init__(self) -> None:
        self.n = self.finite = 0
        self._stride = 1
        self._kept: list[FloatArray] = []
        self._held = 0

    def add(self, values: FloatArray) -> None:
        """Take the next values ``(n,)``."""
        first = -self.n % self._stride
        kept = values[first :: self._stride]
        self.n += len(values)
        good = np.isfinite(values)
        self.finite += int(good.sum())
        self._kept.append(np.array(kept[np.isfinite(kept)]))
        self._held += len(kept)
        while self._held > self.MOST:
            whole = np.concatenate(self._kept)[::2]
            self._kept, self._stride, self._held = [whole], 2 * self._stride, len(whole)

    @property
    def values(self) -> FloatArray:
        """What was kept ``(m,)``, finite."""
        return np.concatenate(self._kept) if self._kept else np.empty(0)


#: kind → least and most that the middle value (of acceleration: the length of the middle vector) may be.
_MIDDLE = {"eda": (-1.0, 100.0), "temp": (5.0, 50.0), "hr": (20.0, 300.0), "ibi": (0.15, 5.0), "acc": (0.0, 8.0)}
#: The same where no unit is stated, so that one unit alone fits.
_MIDDLE_BARE = {**_MIDDLE, "eda": (-1.0, 60.0), "temp": (5.0, 50.0), "acc": (0.5, 2.0), "ibi": (0.2, 3.0)}
#: kind → least and most of the range from the 0.5th to the 99.5th percentile, µV; and where no unit is stated.
_RANGE = {"ecg": (5.0, 1e5), "eeg": (0.5, 1e5), "emg": (0.1, 5e5), "eog": (1.0, 1e5)}
_RANGE_BARE = {"ecg": (100.0, 2e4), "eeg": (5.0, 2e3), "emg": (5.0, 2e4), "eog": (20.0, 1e4)}


def _fits(kind: str, columns: list[FloatArray], stated: bool) -> bool:
    columns = [c for c in columns if len(c)]
    if not columns:
        return True
    if kind in _RANGE:
        low, high = (_RANGE if stated else _RANGE_BARE)[kind]
        spans = [float(np.diff(np.percentile(c, (0.5, 99.5)))[0]) or float(np.ptp(c)) for c in columns]
        spans = [s for s in spans if s > 1e-9]  # a flat channel says nothing of its unit
        return not spans or low <= float(np.median(spans)) <= high
    if kind not in _MIDDLE:
        return True
    low, high = (_MIDDLE if stated else _MIDDLE_BARE)[kind]
    middles = [float(np.median(c)) for c in columns]
    middle = float(np.linalg.norm(middles)) if kind == "acc" else float(np.median(middles))
    if kind == "eda" and (top := max(float(np.percentile(c, 99.5)) for c in columns)) != 0:
        # Skin that conducts less than this is a unit of another size, or (stated) no contact at all.
        return top >= (0.001 if stated else 0.05) and low <= middle <= high
    return low <= middle <= high


_WORDS = {"eda": "skin conductance", "temp": "skin temperature", "hr": "heart rate", "ibi": "beat intervals",
          "acc": "acceleration of a body"}  # fmt: skip


def doubt(kind: str, unit: Unit | None, columns: list[FloatArray]) -> str:
    """Why the values ``columns`` (as the file has them) cannot be of this kind and unit; empty where they can.

    Without a unit the kind's own is tried, in the narrower range in which it alone fits.
    """
    taken = unit or Unit(SIGNAL_KINDS[kind])
    if _fits(kind, [c[np.isfinite(c)] for c in (taken.convert(c) for c in columns)], unit is not None):
        return ""
    values = np.concatenate(columns)
    low, high = (float(f"{v:.3g}") for v in np.percentile(values, (5, 95)))
    others = [
        u
        for u in _SHOWN[kind]
        if (other := unit_of(kind, u)) and _fits(kind, [other.convert(c) for c in columns], False)
    ]
    hint = f"; they would fit {' or '.join(others)}" if others else ""
    said = f"in {taken.name}" if unit else "without a unit"
    return f"values of {low:g} to {high:g} {said} are no {_WORDS.get(kind, kind.upper())}{hint}"
