"""Many recordings: one after the other or in processes of their own, finished ones skipped, errors kept apart.

Each recording is a job that leaves ``NAME.mood/`` whole or not at all, so a run may be killed at any moment: the next
one finds by content and settings what is finished and does the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from types import ModuleType
from typing import Any

from moodal import __version__, media
from moodal.analyze import analyze_into, folder_for
from moodal.core.errors import InputError, MoodalError, OutputError, UsageError, spelt
from moodal.core.recording import Recording
from moodal.formats.folder import load
from moodal.formats.writer import EXPORTS, outputs
from moodal.media.units import Units
from moodal.settings import Settings

__all__ = ["Job", "Outcome", "Plan", "check_jobs", "index", "noted", "plan", "run"]

#: Reasons for which a finished recording is analysed again: they may have gone since.
_WORTH_ANOTHER_TRY = ("no_model", "unreadable")
#: Libraries that start threads of their own read one of these when they load.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Job:
    """One recording: its path, what joins it, and the folder that its Mood gets.

    ``recording`` is one that is open already. It is never skipped, for how it was opened is not known.
    """

    path: Path
    with_: tuple[Any, ...]
    folder: Path
    recording: Recording | None = None

    @property
    def name(self) -> str:
        """What the recording is called."""
        if self.recording is not None:
            return self.recording.name
        return spelt(self.path.name or self.path.resolve().name)


@dataclass(frozen=True)
class Plan:
    """How every job of a run is done. ``unit`` as in `media.read`; ``write`` names formats; ``again`` does finished
    ones too.
    """

    settings: Settings
    unit: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    again: bool = False

    def __post_init__(self) -> None:
        Units.parse(self.unit)  # one line, not one a recording


@dataclass
class Outcome:
    """How a job ended: with a summary, or with a fault; ``partly`` where a stream or model failed."""

    job: Job
    summary: dict[str, Any] | None = None
    partly: bool = False
    skipped: bool = False
    fault: MoodalError | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def error(self) -> str:
        """The fault in one line; empty where there is none."""
        return "" if self.fault is None else str(self.fault)

    @property
    def stops(self) -> MoodalError | None:
        """A fault that every other job would meet as well."""
        return self.fault if isinstance(self.fault, OutputError) else None


def check_jobs(number: int) -> None:
    """Raise `UsageError` where that many recordings cannot be analysed at a time."""
    if number < 1:
        raise UsageError(f"must be 1 or more, not {number}", where="--jobs")


def plan(inputs: Iterable[tuple[Path | Recording, Sequence[Any]]], out: Path) -> list[Job]:
    """Jobs in order, each with a folder of its own that depends on nothing but the order and what lies in ``out``."""
    jobs: list[Job] = []
    taken: set[Path] = set()
    for source, joined in inputs:
        recording = source if isinstance(source, Recording) else None
        path = source.path if isinstance(source, Recording) else Path(source)
        # A relative path of dots alone (".") is named after the folder it means.
        job = Job(path, tuple(joined), out, recording)
        folder = folder_for(job.name, out, taken)
        taken.add(folder)
        jobs.append(replace(job, folder=folder))
    return jobs


def index(outcomes: Iterable[Outcome], out: Path) -> list[str]:
    """Write ``summary.csv`` and ``index.html`` of these outcomes into ``out``; a line for each that is left alone."""
    # Pages bring their own templates; a run of one recording should not wait for them.
    from moodal.page import many

    rows = [many.Row(o.job.name, o.job.folder.name, o.summary, o.error) for o in outcomes]
    return many.write(rows, out, title=out.resolve().name)


def joined_hashes(job: Job) -> list[dict[str, str]]:
    """Name and SHA-256 of every file that joins the recording, in order."""
    rows = []
    for item in job.with_:
        text = os.fspath(item)
        # FILE@OFFSET names a file as well; the offset stays in the name, for it changes the result.
        file = Path(text) if Path(text).is_file() else Path(text.rpartition("@")[0] or text)
        digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
        rows.append({"name": spelt(Path(text).name), "sha256": digest})
    return rows


def noted(job: Job, unit: Sequence[str] = ()) -> dict[str, Any]:
    """What else a result rests on, for provenance: the files that join the recording, and units given."""
    rows = {"joined": joined_hashes(job), "units": list(unit)}
    return {name: value for name, value in rows.items() if value}


def _finished(job: Job, recording: Recording, how: Plan) -> bool:
    """Whether the folder holds this very recording, analysed with these settings by this version."""
    try:
        provenance = json.loads((job.folder / "provenance.json").read_text(encoding="utf-8"))
        summary = json.loads((job.folder / "summary.json").read_text(encoding="utf-8"))
        same = (
            provenance["moodal"] == __version__
            and provenance["settings_sha256"] == how.settings.sha256
            and {k: provenance[k] for k in ("joined", "units") if k in provenance} == noted(job, how.unit)
            and summary["recording"] == recording.name
        )
        gaps = [g for s in [*summary["subjects"], summary] for g in s["gaps"]]
        lacks = any(g["reason"] in _WORTH_ANOTHER_TRY for g in gaps)
        return same and not lacks and provenance["recording"]["sha256"] == recording.sha256()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def work(job: Job, how: Plan, progress: Progress | None = None) -> Outcome:
    """Do one job; an error that concerns this recording alone is part of the outcome."""
    try:
        recording = job.recording or media.read(job.path, with_=job.with_, unit=how.unit)
        if job.recording is None and not how.again and _finished(job, recording, how):
            mood = load(job.folder)
            absent = [w for w in how.write if not all((job.folder / EXPORTS / f).is_file() for f in outputs(mood, w))]
            notes = mood.write(job.folder / EXPORTS, *absent)
            return Outcome(job, mood.summary(), partly=recording.damaged, skipped=True, notes=notes)
        told = {} if job.recording is not None else noted(job, how.unit)
        mood, measured = analyze_into(recording, job.folder, how.settings, progress, write=how.write, noted=told)
        return Outcome(job, mood.summary(), partly=measured.partly, notes=measured.notes)
    except MoodalError as error:
        return Outcome(job, fault=error)
    except Exception as error:
        if os.environ.get("MOODAL_DEBUG"):
            raise
        what = f"unexpected {type(error).__name__}: {error}"
        fault = MoodalError(what, where=job.name, fix="Set MOODAL_DEBUG=1 and report it, please.")
        fault.__cause__ = error
        return Outcome(job, fault=fault)


def run(jobs: Sequence[Job], how: Plan, *, workers: int = 1, progress: Progress | None = None) -> Iterator[Outcome]:
    """Outcomes in the order of the jobs, as soon as they and all before them are there.

    ``progress`` is told how many recordings are done, parts of them included.

    Raises
    ------
    OutputError : what no other recording would be spared (a full disk).
    """
    say = progress or (lambda _: None)
    if workers <= 1 or len(jobs) <= 1:
        for index, job in enumerate(jobs):
            outcome = work(job, how, lambda share, at=index: say(at + share))  # type: ignore[misc]
            say(index + 1)
            yield outcome
            if outcome.stops is not None:
                raise outcome.stops
        return
    yield from _in_processes(jobs, how, min(workers, len(jobs)), say)


def _serve(pipe: connection.Connection, how: Plan) -> None:
    """A worker: takes jobs until the pipe closes, and dies with its parent."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        while True:
            job = pipe.recv()
            pipe.send(work(job, how, lambda share: pipe.send(share)))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _follow_parent() -> None:
    """Leave at once when the parent is gone, however it went."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started here run one thread each where their libraries let us choose."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _without_main() -> Iterator[None]:
    """Processes started here do not run the caller's script again.

    A spawned process imports the main module for what it may hold. Workers need nothing of it, and a script that calls
    `moodal.analyze` outside of ``if __name__ == "__main__"`` would start itself over and over.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class _Worker:
    """A process of its own, spawned (never forked: threads and networks do not survive that)."""

    def __init__(self, how: Plan) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, how), daemon=True)
        with _one_thread(), _without_main():
            self.process.start()
        theirs.close()
        self.at: int | None = None
        self.share = 0.0

    def give(self, index: int, job: Job) -> None:
        self.at, self.share = index, 0.0
        self.pipe.send(job)

    def stop(self) -> None:
        """An idle one leaves by itself when the pipe closes; a busy one is stopped."""
        self.pipe.close()
        if self.at is not None:
            self.process.terminate()
        self.process.join(5)
        if self.process.exitcode is None:
            self.process.kill()


