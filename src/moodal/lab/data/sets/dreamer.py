"""DREAMER: EEG of a headset and two leads of ECG of 23 people who watch 18 film clips, each after a neutral one.

All lies in one MATLAB file, by its shapes some 2 GB unpacked. It is read person after person; since only a walk through
the file finds a person, it is unpacked twice a call. Clips last from one to over six minutes; papers take the last or
the first minute, and ``which`` says which. The unit of its ECG is documented nowhere: it is read as published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.data import matlab
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.matlab_cells import Cells
from moodal.lab.data.planted_clips import Clips
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.rated import LEVELS, quadrants
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.told import checked
from moodal.lab.data.twin import write
from moodal.lab.data.watched import BASELINES, Trial, Watched, apart, picked, together
from moodal.lab.data.windows import Channels, WindowsTruth

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="dreamer",
    title="DREAMER",
    modalities=("eeg", "ecg"),
    labels=("valence", "arousal", "dominance", "quadrant", "ratings"),
    licence="on request, for research that is not commercial; not to be passed on.",
    commercial="no",
    where="https://zenodo.org/records/546113",
    layout="DREAMER.mat",
    source="Katsigiannis and Ramzan 2018, IEEE J. Biomedical and Health Informatics 22(1), 98-107",
)
WHICH = ("last 60 s", "first 60 s", "all")
RATINGS = ("valence", "arousal", "dominance")
EEG = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
FIELDS = {"eeg": EEG, "ecg": ("ecg1", "ecg2")}
#: Key of the struct, key of its rate.
_KEYS = {"eeg": ("EEG", "EEG_SamplingRate"), "ecg": ("ECG", "ECG_SamplingRate")}
SECONDS = 60.0


def read(
    root: Path | str | None = None,
    *,
    which: str = "last 60 s",
    signals: Sequence[str] = (),
    window_s: float | None = None,
    hop_s: float | None = None,
    baseline: str = "drop",
    rule: str = "ge3",
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """One example a trial, or its windows of ``window_s`` every ``hop_s`` seconds.

    Modalities: ``eeg`` (14 electrodes, µV, with the headset's offset near 4200) at 128 Hz and ``ecg`` (two leads, as
    published) at 256 Hz; rates and names are those of the file. Labels: the ratings (1 to 5) as low or high by
    ``rule`` (``ge3`` and ``gt3`` tell a rating of 3 in opposite ways), ``quadrant``, and ``ratings``. Columns: ``age``,
    ``sex``. Times: trials lie end to end on the file's clock, each with its rest before it.

    Parameters
    ----------
    which : ``last 60 s`` or ``first 60 s`` of each clip, or ``all`` of it.
    signals : which modalities; both, if none is named.
    baseline : the neutral clip before: ``drop``, ``keep`` as a part of the trial, or ``subtract`` (its mean is taken
        from each channel).
    subjects : which people, by number; all, if none is named.
    accept : self-checks that are waived, of `plausible.CHECKS`.

    Raises
    ------
    InputError : the file is not there, cannot be read, or cannot be what it says it is.
    """
    asked = _Asked.of(root, which, signals, baseline, subjects, accept)
    collector = partial(asked.collector, window_s, hop_s, rule)
    return together(asked.people(), collector, asked.notices, SPEC, asked.file)


def people(
    root: Path | str | None = None,
    *,
    which: str = "last 60 s",
    signals: Sequence[str] = (),
    window_s: float | None = None,
    hop_s: float | None = None,
    baseline: str = "drop",
    rule: str = "ge3",
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another."""
    asked = _Asked.of(root, which, signals, baseline, subjects, accept)
    collector = partial(asked.collector, window_s, hop_s, rule)
    return apart(asked.people(), collector, asked.notices, SPEC, asked.file)


