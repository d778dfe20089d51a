"""DEAP: EEG and eight peripheral channels of 32 people who watch 40 music videos of a minute each and rate them.

Three versions are read: the preprocessed files for Python (``.dat``) and MATLAB (128 Hz, trials in the order of videos,
3 s of rest before each) and the original recordings (BDF, 512 Hz, trials as they were shown, marked in a status
channel). The EEG of the preprocessed files is band-passed and averaged by its makers. Skin conductance has no one unit:
it is proved on its values for each person, and told in a notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data import matlab, pickles
from moodal.lab.data.compact import rows
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.sets.deap_raw import original
from moodal.lab.data.sets.deap_twin import generate
from moodal.lab.data.skin import SKIN_UNITS, Skin
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.told import checked, number
from moodal.lab.data.watched import BASELINES, Trial, Watched, apart, numbered, passed, picked, subtracted, together
from moodal.lab.data.windows import Channels

from .deap_layout import (
    CLIP_S,
    COLUMNS,
    FIELDS,
    FOLDERS,
    RATE_HZ,
    RATINGS,
    RATINGS_FILE,
    RAW_HZ,
    REST_S,
    ROWS,
    Rated,
    site,
    skin_unit,
)

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="deap",
    title="DEAP",
    modalities=tuple(FIELDS),
    labels=(*RATINGS, "quadrant", "ratings"),
    licence="by signed agreement, academic research only; not to be passed on.",
    commercial="no",
    where="https://www.eecs.qmul.ac.uk/mmv/datasets/deap/",
    layout="data_preprocessed_python/s01.dat … or data_preprocessed_matlab/s01.mat … or data_original/s01.bdf …, "
    "participant_ratings.csv (or metadata_csv/participant_ratings.csv)",
    source="Koelstra et al. 2012, IEEE Trans. Affective Computing 3(1), 18-31",
)


def read(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    window_s: float | None = None,
    hop_s: float | None = None,
    baseline: str = "drop",
    rule: str = "ge5",
    version: str = "auto",
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
    as_published: Sequence[str] = (),
) -> Dataset:
    """One example a trial, or its windows of ``window_s`` every ``hop_s`` seconds.

    Modalities: ``eeg`` (32), ``eog`` (horizontal, vertical) and ``emg`` (zygomaticus, trapezius) in µV, ``eda`` µS,
    ``temp`` °C, ``resp`` and ``ppg`` in the device's units; 128 Hz (512 of the original recordings). Labels: the
    ratings (1 to 9) as low or high by ``rule``, ``quadrant``, and ``ratings``. Columns: ``order`` (when the video was
    shown), ``familiarity`` (1 to 5), ``site``.

    Parameters
    ----------
    signals : which modalities; all, if none is named.
    baseline : the 3 s of rest before a video: ``drop``, ``keep`` as a part of the trial, or ``subtract`` (their mean is
        taken from each channel).
    version : ``python``, ``matlab``, ``raw``, or ``auto``: the first of these that is there.
    subjects : which people, by number; all, if none is named.
    accept : self-checks that are waived, of `plausible.CHECKS`.
    as_published : signals whose unit is neither proved nor converted.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it says it is.
    """
    asked = _Asked.of(root, signals, baseline, rule, version, subjects, accept, as_published)
    collector = partial(asked.collector, window_s, hop_s)
    return together(map(asked.trials, asked.files), collector, asked.notices, SPEC, asked.path)


def people(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    window_s: float | None = None,
    hop_s: float | None = None,
    baseline: str = "drop",
    rule: str = "ge5",
    version: str = "auto",
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
    as_published: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    asked = _Asked.of(root, signals, baseline, rule, version, subjects, accept, as_published)
    collector = partial(asked.collector, window_s, hop_s)
    return apart(map(asked.trials, asked.files), collector, asked.notices, SPEC, asked.path)


@dataclass
class _Asked:
    """What is read and how; ``ratings`` of the table, if there is one."""

    path: Path
    version: str
    files: dict[int, Path]
    signals: tuple[str, ...]
    baseline: str
    rule: str
    checks: Plausible
    skin: Skin
    as_published: Sequence[str]
    ratings: Mapping[int, Mapping[int, Rated]]
    said: list[str]
    band: str = ""

    @classmethod
    def of(
        cls, root: Path | str | None, signals: Sequence[str], baseline: str, rule: str, version: str,
        subjects: Sequence[int], accept: Sequence[str], as_published: Sequence[str],
    ) -> _Asked:  # fmt: skip
        checked("baseline", baseline, BASELINES, SPEC.name)
        checked("version", version, ("auto", *FOLDERS), SPEC.name)
        wanted = picked(signals, FIELDS, SPEC.name)
        untouched = picked(as_published, FIELDS, SPEC.name) if as_published else ()
        path, _ = find(SPEC, root)
        version, files = _files(path, version)
        for n in subjects:
            if n not in files:
                raise lacking(SPEC, f"its person {n} ({FOLDERS[version][1].format(n)})", path)
        table = next((t for f in (path, path / "metadata_csv", path.parent) if (t := f / RATINGS_FILE).is_file()), None)
        if table is None and version == "raw":
            raise lacking(SPEC, RATINGS_FILE, path)
        said = [f"has {len(files)} of 32 people"] if len(files) < 32 else []
        if table is None:
            said.append(f"has no {RATINGS_FILE}: the order of videos and familiarity are not known")
        return cls(
            path, version, {n: f for n, f in files.items() if not subjects or n in subjects}, wanted, baseline, rule,
            Plausible(SPEC.name, accept), Skin(), untouched, _table(table) if table else {}, said,
        )  # fmt: skip

    def collector(self, window_s: float | None, hop_s: float | None) -> Watched:
        rate = RAW_HZ if self.version == "raw" else RATE_HZ
        modalities = {m: (FIELDS[m], rate) for m in self.signals}
        return Watched(SPEC.name, modalities, window_s, hop_s, self.rule, (1.0, 9.0))

    def notices(self) -> list[str]:
        return [*self.said, *([self.band] if self.band else []), *self.skin.notices(), *self.checks.notices]

    def trials(self, n: int) -> Iterator[Trial]:
        """All trials of a person, videos in order."""
        if self.version == "raw":
            if n not in self.ratings:
                self.said.append(f"s{n:02d} has no row in {RATINGS_FILE} and is left out")
                return
            yield from original(self.files[n], n, self.ratings[n], self)
            return
        yield from self._segments(n)

    def _segments(self, n: int) -> Iterator[Trial]:
        file = self.files[n]
        if self.version == "python":
            held = pickles.read(file)
            data, labels = (pickles.array(held, key, where=str(file)) for key in ("data", "labels"))
        else:
            loaded = matlab.load(file, "data", "labels")
            data, labels = (matlab.numbers(matlab.need(loaded, k, where=file), k, file) for k in ("data", "labels"))
        if data.ndim != 3 or data.shape[1] != 40 or labels.shape != (len(data), len(RATINGS)):
            raise InputError(
                f"its data have the shape {data.shape} and its labels {labels.shape}, not (40, 40, 8064) and (40, 4)",
                where=str(file), fix="Get the file again.",
            )  # fmt: skip
        if not len(data):
            self.said.append(f"s{n:02d} has no trials and is left out")
            return
        skin = self.skin.unit(n, data[:, ROWS["eda"][0], ::64], file, skin_unit(n)) if self._converts("eda") else ""
        if len(data) < 40:
            self.said.append(f"s{n:02d} has {len(data)} of 40 trials")
        whole = data.shape[2] / RATE_HZ
        if "eeg" in self.signals and not self.band:
            self.band = passed(data[0, : len(FIELDS["eeg"])].T, RATE_HZ)
        for k, trial in enumerate(data):
            ratings = dict(zip(RATINGS, map(float, labels[k]), strict=True))
            told = self.ratings.get(n, {}).get(k + 1)
            if told is not None:
                told.agrees(ratings, f"s{n:02d}, video {k + 1}", file)
            streams = {}
            # The trials of a file lie end to end on its clock.
            for m in self.signals:
                at = ROWS[m]
                values = trial[at[0] : at[-1] + 1].T
                if m == "eda" and skin:
                    values = SKIN_UNITS[skin](values)
                self.look(m, values, RATE_HZ, f"{file.name}, video {k + 1}", expected_s=REST_S + CLIP_S)
                streams[m] = Channels(values, RATE_HZ, k * whole)
            yield self.trial(n, k + 1, str(file), streams, k * whole + REST_S, ratings, told)

    def _converts(self, m: str) -> bool:
        return m in self.signals and m not in self.as_published

    def look(self, m: str, values: npt.NDArray[Any], rate: float, where: str, *, expected_s: float) -> None:
        """Self-checks of a stretch; of a signal as published, all but its unit."""
        kind = "resp" if m in self.as_published else m  # respiration has no unit that could be checked
        self.checks.stream(kind, values, rate, FIELDS[m], where, expected_s=expected_s)

    def trial(
        self, n: int, video: int, file: str, streams: Mapping[str, Channels], start_s: float,
        ratings: Mapping[str, float], told: Rated | None,
    ) -> Trial:  # fmt: skip
        """The trial of a video that begins at ``start_s``, its rest treated as asked."""
        if self.baseline == "subtract":
            streams = {m: subtracted(c, start_s - REST_S, start_s) for m, c in streams.items()}
        begin = start_s - REST_S if self.baseline == "keep" else start_s
        columns: dict[str, Any] = {"site": site(n)}
        if told is not None:
            columns |= {"order": f"{told.order}", "familiarity": f"{told.familiarity:g}" if told.familiarity else ""}
        return Trial(f"s{n:02d}", f"v{video:02d}", file, streams, begin, start_s + CLIP_S, ratings, columns)


def _files(path: Path, version: str) -> tuple[str, dict[int, Path]]:
    """Which version is there, and its files by person."""
    for name, (folder, form, pattern) in FOLDERS.items():
        if version in ("auto", name):
            for place in (path / folder, path):
                if place.is_dir() and (found := numbered(place.iterdir(), pattern)):
                    return name, found
            if version == name:
                raise lacking(SPEC, f"{folder}/{form.format(1)}", path)
    raise lacking(SPEC, "its recordings (data_preprocessed_python/s01.dat)", path)


def _table(path: Path) -> dict[int, dict[int, Rated]]:
    """``participant_ratings.csv``: person → video → what was told."""
    found: dict[int, dict[int, Rated]] = {}
    for i, row in enumerate(rows(path, COLUMNS)):
        cells = {c: number(row[c], c, str(path), i + 1) for c in COLUMNS}
        who, video, order = (cells[c] for c in ("Participant_id", "Experiment_id", "Trial"))
        if not all(1 <= v <= 40 and v == int(v) for v in (who, video, order)):
            raise InputError(f"row {i + 2} names no person, video and trial from 1 to 40", where=str(path),
                             fix="Get the file again.")  # fmt: skip
        known = row.get("Familiarity", "").strip()
        told = Rated(
            int(order), {r: cells[r.capitalize()] for r in RATINGS}, cells["Start_time"],
            number(known, "Familiarity", str(path), i + 1) if known else 0.0, str(path),
        )  # fmt: skip
        if int(video) in found.setdefault(int(who), {}):
            raise InputError(f"row {i + 2} tells video {video:g} of person {who:g} again", where=str(path),
                             fix="Get the file again.")  # fmt: skip
        found[int(who)][int(video)] = told
    return found
