"""Many recordings: names, processes, resuming, leftovers, the table and the index."""

from __future__ import annotations

import csv
import gc
import html
import json
import os
import pickle
import random
import re
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import moodal
import recordings as made
from moodal import batch
from moodal.core.errors import InputError, MissingExtra, MoodalError, OutputError, UsageError
from moodal.formats import leftovers, load
from moodal.formats.files import new_folder
from moodal.page import many as page
from moodal.settings import settings_from
from writer_moods import MOODS

MOODAL = [sys.executable, "-m", "moodal"]
SETTINGS = settings_from(only="words")


def texts(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"note{i:03d}.txt" for i in range(count)]
    for i, path in enumerate(paths):
        path.write_text(f"I was glad about number {i}. Then it rained.")
    return paths


def jobs(paths: list[Path], out: Path) -> list[batch.Job]:
    return batch.plan([(p, ()) for p in paths], out)


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MOODAL, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)


def test_every_recording_gets_a_folder_of_its_own_whatever_the_names(tmp_path: Path) -> None:
    paths = [Path(p) for p in ("a/talk.mp4", "a/talk.wav", "b/talk.mp4", "c/talk.mp4", "talk.mp4", "other.txt")]
    names = [j.folder.name for j in jobs(paths, tmp_path)]
    assert names == [
        "talk.mood", "talk.wav.mood", "talk.mp4.mood", "talk.mp4-2.mood", "talk.mp4-3.mood", "other.mood",
    ]  # fmt: skip


def test_outcomes_come_in_order_and_finished_ones_are_skipped(tmp_path: Path) -> None:
    paths = texts(tmp_path / "in", 3)
    (tmp_path / "in" / "broken.srt").write_text("no cue here")
    paths.insert(1, tmp_path / "in" / "broken.srt")
    said: list[float] = []
    how = batch.Plan(SETTINGS)
    first = list(batch.run(jobs(paths, tmp_path), how, progress=said.append))
    assert [o.job.name for o in first] == [p.name for p in paths]
    assert [bool(o.error) for o in first] == [False, True, False, False]
    assert not any(o.skipped for o in first)
    assert said == sorted(said)
    assert said[-1] == 4
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("mood.parquet")}
    second = list(batch.run(jobs(paths, tmp_path), how))
    assert [o.skipped for o in second] == [True, False, True, True]
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("mood.parquet")}
    # What is skipped still gets the formats that are asked for now.
    list(batch.run(jobs(paths, tmp_path), replace(how, write=("srt",))))
    assert (tmp_path / "note001.mood" / "exports" / "note001.srt").is_file()


def test_changed_content_settings_or_companions_are_done_again(tmp_path: Path) -> None:
    [path] = texts(tmp_path / "in", 1)
    [job] = jobs([path], tmp_path)
    how = batch.Plan(SETTINGS)
    assert not batch.work(job, how).skipped
    assert batch.work(job, how).skipped
    assert not batch.work(job, replace(how, again=True)).skipped
    assert not batch.work(job, batch.Plan(settings_from(only="words", scheme="sentiment3"))).skipped
    assert not batch.work(job, how).skipped
    path.write_text("Something else was said.")
    assert not batch.work(job, how).skipped
    (job.folder / "summary.json").write_text("{")
    assert not batch.work(job, how).skipped


def test_what_joins_a_recording_is_part_of_what_it_is(tmp_path: Path) -> None:
    made.write_wav(tmp_path / "talk.wav", made.silence(2))
    words = tmp_path / "talk.srt"
    words.write_text("1\n00:00:00,200 --> 00:00:01,500\nI am so happy.\n")
    [job] = batch.plan([(tmp_path / "talk.wav", [words])], tmp_path)
    how = batch.Plan(SETTINGS)
    assert not batch.work(job, how).skipped
    assert batch.work(job, how).skipped
    words.write_text("1\n00:00:00,200 --> 00:00:01,500\nI am so sad.\n")
    assert not batch.work(job, how).skipped
    assert load(job.folder).provenance["joined"][0]["name"] == "talk.srt"