@dataclass
class _Asked:
    """What is read and how; ``lasts`` how long each clip was for the first who watched it, s."""

    file: Path
    which: str
    signals: tuple[str, ...]
    baseline: str
    checks: Plausible
    subjects: Sequence[int]
    persons: Cells
    rates: Mapping[str, float]
    fields: Mapping[str, tuple[str, ...]]
    said: list[str] = field(default_factory=list)
    lasts: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, root: Path | str | None, which: str, signals: Sequence[str], baseline: str, subjects: Sequence[int],
        accept: Sequence[str],
    ) -> _Asked:  # fmt: skip
        checked("which", which, WHICH, SPEC.name)
        checked("baseline", baseline, BASELINES, SPEC.name)
        if baseline == "keep" and which == "last 60 s":
            raise UsageError("baseline = 'keep' would join the rest to the end of a clip", where=SPEC.name,
                             fix="Ask for which = 'first 60 s' or 'all'.")  # fmt: skip
        wanted = picked(signals, FIELDS, SPEC.name)
        checks = Plausible(SPEC.name, accept)
        path, _ = find(SPEC, root)
        file = path if path.is_file() else path / "DREAMER.mat"
        if not file.is_file():
            raise lacking(SPEC, "DREAMER.mat", path)
        persons = Cells(file, "DREAMER", "Data")
        held = persons.rest
        rates = {m: matlab.number(matlab.need(held, _KEYS[m][1], where=file), _KEYS[m][1], file) for m in FIELDS}
        names = matlab.need(held, "EEG_Electrodes", where=file)
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise InputError("its EEG_Electrodes are no names", where=str(file), fix="Get the file again.")
        for n in subjects:
            if not 1 <= n <= len(persons):
                raise lacking(SPEC, f"its person {n} (the file holds {len(persons)})", file)
        said = [f"has {len(persons)} of 23 people"] if len(persons) < 23 else []
        fields = {"eeg": tuple(names), "ecg": FIELDS["ecg"]}
        return cls(file, which, wanted, baseline, checks, tuple(subjects), persons, rates, fields, said)

    def collector(self, window_s: float | None, hop_s: float | None, rule: str) -> Watched:
        modalities = {m: (self.fields[m], self.rates[m]) for m in self.signals}
        return Watched(SPEC.name, modalities, window_s, hop_s, rule, (1.0, 5.0))

    def notices(self) -> list[str]:
        return [*self.said, *self.checks.notices]

    def people(self) -> Iterator[Iterator[Trial]]:
        """Each person's trials; a person's signals are let go once the next is asked for."""
        persons, clock, last = iter(self.persons), 0.0, max(self.subjects, default=len(self.persons))
        for n in range(1, last + 1):
            # No name holds a person, or the trials, while the next is read.
            trials, clock = self._person(n, next(persons), clock)
            if not self.subjects or n in self.subjects:
                if not trials:
                    self.said.append(f"s{n:02d} has no trials and is left out")
                yield iter(trials)
            del trials

    def _person(self, n: int, person: Any, clock: float) -> tuple[list[Trial], float]:
        where = f"{self.file}: person {n}"
        ratings = {r: matlab.numbers(matlab.need(person, f"Score{r.capitalize()}", where=where), f"Score of {r}",
                                     where).ravel() for r in RATINGS}  # fmt: skip
        arrays = {
            m: [matlab.need(person, _KEYS[m][0], part, where=where) for part in ("baseline", "stimuli")] for m in FIELDS
        }
        counts = {len(v) for v in ratings.values()} | {len(cells) for pair in arrays.values() for cells in pair}
        if len(counts) != 1:
            raise InputError(f"its ratings and signals are of {sorted(counts)} clips", where=where,
                             fix="Get the file again.")  # fmt: skip
        columns = {"age": str(person.get("Age", "")), "sex": str(person.get("Gender", "")).lower()}
        trials = []
        for k in range(counts.pop()):
            rest, clip = ({m: self._array(m, arrays[m][part][k], where) for m in FIELDS} for part in (0, 1))
            rest_s, clip_s = (max(len(v) / self.rates[m] for m, v in part.items()) for part in (rest, clip))
            if not self.subjects or n in self.subjects:
                self._look(k, rest, clip, f"{where}, clip {k + 1}")
                streams, begin, end = self._streams(rest, clip, clock)
                told = {r: float(v[k]) for r, v in ratings.items()}
                trials.append(
                    Trial(f"s{n:02d}", f"v{k + 1:02d}", str(self.file), streams, begin, end, told, columns)
                )  # fmt: skip
            clock += rest_s + clip_s
        return trials, clock

    def _array(self, m: str, value: Any, where: str) -> npt.NDArray[Any]:
        values = matlab.numbers(value, _KEYS[m][0], where, 2)
        if len(values) and values.shape[1] != len(self.fields[m]):
            raise InputError(f"its {m} is {values.shape}, {len(self.fields[m])} channels are named", where=where,
                             fix="Get the file again.")  # fmt: skip
        return values

    def _look(self, k: int, rest: Mapping[str, Any], clip: Mapping[str, Any], where: str) -> None:
        """EEG and ECG must last equally long, and each clip as long as for the first who watched it."""
        lasts = self.lasts.setdefault(k, len(clip["eeg"]) / self.rates["eeg"])
        for m in self.signals:
            self.checks.stream(m, clip[m], self.rates[m], self.fields[m], where, expected_s=lasts)
            resting = len(rest["eeg"]) / self.rates["eeg"]
            if abs(len(rest[m]) / self.rates[m] - resting) > 1.5 and "length" not in self.checks.accept:
                raise InputError(
                    f"the rest of its {m} lasts {len(rest[m]) / self.rates[m]:.1f} s, that of its eeg {resting:.1f} s",
                    where=where, fix='Get the file again, or accept = ["length"].',
                )  # fmt: skip

    def _streams(
        self, rest: Mapping[str, Any], clip: Mapping[str, Any], clock: float
    ) -> tuple[dict[str, Channels], float, float]:
        """Streams, and the stretch that is used; the rest begins at ``clock``."""
        rests = {m: len(rest[m]) / self.rates[m] for m in self.signals}
        length = min(len(clip[m]) / self.rates[m] for m in self.signals)
        onset = clock + max(rests.values())
        begin, end = onset, onset + length
        if self.which != "all":
            if length < SECONDS:
                return {}, begin, end
            begin = max(begin, end - SECONDS) if self.which == "last 60 s" else begin
            end = begin + SECONDS
        streams = {}
        for m in self.signals:
            values, start = clip[m], onset
            if self.baseline == "keep":
                values, start = np.concatenate([rest[m], clip[m]]), onset - rests[m]
            elif self.baseline == "subtract" and len(rest[m]):
                values = values - rest[m].mean(axis=0)
            # What is not used is let go: a whole clip is up to six times as long.
            first = max(int((begin - start) * self.rates[m]) - 1, 0) if self.baseline != "keep" else 0
            some = np.asarray(values[first:], np.float32)
            streams[m] = Channels(some, self.rates[m], start + first / self.rates[m])
        return streams, onset - max(rests.values()) if self.baseline == "keep" else begin, end