def _in_processes(jobs: Sequence[Job], how: Plan, workers: int, say: Progress) -> Iterator[Outcome]:
    waiting = list(range(len(jobs)))[::-1]
    outcomes: dict[int, Outcome] = {}
    given = 0
    crew = [_Worker(how) for _ in range(workers)]
    try:
        for worker in crew:
            worker.give(at := waiting.pop(), jobs[at])
        while given < len(jobs):
            busy: Mapping[Any, _Worker] = {w.pipe: w for w in crew if w.at is not None}
            for pipe in connection.wait(list(busy), timeout=1.0):
                worker = busy[pipe]
                assert worker.at is not None
                try:
                    told = worker.pipe.recv()
                except (EOFError, OSError):
                    worker.process.join(5)
                    told = Outcome(jobs[worker.at], fault=_died(jobs[worker.at], worker.process.exitcode))
                    crew[crew.index(worker)] = replacement = _Worker(how)
                    replacement.at = worker.at
                    worker = replacement
                if isinstance(told, Outcome):
                    outcomes[worker.at] = told  # type: ignore[index]
                    worker.at, worker.share = None, 0.0
                    if waiting:
                        worker.give(at := waiting.pop(), jobs[at])
                else:
                    worker.share = float(told)
            say(len(outcomes) + sum(w.share for w in crew))
            while given in outcomes:
                outcome = outcomes[given]
                given += 1
                yield outcome
                if outcome.stops is not None:
                    raise outcome.stops
    finally:
        for worker in crew:
            worker.stop()


def _died(job: Job, code: int | None) -> MoodalError:
    how = f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
    return InputError(
        f"the process that analysed it died ({how})", where=job.name, fix="Is there enough memory? Try --jobs 1."
    )