def test_an_error_of_one_recording_is_its_own_and_one_of_all_stops(tmp_path: Path) -> None:
    paths = texts(tmp_path / "in", 2)
    late = list(batch.run(jobs(paths, tmp_path), batch.Plan(settings_from(only="words", start=1.5))))
    assert [o.error for o in late] == ["", ""]
    past = list(batch.run(jobs(paths, tmp_path), batch.Plan(settings_from(only="words", start=9))))
    assert all("past the end" in o.error for o in past)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="not a folder"):
        list(batch.run(jobs(paths, tmp_path / "file"), batch.Plan(SETTINGS)))
    with pytest.raises(OutputError, match="not a folder"):
        list(batch.run(jobs(paths, tmp_path / "file"), batch.Plan(SETTINGS), workers=2))


def test_processes_give_what_one_gives_and_survive_a_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = texts(tmp_path / "in", 6)
    threads = os.environ.get("OMP_NUM_THREADS")
    one = [o.summary for o in batch.run(jobs(paths, tmp_path / "one"), batch.Plan(SETTINGS))]
    two = list(batch.run(jobs(paths, tmp_path / "two"), batch.Plan(SETTINGS), workers=2))
    assert [{**o.summary, "timing": 0} for o in two if o.summary] == [{**s, "timing": 0} for s in one if s]
    for path in (tmp_path / "one").rglob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name
    assert threads == os.environ.get("OMP_NUM_THREADS")

    given = batch._Worker.give

    def kill(self: batch._Worker, index: int, job: batch.Job) -> None:
        if index == 2:
            self.process.kill()
            self.process.join()
            self.at = index
            return
        given(self, index, job)

    monkeypatch.setattr(batch._Worker, "give", kill)
    third = list(batch.run(jobs(paths, tmp_path / "three"), batch.Plan(SETTINGS), workers=2))
    assert [bool(o.error) for o in third] == [False, False, True, False, False, False]
    assert "died (signal 9)" in third[2].error