#: Rest before a clip, s; a step of the headset's converter, µV, and its offset.
_REST_S, _STEP_UV, _OFFSET_UV = 61.0, 0.5128205, 4200.0


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 4, effect: float = 1.0, fingerprint: float = 1.0
) -> WindowsTruth:
    """Two people and four clips of 62 s and more, with their rests, in one MATLAB file."""
    clips = Clips(seed, effect, fingerprint)
    rates = {"eeg": 128.0, "ecg": 256.0}
    modalities = {m: (FIELDS[m], rates[m]) for m in FIELDS}
    names: list[str] = []
    told: list[list[float]] = []
    begins: list[float] = []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in FIELDS}
    data: list[dict[str, Any]] = []
    clock = 0.0
    for n in range(1, people + 1):
        person: dict[str, Any] = {"Age": f"{20 + n}", "Gender": ("male", "female")[n % 2]}
        cells: dict[str, dict[str, list[Any]]] = {m: {"baseline": [], "stimuli": []} for m in FIELDS}
        scores = [clips.ratings(n, k + 1, RATINGS, (1, 5), 0) for k in range(trials)]
        for k in range(trials):
            seconds = 62.0 + k
            made = clips.signals(n, k + 1, modalities, seconds, rest_s=_REST_S)
            made["eeg"] = np.round(made["eeg"] / _STEP_UV) * _STEP_UV + _OFFSET_UV
            made["ecg"] = np.round(made["ecg"], 1)
            for m, rate in rates.items():
                cells[m]["baseline"].append(made[m][: round(_REST_S * rate)])
                cells[m]["stimuli"].append(made[m][round(_REST_S * rate) :])
                samples[m].append(made[m][-round(SECONDS * rate) :])
            names.append(f"s{n:02d}-v{k + 1:02d}")
            told.append(scores[k])
            clock += _REST_S + seconds
            begins.append(clock - SECONDS)
        person |= {"EEG": cells["eeg"], "ECG": cells["ecg"]}
        person |= {f"Score{r.capitalize()}": np.array([[s[i]] for s in scores]) for i, r in enumerate(RATINGS)}
        data.append(person)
    held = {
        "Data": data, "EEG_SamplingRate": 128.0, "ECG_SamplingRate": 256.0, "EEG_Electrodes": list(EEG),
        "noOfSubjects": float(people), "noOfVideoSequences": float(trials), "Version": "1.0.2",
    }  # fmt: skip
    write(root / "DREAMER.mat", matlab.write({"DREAMER": held}))
    levels = {r: [LEVELS[row[i] >= 3] for row in told] for i, r in enumerate(RATINGS)}

    def spoil(where: Path) -> str:
        scores = data[-1]["ScoreArousal"].copy()
        scores[1, 0] = 6
        worse = [*data[:-1], data[-1] | {"ScoreArousal": scores}]
        write(where / "DREAMER.mat", matlab.write({"DREAMER": held | {"Data": worse}}))
        return f"s{people:02d}-v02"

    labels: dict[str, Sequence[Any]] = {**levels, "quadrant": quadrants(levels["valence"], levels["arousal"]),
                                        "ratings": [tuple(row) for row in told]}  # fmt: skip
    return WindowsTruth(
        names, [c[:3] for c in names], [""] * len(names), labels, parts=["DREAMER.mat"], tables=["DREAMER.mat"],
        spoil=spoil, modalities={m: len(f) for m, f in FIELDS.items()}, starts=begins, samples=samples,
    )  # fmt: skip
