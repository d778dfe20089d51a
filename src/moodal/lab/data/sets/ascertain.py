"""ASCERTAIN: ECG and skin conductance (and one dry EEG channel) of 58 people who watch 36 film clips and rate them.

Its makers describe no layout; this one is what programs that read the set rely on, and what matters of it is proved on
the files: rates by the times beside the samples, units by the values, and whether ratings stand by clip or by the order
in which clips were shown by what people agree on. EEG comes without times, names and unit: it is read only when asked
for, at the rate that the clips' lengths give, as rows without a meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError
from moodal.lab.data import matlab
from moodal.lab.data.columns import even
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.skin import SKIN_UNITS, Skin
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.told import checked
from moodal.lab.data.watched import NoHoles, Trial, Watched, apart, numbered, picked, together
from moodal.lab.data.windows import Channels

from .ascertain_layout import BY, FIELDS, FILES, MIDDLE, RATINGS, SCALES, TRAITS, optional, ratings_of
from .ascertain_twin import generate

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="ascertain",
    title="ASCERTAIN",
    modalities=("ecg", "eda", "eeg"),
    labels=("valence", "arousal", "quadrant", "ratings"),
    licence="not stated where the set is described; ask its makers, and take it as for research only.",
    commercial="unclear",
    where="https://ascertain-dataset.github.io",
    layout="ASCERTAIN_Raw/{ECGData,GSRData,EEGData}/Movie_P01/{ECG,GSR,EEG}_Clip1.mat …, "
    "ASCERTAIN_Features/{Dt_SelfReports,Dt_Order_Movie,Dt_Personality}.mat",
    source="Subramanian et al. 2018, IEEE Trans. Affective Computing 9(2), 147-160",
)
#: Rates that sensors of this make have, Hz.
_RATES = (32.0, 51.2, 64.0, 102.4, 128.0, 204.8, 250.0, 256.0, 500.0, 512.0)


def read(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = ("ecg", "eda"),
    window_s: float | None = None,
    hop_s: float | None = None,
    rule: str = "middle",
    ratings_by: str = "proved",
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
    as_published: Sequence[str] = (),
) -> Dataset:
    """One example a trial, or its windows of ``window_s`` every ``hop_s`` seconds.

    Modalities: ``ecg`` (right and left arm, µV) and ``eda`` (µS) at the rates that their times give; ``eeg``, rows as
    they are. Labels: ``valence`` (-3 to 3) and ``arousal`` (0 to 6) as low or high, ``quadrant``, ``ratings``. Columns:
    ``engagement``, ``liking``, ``familiarity``, ``order``, and the five traits where their file is there.

    Parameters
    ----------
    signals : which modalities.
    rule : ``middle`` (high above 0 and above 3), or a rule of `rated` for both.
    ratings_by : how the table of ratings is ordered: by ``clip``, by ``order`` of presentation, or ``proved``: the one
        under which people agree more, refused where neither is clear.
    subjects : which people, by number; all, if none is named.
    accept : self-checks that are waived, of `plausible.CHECKS`.
    as_published : signals whose unit is neither proved nor converted.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it is taken for.
    """
    asked = _Asked.of(root, signals, rule, ratings_by, subjects, accept, as_published)
    collector = partial(asked.collector, window_s, hop_s)
    return together(map(asked.trials, asked.people), collector, asked.notices, SPEC, asked.path)


def people(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = ("ecg", "eda"),
    window_s: float | None = None,
    hop_s: float | None = None,
    rule: str = "middle",
    ratings_by: str = "proved",
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
    as_published: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    asked = _Asked.of(root, signals, rule, ratings_by, subjects, accept, as_published)
    collector = partial(asked.collector, window_s, hop_s)
    return apart(map(asked.trials, asked.people), collector, asked.notices, SPEC, asked.path)


@dataclass
class _Asked:
    """What is read and how; ``people`` by number: modality → clip → file."""

    path: Path
    people: dict[int, dict[str, dict[int, Path]]]
    signals: tuple[str, ...]
    rule: str | Mapping[str, str]
    ratings: npt.NDArray[np.float64]
    order: npt.NDArray[Any] | None
    traits: npt.NDArray[Any] | None
    checks: Plausible
    as_published: Sequence[str]
    said: list[str]
    rates: dict[str, float] = field(default_factory=dict)
    fields: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(FIELDS))
    skin: Skin = field(default_factory=Skin)
    lasts: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, root: Path | str | None, signals: Sequence[str], rule: str, ratings_by: str, subjects: Sequence[int],
        accept: Sequence[str], as_published: Sequence[str],
    ) -> _Asked:  # fmt: skip
        checked("ratings_by", ratings_by, BY, SPEC.name)
        wanted = picked(signals, FILES, SPEC.name)
        untouched = picked(as_published, FILES, SPEC.name) if as_published else ()
        checks = Plausible(SPEC.name, accept)
        path, _ = find(SPEC, root)
        raw = path / "ASCERTAIN_Raw" if (path / "ASCERTAIN_Raw").is_dir() else path
        made = path / "ASCERTAIN_Features" if (path / "ASCERTAIN_Features").is_dir() else path
        found: dict[int, dict[str, dict[int, Path]]] = {}
        for m in wanted:
            folder, stem, _ = FILES[m]
            if not (raw / folder).is_dir():
                raise lacking(SPEC, f"ASCERTAIN_Raw/{folder}", path)
            for n, home in numbered((raw / folder).iterdir(), r"Movie_P(\d+)").items():
                found.setdefault(n, {})[m] = numbered(home.iterdir(), stem + r"(\d+)\.mat")
        for n in subjects:
            if n not in found:
                raise lacking(SPEC, f"its person {n} (Movie_P{n:02d})", raw)
        people = {n: f for n, f in sorted(found.items()) if not subjects or n in subjects}
        if not people:
            raise lacking(SPEC, "its people (Movie_P01)", raw)
        said = [f"has {len(found)} of 58 people"] if len(found) < 58 else []
        ratings, order = ratings_of(SPEC, made, path, ratings_by, said)
        if max(people) > ratings.shape[1]:
            raise InputError(f"rates {ratings.shape[1]} people, person {max(people)} has signals",
                             where=str(made / "Dt_SelfReports.mat"), fix="Get the file again.")  # fmt: skip
        traits = optional(made / "Dt_Personality.mat", "Personality", 2)
        if traits is None or traits.shape != (ratings.shape[1], len(TRAITS)):
            said.append("has no Dt_Personality.mat with five traits a person: traits are not told")
            traits = None
        asked = cls(path, people, wanted, MIDDLE if rule == "middle" else rule, ratings, order, traits, checks,
                    untouched, said)  # fmt: skip
        asked._rated()
        return asked

    def collector(self, window_s: float | None, hop_s: float | None) -> Watched:
        modalities = {m: (self.fields[m], self.rates[m]) for m in self.signals}
        return Watched(SPEC.name, modalities, window_s, hop_s, self.rule, SCALES)

    def notices(self) -> list[str]:
        return [*self.said, *self.skin.notices(), *self.checks.notices]

    def _rated(self) -> None:
        """The rate of each signal, by the first clip that has it."""
        for m in self.signals:
            clips = [f for p in self.people.values() for f in p.get(m, {}).values()]
            if not clips:
                raise lacking(SPEC, f"a clip of {m} ({FILES[m][1]}1.mat)", self.path)
            if m != "eeg":
                stamped = ((f, self._stamped(m, f)[0]) for f in clips)
                self.rates[m] = _sensor(*next(((f, t) for f, t in stamped if len(t)), (clips[0], np.zeros(0))))
        if "eeg" in self.signals:
            self._eeg_rate()

    def _stamped(self, m: str, file: Path) -> tuple[FloatArray, npt.NDArray[Any]]:
        """Times, s, and values of the channels that are read."""
        name = FILES[m][2]
        table = matlab.numbers(matlab.need(matlab.load(file, name), name, where=file), name, file, 2)
        if not len(table):
            return np.zeros(0), np.zeros((0, len(self.fields[m])))
        # The first column counts milliseconds. The leads of ECG stand right after it, or after the three axes of
        # acceleration, where the table is wide enough for these.
        first = 4 if m == "eda" or table.shape[1] >= 6 else 1
        last = first + len(self.fields[m])
        if table.shape[1] < last:
            raise InputError(f"its {name} has the shape {table.shape}", where=str(file), fix="Get the file again.")
        return table[:, 0] / 1e3, table[:, first:last]

    def _eeg_rate(self) -> None:
        """EEG has no times: its rate is its samples over what another signal of the same clip lasted."""
        other = next((m for m in ("ecg", "eda") if m in self.signals), None)
        if other is None:
            raise InputError("its eeg has no rate of its own", where=str(self.path),
                             fix='Read it beside another: signals = ["ecg", "eeg"].')  # fmt: skip
        found, rows = [], set()
        files = next((p for p in self.people.values() if p.get("eeg") and p.get(other)), {})
        for clip, file in list(files.get("eeg", {}).items())[:12]:
            if clip in files[other]:
                values = self._rows(file)
                times, _ = self._stamped(other, files[other][clip])
                rows.add(values.shape[1])
                found.append(len(values) / (times[-1] - times[0]))
        rate = float(np.median(found)) if found else 0.0
        if not found or max(found) > 1.05 * min(found) or len(rows) != 1:
            raise InputError(
                "its eeg fits no one rate and number of rows over clips", where=str(self.path),
                fix="Leave eeg out (signals): its layout is not known.",
            )  # fmt: skip
        self.rates["eeg"] = min(_RATES, key=lambda r: abs(r - rate)) if rate > 30 else float(f"{rate:.3g}")
        self.fields["eeg"] = tuple(f"row{k + 1}" for k in range(rows.pop()))
        self.said.append(
            f"eeg: {len(self.fields['eeg'])} rows at {self.rates['eeg']:g} Hz by the lengths of clips; what they are, "
            "and in which unit, is not told"
        )

    def _rows(self, file: Path) -> npt.NDArray[Any]:
        values = matlab.numbers(matlab.need(matlab.load(file, "ThisEEG"), "ThisEEG", where=file), "ThisEEG", file, 2)
        return values.T if values.shape[0] < values.shape[1] else values

    def trials(self, n: int) -> Iterator[Trial]:
        """All trials of a person, clips in order; times begin with each clip's own file."""
        files = self.people[n]
        skin = self._skin(n, files)
        clips = sorted({c for m in files.values() for c in m})
        for clip in clips:
            if not 1 <= clip <= self.ratings.shape[2]:
                raise InputError(f"has a clip {clip}, {self.ratings.shape[2]} are rated", where=str(self.path),
                                 fix="Get the files again.")  # fmt: skip
            streams = {m: s for m in self.signals if clip in files.get(m, {})
                       and (s := self._stream(m, files[m][clip], clip, skin)) is not None}  # fmt: skip
            if not streams:
                self.said.append(f"s{n:02d}-v{clip:02d} has no samples and is left out")
                continue
            told = dict(zip(RATINGS, self.ratings[:, n - 1, clip - 1].tolist(), strict=True))
            columns = {k: f"{told[k]:g}" for k in RATINGS[2:] if np.isfinite(told[k])}
            if self.order is not None:
                columns["order"] = str(int(np.flatnonzero(self.order[n - 1] == clip)[0]) + 1)
            if self.traits is not None:
                columns |= {t: f"{v:g}" for t, v in zip(TRAITS, self.traits[n - 1], strict=True)}
            recording = next(str(files[m][clip]) for m in self.signals if m in streams)
            yield Trial(
                f"s{n:02d}", f"v{clip:02d}", recording, streams, 0.0, max(s.end_s for s in streams.values()),
                {k: told[k] for k in SCALES}, columns,
            )  # fmt: skip
        if not clips:
            self.said.append(f"s{n:02d} has no trials and is left out")

    def _skin(self, n: int, files: Mapping[str, Mapping[int, Path]]) -> str:
        if "eda" not in self.signals or "eda" in self.as_published or not files.get("eda"):
            return ""
        some = next((v for f in files["eda"].values() if len(v := self._stamped("eda", f)[1])), np.zeros((0, 1)))
        return self.skin.unit(n, some[::16], next(iter(files["eda"].values())))

    def _stream(self, m: str, file: Path, clip: int, skin: str) -> Channels | None:
        """Samples on an even grid from the clip's start; None where there is none."""
        if m == "eeg":
            values = self._rows(file)
            if not len(values):
                return None
            stream = Channels(values, self.rates[m])
        else:
            times, values = self._stamped(m, file)
            if not len(times) or not np.isfinite(values).any():
                return None
            values = SKIN_UNITS[skin](values) if m == "eda" and skin else values
            made = even(times - times[0], values, self.rates[m], str(file))
            stream = NoHoles(made.values, made.rate_hz)
        expected = self.lasts.setdefault(clip, stream.end_s)
        # Respiration has no unit that could be checked.
        kind = "resp" if m in self.as_published or m == "eeg" else m
        self.checks.stream(kind, stream.values, self.rates[m], self.fields[m], str(file), expected_s=expected)
        return stream


def _sensor(file: Path, times: FloatArray) -> float:
    """The sensor's rate, by the times of its samples: by most of its steps, or by all of them where stamps come in
    bursts.

    Raises
    ------
    InputError : they bear out no rate.
    """
    if len(times) > 10 and (np.diff(times) >= 0).all() and times[-1] > times[0]:
        steps = np.diff(times)
        for rate in (1 / np.median(steps[steps > 0]), (len(times) - 1) / (times[-1] - times[0])):
            near = min(_RATES, key=lambda r: abs(np.log(r / rate)))
            if abs(near / rate - 1) < 0.05:
                return near
    raise InputError("its times bear out no rate of a sensor", where=str(file), fix="Get the file again.")