def test_sweeping_takes_what_nobody_works_at_and_leaves_the_rest(tmp_path: Path) -> None:
    gone = 2**22 + 1  # above the largest process number
    for name in (f".a.mood.{gone}.abcd1234.part", f".b.mood.{gone}.old", f".c.mood.{gone}.old", ".d.mood.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(name)
    (tmp_path / "b.mood").mkdir()
    (tmp_path / f".summary.csv.{gone}.part").write_text("x")
    (tmp_path / f".mine.txt.{os.getpid()}.part").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    with new_folder(tmp_path / "live.mood") as work:
        os.utime(work, (0, 0))
        swept = leftovers.sweep(tmp_path)
        assert work.is_dir()
    assert sorted(swept) == sorted(
        [f".a.mood.{gone}.abcd1234.part", f".b.mood.{gone}.old", "c.mood (restored)", f".summary.csv.{gone}.part"]
    )
    assert {p.name for p in tmp_path.iterdir()} == {
        "b.mood", "c.mood", "live.mood", ".d.mood.part", ".hidden", f".mine.txt.{os.getpid()}.part",
    }  # fmt: skip
    assert (tmp_path / "c.mood" / "x").read_text() == f".c.mood.{gone}.old"
    assert leftovers.sweep(tmp_path / "nowhere") == []


def test_another_process_at_work_is_not_swept(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from moodal.formats.files import new_folder\n"
        "with new_folder(pathlib.Path(sys.argv[1]) / 'a.mood') as work: print(work, flush=True); sys.stdin.read()"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    work = Path(worker.stdout.readline().strip())
    os.utime(work, (0, 0))
    assert leftovers.sweep(tmp_path) == []
    worker.kill()
    worker.wait()
    assert leftovers.sweep(tmp_path) == [work.name]
    worker.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_table_index_and_errors_at_the_end(tmp_path: Path) -> None:
    texts(tmp_path / "in", 3)
    (tmp_path / "in" / "broken.srt").write_text("no cue here")
    command = ("analyze", "in", "--only", "words", "--out", "out", "--jobs", "2", "--write", "json,srt")
    first = run(*command, cwd=tmp_path)
    assert first.returncode == 1, first.stderr
    assert first.stderr.splitlines()[-1].startswith("moodal: in/broken.srt: ")
    assert "3 of 4 recordings analysed" in first.stdout
    assert max(map(len, first.stdout.splitlines())) <= 80
    rows = list(csv.DictReader((tmp_path / "out" / "summary.csv").open()))
    assert [(r["recording"], r["status"]) for r in rows] == [
        ("broken.srt", "failed"), ("note000.txt", "done"), ("note001.txt", "done"), ("note002.txt", "done"),
    ]  # fmt: skip
    assert rows[1]["mood"] == "note000.mood"
    assert rows[1]["subject"] == "text"
    index = (tmp_path / "out" / "index.html").read_text()
    assert 'href="./note000.mood/index.html"' in index
    assert (tmp_path / "out" / "note000.mood" / "exports" / "note000.srt").is_file()
    again = run(*command, "--json", cwd=tmp_path)
    summaries = [json.loads(line) for line in again.stdout.splitlines()]
    assert [s["recording"] for s in summaries] == ["broken.srt", "note000.txt", "note001.txt", "note002.txt"]
    assert "3 of 4 recordings were finished before" in again.stderr
    assert (tmp_path / "out" / "index.html").read_text() == index
    alone = run("analyze", "in/broken.srt", "in/gone.txt", "--out", "none", cwd=tmp_path)
    assert alone.returncode == 2
    assert run("analyze", "in", "--jobs", "0", cwd=tmp_path).returncode == 2
    assert run("analyze", "in", "--write", "praat", cwd=tmp_path).returncode == 2


def test_files_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    row = page.Row("talk.mp4", "talk.mood", MOODS["two persons"]().summary())
    (tmp_path / "index.html").write_text("<h1>My own page</h1>")
    [note] = page.write([row], tmp_path, "study")
    assert "left alone" in note
    assert (tmp_path / "index.html").read_text() == "<h1>My own page</h1>"
    (tmp_path / "index.html").unlink()
    assert page.write([row], tmp_path, "study") == page.write([row], tmp_path, "study") == []


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_index_is_escaped_offline_and_shows_every_state() -> None:
    rows = [page.Row(m.recording, "a#b?.mood", m.summary()) for m in (make() for make in MOODS.values())]
    rows.append(page.Row("<i>bad</i>.mp4", "", None, "<script>alert(1)</script> cannot be read"))
    text = page.render(rows, "<b>study</b>")
    assert text == page.render(rows, "<b>study</b>")
    tags = Tags()
    tags.feed(text)
    names = {name for name, _ in tags.found}
    assert not names & {"script", "img", "iframe", "b", "i_", "object"}
    assert sum(name == "i" for name, _ in tags.found) == 5  # the key's own
    links = {a["href"] for name, a in tags.found if name == "a"}
    assert links == {"./a%23b%3F.mood/index.html", "./summary.csv"}
    policy = next(a["content"] for name, a in tags.found if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"https?://", text)
    visible = html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.S))
    assert "Nobody is seen or heard" in visible
    assert "not calibrated on people" in visible
    assert "%" not in visible
    for word in ("detected", "confidence", "probab"):
        assert word not in visible.lower()
    table = list(csv.DictReader(page.summary_table(rows).splitlines()))
    assert table[-1]["status"] == "failed"
    assert len(table) >= len(rows)


def test_python_takes_many_as_the_command_does(tmp_path: Path) -> None:
    paths = texts(tmp_path / "in", 3)
    out = tmp_path / "out"
    moods = moodal.analyze(paths, jobs=2, out=out, only="words", write="srt")
    assert [m.recording for m in moods] == [p.name for p in paths]
    assert all(m.timing for m in moods)
    ran = run("analyze", "in", "--only", "words", "--out", "command", "--write", "srt", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    names = sorted(p.relative_to(out) for p in out.rglob("*") if p.is_file())
    assert names == sorted(
        p.relative_to(tmp_path / "command") for p in (tmp_path / "command").rglob("*") if p.is_file()
    )
    assert (out / "summary.csv").read_bytes() == (tmp_path / "command" / "summary.csv").read_bytes()
    for path in out.rglob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "command" / path.relative_to(out)).read_bytes(), path.name
    before = {p: p.stat().st_mtime_ns for p in out.rglob("mood.parquet")}
    again = moodal.analyze(str(tmp_path / "in"), out=out, only="words", write="srt")
    assert [m.recording for m in again] == [p.name for p in paths]
    assert not any(m.timing for m in again)
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("mood.parquet")}
    skipped = run("analyze", "in", "--only", "words", "--out", "out", "--write", "srt", cwd=tmp_path)
    assert "3 of them finished before" in skipped.stdout
    afresh = moodal.analyze(tmp_path / "in", out=out, only="words", write="srt", again=True)
    assert all(m.timing for m in afresh)


def test_python_without_out_leaves_nothing_and_loses_nothing(tmp_path: Path) -> None:
    paths = texts(tmp_path / "in", 2)
    moods = moodal.analyze(paths, only="words")
    folders = [m.path for m in moods if m.path is not None]
    assert len({*folders}) == 2
    assert all(len(m.tracks["words.transcript"].times) for m in moods)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]
    del moods
    gc.collect()
    assert not any(f.parent.exists() for f in folders)


def test_python_raises_what_failed_when_the_rest_is_saved(tmp_path: Path) -> None:
    paths = texts(tmp_path / "in", 2)
    broken = tmp_path / "in" / "broken.srt"
    broken.write_text("no cue here")
    for jobs in (1, 2):
        with pytest.raises(InputError, match=r"broken\.srt") as caught:
            moodal.analyze([broken, *paths], out=tmp_path / f"out{jobs}", only="words", jobs=jobs)
        assert caught.value.__notes__ == [
            f"1 of 3 recordings failed; the others are saved in {tmp_path / f'out{jobs}'}"
        ]
        status = [r["status"] for r in csv.DictReader((tmp_path / f"out{jobs}" / "summary.csv").open())]
        assert status == ["failed", "done", "done"]
    with pytest.raises(InputError, match=r"broken\.srt"):
        moodal.analyze([broken, *paths], only="words")
    for jobs in (0, "two"):
        with pytest.raises(UsageError, match="--jobs"):
            moodal.analyze(paths, jobs=jobs)
    with pytest.raises(UsageError, match="Give its path"):
        moodal.analyze([moodal.read(paths[0])], jobs=2)


def test_a_script_without_a_guard_is_not_run_again_in_its_processes(tmp_path: Path) -> None:
    texts(tmp_path / "in", 2)
    script = "import moodal\nprint('once')\nprint(len(moodal.analyze('in', jobs=2, only='words')))\n"
    (tmp_path / "study.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "study.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.splitlines() == ["once", "2"], done.stderr


@pytest.mark.parametrize(
    "error", [InputError("a", where="b", fix="c"), MissingExtra("pandas", "pandas", "to_pandas()")], ids=str
)
def test_errors_cross_from_another_process_as_they_are(error: MoodalError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (str(back), back.fix) == (str(error), error.fix)


@pytest.mark.slow
@pytest.mark.usefixtures("models")
def test_killed_at_ten_random_moments_nothing_finished_is_lost(tmp_path: Path) -> None:
    texts(tmp_path / "in", 50)
    for i in range(50):
        made.write_wav(tmp_path / "in" / f"sound{i:03d}.wav", made.noise(0.5, seed=i))
    out = tmp_path / "out"
    command = [*MOODAL, "analyze", "in", "--out", "out", "--jobs", "2", "--write", "srt"]
    rng = random.Random(13)
    finished: dict[str, int] = {}
    for _ in range(10):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Some kills come before the first result, most of them amid the others.
        enough = min(len(finished) + rng.randint(0, 8), 95)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and sum(1 for _ in out.glob("*.mood")) < enough:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()  # SIGKILL; on a fast machine the last runs may be over already
        process.wait()
        time.sleep(0.2)  # the workers leave with their parent
        now = {p.parent.name: p.stat().st_mtime_ns for p in out.glob("*.mood/summary.json")}
        assert {k: now.get(k) for k in finished} == finished, "what was finished is kept as it was"
        for name in now:
            assert load(out / name).summary()
            assert (out / name / "index.html").stat().st_size > 1000
        finished = now
    assert finished
    last = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert f"100 of 100 recordings analysed, {len(finished)} of them finished before" in last.stdout
    assert sum(1 for _ in out.glob("*.mood/index.html")) == 100
    assert {p.name for p in out.iterdir() if not p.name.endswith(".mood")} == {"summary.csv", "index.html"}
    assert len(list(csv.DictReader((out / "summary.csv").open()))) == 100
