"""``moodal audit split``: leaks that toolkits make are named with their rows, honest splits pass."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import split_folders as made
from moodal.cli import main
from moodal.cli.app import build
from moodal.core.errors import InputError, MoodalError
from moodal.lab.bench.audit import Audit, audit_split
from recordings import write_wav
from test_fingerprint import voice

CLIPS = made.clips()


def keys(findings: Any) -> set[str]:
    return {f.key for f in findings}


def finding(audit: Audit, key: str) -> Any:
    return next(f for f in (*audit.leaks, *audit.notices) if f.key == key)


# ---- torcheeg


@pytest.mark.parametrize("overlapping", [False, True])
def test_groupby_trial_leaks(tmp_path: Path, overlapping: bool) -> None:
    rows = made.clips(step=64) if overlapping else CLIPS
    audit = audit_split(made.groupby_trial(tmp_path / "split", rows))
    assert {"trial", "subject"} <= keys(audit.leaks)
    assert ("window" in keys(audit.leaks)) is overlapping
    told = finding(audit, "trial")
    assert "KFoldGroupbyTrial" in told.what
    assert told.count == 20
    assert len(told.folds) == 5
    assert {r["file"] for r in told.rows} | {"test_fold_0.csv"} == {"train_fold_0.csv", "test_fold_0.csv"}
    assert "test_fold_0.csv row" in told.named
    assert told.fix


def test_shuffled_k_fold_leaks(tmp_path: Path) -> None:
    audit = audit_split(made.k_fold(tmp_path / "split", CLIPS))
    assert "trial" in keys(audit.leaks)
    assert "KFold with shuffle" in finding(audit, "trial").what


def test_k_fold_by_blocks_leaks_where_a_block_ends_inside_a_trial(tmp_path: Path) -> None:
    audit = audit_split(made.k_fold(tmp_path / "split", made.clips(windows=7), 3, shuffle=False))
    assert "trial" in keys(audit.leaks)
    assert finding(audit, "trial").count == 1


def test_cross_trial_passes_as_subject_dependent(tmp_path: Path) -> None:
    audit = audit_split(made.cross_trial(tmp_path / "split", CLIPS))
    assert audit.clean
    assert audit.people == "dependent"
    assert "subject" in keys(audit.notices)


@pytest.mark.parametrize("nested", [False, True])
def test_leave_one_subject_out_passes(tmp_path: Path, nested: bool) -> None:
    audit = audit_split(made.leave_one_subject_out(tmp_path / "split", CLIPS, nested=nested))
    assert audit.clean
    assert audit.people == "independent"
    assert len(audit.folds) == 4
    # The same films were shown to all: worth knowing, no leak.
    assert keys(audit.notices) == {"stimulus"}


def test_a_person_left_in_training_is_found(tmp_path: Path) -> None:
    folder = made.leave_one_subject_out(tmp_path / "split", CLIPS)
    train = [r for r in CLIPS if r["subject_id"] != "s00.dat" or r["trial_id"] == 4]
    test = [r for r in CLIPS if r["subject_id"] == "s00.dat" and r["trial_id"] != 4]
    made.write_csv(folder / "train_subject_s00.dat.csv", train)
    made.write_csv(folder / "test_subject_s00.dat.csv", test)
    told = finding(audit_split(folder), "subject")
    assert (told.level, told.values, told.folds) == ("leak", ("s00.dat",), ("subject_s00.dat",))


@pytest.mark.parametrize("nested", [False, True])
def test_folds_of_each_subject_declare_themselves_within_subject(tmp_path: Path, nested: bool) -> None:
    honest = audit_split(made.per_subject(tmp_path / "a" / "split", CLIPS, made.cross_trial, nested=nested))
    assert honest.clean
    assert finding(honest, "subject").level == "notice"
    leaky = audit_split(made.per_subject(tmp_path / "b" / "split", CLIPS, made.groupby_trial, nested=nested))
    assert keys(leaky.leaks) == {"trial"}


def test_a_stale_folder_is_found(tmp_path: Path) -> None:
    made.info(tmp_path / "deap", CLIPS)
    folder = made.cross_trial(tmp_path / "split", CLIPS)
    assert audit_split(folder).clean
    # The data were cut anew into fewer windows, the split was reused.
    shutil.rmtree(tmp_path / "deap")
    made.info(tmp_path / "deap", made.clips(windows=8))
    told = finding(audit_split(folder), "stale")
    assert told.level == "leak"
    assert "40 of 200 rows" in told.what
    # Data were added, and the split knows nothing of them.
    shutil.rmtree(tmp_path / "deap")
    made.info(tmp_path / "deap", made.clips(people=5))
    assert "50 of 250 clips" in finding(audit_split(folder), "stale").what
    # Windows of the same names now lie elsewhere.
    shutil.rmtree(tmp_path / "deap")
    made.info(tmp_path / "deap", made.clips(step=64))
    assert finding(audit_split(folder), "stale").level == "leak"


def test_folds_of_two_runs_are_found(tmp_path: Path) -> None:
    folder = made.cross_trial(tmp_path / "split", CLIPS)
    other = made.cross_trial(tmp_path / "other", made.clips(windows=6))
    for name in ("train_fold_1.csv", "test_fold_1.csv"):
        (other / name).replace(folder / name)
    assert "mixed" in keys(audit_split(folder).leaks)


# ---- EmoBox


def test_emobox_passes_wherever_it_is_entered(tmp_path: Path) -> None:
    home = made.emobox(tmp_path)
    for path in (home, tmp_path, tmp_path / "data", home / "fold_1", home / "fold_1" / "toy_train_fold_1.jsonl"):
        audit = audit_split(path)
        assert audit.clean, path
        assert audit.layout == "EmoBox"
        assert keys(audit.notices) <= {"people", "note"}
    assert len(audit_split(home).folds) == 2


def test_emobox_with_a_planted_example_leaks(tmp_path: Path) -> None:
    home = made.emobox(tmp_path)
    train, test = (home / "fold_2" / f"toy_{p}_fold_2.jsonl" for p in ("train", "test"))
    made.write_jsonl(train, [*made.read_jsonl(train), made.read_jsonl(test)[2]])
    told = finding(audit_split(home), "clip")
    assert told.folds == ("toy_fold_2",)
    assert told.values == (str(made.read_jsonl(test)[2]["key"]),)
    assert {(r["file"], r["row"]) for r in told.rows} == {(train.name, 13), (test.name, 3)}


def test_emobox_speakers_are_read_from_names_of_known_sets(tmp_path: Path) -> None:
    rows = [{"key": f"ravdess-03-01-0{e}-01-01-01-0{a}", "dataset": "ravdess", "wav": f"downloads/{a}/{e}.wav"}
            for a in (1, 2, 3) for e in (1, 2)]  # fmt: skip
    fold = tmp_path / "data" / "ravdess" / "fold_1"
    made.write_jsonl(fold / "ravdess_train_fold_1.jsonl", rows[:3])
    made.write_jsonl(fold / "ravdess_test_fold_1.jsonl", rows[3:])
    audit = audit_split(tmp_path)
    # A published split: that it shares speakers is worth knowing, not a fault of who audits it.
    assert audit.clean
    assert finding(audit, "subject").values == ("02",)
    # Where the rows themselves say who speaks, the split is held to it.
    for part, mine in (("train", rows[:3]), ("test", rows[3:])):
        named = [{**r, "speaker": str(r["key"])[-2:]} for r in mine]
        made.write_jsonl(fold / f"ravdess_{part}_fold_1.jsonl", named)
    assert keys(audit_split(tmp_path).leaks) == {"subject"}


def test_emobox_without_validation_and_with_a_changed_index(tmp_path: Path) -> None:
    home = made.emobox(tmp_path, valid=False)
    assert "draws one from train" in finding(audit_split(home), "note").what
    made.write_jsonl(home / "toy.jsonl", made.read_jsonl(home / "toy.jsonl")[:-1])
    assert "toy.jsonl" in finding(audit_split(home), "stale").what


# ---- audformat


def test_audformat(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    assert audit_split(made.audformat(tmp_path / "a")).clean
    told = finding(audit_split(made.audformat(tmp_path / "b", shared_speaker=True)), "subject")
    assert (told.level, told.values, told.parts) == ("leak", ("s0",), ("train", "test"))
    assert told.named == "db.emotion.train.csv row 1; db.emotion.test.csv row 1"


def test_a_database_that_audformat_wrote(tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    for storage in ("csv", "parquet"):
        db = audformat.Database("toy")
        for part in ("train", "dev", "test"):
            db.splits[part] = audformat.Split(part)
        for part, starts in (("train", [0, 2]), ("test", [3, 5])):
            index = audformat.segmented_index(["a.wav"] * 2, [f"{s}s" for s in starts], [f"{s + 2}s" for s in starts])
            table = db[f"emotion.{part}"] = audformat.Table(index, split_id=part)
            table["emotion"] = audformat.Column()
            table["emotion"].set(["joy", "anger"])
        db.save(tmp_path / storage, storage_format=storage)
        told = finding(audit_split(tmp_path / storage), "window")
        assert told.values == ("a.wav",)
        assert [r["row"] for r in told.rows] == [2, 1]


def test_a_pickled_table_is_never_opened(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    home = made.audformat(tmp_path / "a")
    (home / "db.emotion.test.csv").rename(home / "db.emotion.test.pkl")
    with pytest.raises(InputError, match="pickle"):
        audit_split(home)


# ---- one table


def test_a_table_passes_and_each_planted_leak_is_named(tmp_path: Path) -> None:
    assert audit_split(made.table(tmp_path / "a.csv")).clean
    planted: dict[str, dict[str, list[object]]] = {
        "clip": {"file": ["x.wav", *[f"{i}.wav" for i in range(22)], "x.wav"]},
        "subject": {"subject": [f"s{i // 4}" for i in range(20)] + ["s0"] * 4},
        "dialogue": {"dialogue": [f"d{i // 4}" for i in range(23)] + ["d1"]},
        "trial": {"trial": [f"t{i // 4}" for i in range(24)], "subject": ["anna"] * 24},
        "window": {"file": ["long.wav"] * 24, "start_s": list(range(24)), "end_s": [i + 1.5 for i in range(24)]},
        "content": {"content": [f"{i:016x}" for i in range(23)] + [f"{0:016x}"]},
    }
    planted["trial"]["trial"][20] = "t0"
    for key, columns in planted.items():
        audit = audit_split(made.table(tmp_path / "b.csv", **columns))
        told = finding(audit, key)
        assert told.level == "leak", key
        assert told.rows, key
        assert all(r["file"] == "b.csv" and 1 <= r["row"] <= 24 for r in told.rows)
    assert {(r["row"]) for r in finding(audit, "content").rows} == {1, 24}


def test_windows_that_touch_do_not_overlap_but_one_recording_is_told(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "file": ["long.wav"] * 24, "start_s": list(range(24)), "end_s": [i + 1 for i in range(24)]
    }  # fmt: skip
    audit = audit_split(made.table(tmp_path / "a.csv", **columns))
    assert "window" not in keys(audit.leaks)
    # People are named and kept apart (they talk in one file): a notice. Where nothing tells, a leak.
    assert finding(audit, "recording").level == "notice"
    audit = audit_split(made.table(tmp_path / "a.csv", **columns, subject=[""] * 24))
    assert finding(audit, "recording").level == "leak"


def test_people_may_be_shared_where_that_is_declared(tmp_path: Path) -> None:
    path = made.table(tmp_path / "a.csv", subject=[f"s{i % 4}" for i in range(24)])
    assert keys(audit_split(path).leaks) == {"subject"}
    audit = audit_split(path, within_subject=True)
    assert audit.clean
    assert audit.people == "dependent"


def test_texts_long_enough_to_be_copies(tmp_path: Path) -> None:
    said = [f"this is sentence number {i} of a long list" for i in range(24)]
    said[23] = said[0].upper().replace(" ", "  ")
    said[22] = said[1] = "Okay."
    rows = [{"text": t, "split": "train" if i < 16 else "dev" if i < 20 else "test"} for i, t in enumerate(said)]
    audit = audit_split(made.write_csv(tmp_path / "a.csv", rows))
    assert [r["row"] for r in finding(audit, "content").rows] == [1, 24]
    assert finding(audit, "content").level == "leak"
    assert [r["row"] for r in finding(audit, "short_text").rows] == [2, 23]
    assert finding(audit, "short_text").level == "notice"


def test_tables_that_number_their_dialogues_for_themselves(tmp_path: Path) -> None:
    for part, first in (("train", 0), ("dev", 100), ("test", 200)):
        rows = [{"Utterance": f"{part} {d} {u} and so on and on", "Dialogue_ID": d, "Utterance_ID": u,
                 "Speaker": f"p{first + d}"} for d in range(5) for u in range(3)]  # fmt: skip
        made.write_csv(tmp_path / f"{part}_sent_emo.csv", rows)
    audit = audit_split(tmp_path)
    assert audit.clean
    assert "dialogue_numbers" in keys(audit.notices)


# ---- statistics


def standardised(values: Any, rows: Any) -> list[float]:
    return [round(float(v), 6) for v in (values - values[rows].mean()) / values[rows].std()]


def test_statistics_fitted_on_test_people(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    raw = rng.normal(5, 2, 24) + np.repeat([0, 1, 2, 3, 4, 5], 4)
    train, whole = np.arange(16), np.arange(24)
    honest = made.table(tmp_path / "a.csv", energy=raw.tolist(), pitch=standardised(raw, train))
    assert audit_split(honest).clean
    audit = audit_split(made.table(tmp_path / "b.csv", energy=raw.tolist(), pitch=standardised(raw, whole)))
    told = finding(audit, "statistics")
    assert (told.level, told.values) == ("leak", ("pitch",))
    assert {r["row"] for r in told.rows} == set(range(17, 25))


def test_statistics_of_each_test_person(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows: list[made.Row] = []
    for s in range(6):
        raw = rng.normal(s, 1 + s, 8)
        for i, v in enumerate(standardised(raw, np.arange(8))):
            part = "train" if s < 4 else "test"
            rows.append({"file": f"{s}-{i}.wav", "subject": f"s{s}", "hr": v, "noise": float(raw[i]), "split": part})
    path = made.write_csv(tmp_path / "a.csv", rows)
    told = finding(audit_split(path), "baseline")
    assert (told.level, told.values) == ("leak", ("hr",))
    assert finding(audit_split(path, baseline="subject"), "baseline").level == "notice"


def test_columns_of_chance_are_not_taken_for_standardised(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for seed in range(20):
        columns = {f"f{c}": rng.normal(0, 1, 24).tolist() for c in range(10)}
        assert audit_split(made.table(tmp_path / f"{seed}.csv", **columns)).clean


# ---- media


def test_media_duplicates_by_content_and_by_ear(tmp_path: Path) -> None:
    path = made.table(tmp_path / "index.csv")
    sounds = {f"s{s}-{c}.wav": voice(40 + 4 * s + c) for s in range(6) for c in range(4)}
    for name, sound in sounds.items():
        write_wav(tmp_path / name, sound)
    audit = audit_split(path)
    assert audit.clean
    assert audit.media == {"hashed": 24, "compared_by_ear": 24, "unreadable": 0}
    shutil.copy(tmp_path / "s0-1.wav", tmp_path / "s5-2.wav")
    write_wav(tmp_path / "s4-0.wav", 0.4 * sounds["s2-3.wav"][2000:])
    audit = audit_split(path)
    assert {(r["row"]) for r in finding(audit, "content").rows} == {2, 23}
    told = finding(audit, "sound")
    assert told.level == "leak"
    assert {(r["row"]) for r in told.rows} == {12, 17}
    assert "s2-3.wav ~ s4-0.wav" in told.what
    assert audit_split(path, use_media=False).clean
    (tmp_path / "s3-3.wav").write_bytes(b"no sound at all")
    assert audit_split(path).media["unreadable"] == 1


def test_media_may_lie_elsewhere(tmp_path: Path) -> None:
    home = made.emobox(tmp_path / "meta")
    for row in made.read_jsonl(home / "toy.jsonl"):
        file = tmp_path / "disk" / str(row["wav"])
        file.parent.mkdir(parents=True, exist_ok=True)
        write_wav(file, voice(7))
    assert audit_split(home).clean
    assert "content" in keys(audit_split(home, media=tmp_path / "disk").leaks)


# ---- what cannot be read


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p, "no such file or folder"),
        (lambda p: made.write_csv(p, [{"file": "a.wav", "label": "joy"}]), "no column split"),
        (lambda p: made.write_csv(p, [{"file": "a.wav", "split": "train"}]), "only a train part"),
        (lambda p: made.write_csv(p, [{"file": "a", "split": "train"}, {"file": "b", "split": "later"}]), "row 2"),
        (lambda p: made.table(p, start_s=["soon"] * 24), "row 1: start_s is 'soon'"),
        (lambda p: made.table(p, start_s=[2] * 24, end_s=[1] * 24), "row 1 ends before it starts"),
        (lambda p: (p.write_text(""), p)[1], "is empty"),
        (lambda p: (p.write_text("file,split\n"), p)[1], "no rows"),
        (lambda p: (p.write_text("file,split\na.wav\n"), p)[1], "row 1 has 1 cells"),
        (lambda p: (p.write_text("file,file,split\na,b,test\n"), p)[1], "two columns called 'file'"),
        (lambda p: (p.write_bytes(b"\xff\xfe\x00split"), p)[1], "cannot be read as a table"),
        (lambda p: (p.mkdir(), p)[1], "holds no split"),
        (lambda p: made.write_jsonl(p / "fold_1" / "toy_train_fold_1.jsonl", [{"key": "a"}]).parent, "no EmoBox fold"),
    ],
)  # fmt: skip
def test_what_is_no_split_is_said_in_a_line(
    tmp_path: Path, make: Callable[[Path], Path], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path / "split.csv")
    with pytest.raises(MoodalError, match=says.replace("(", r"\(")) as error:
        audit_split(path)
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)


def test_a_broken_line_of_emobox_is_named(tmp_path: Path) -> None:
    home = made.emobox(tmp_path)
    with (home / "fold_1" / "toy_test_fold_1.jsonl").open("a") as stream:
        stream.write("{broken\n")
    with pytest.raises(InputError, match="line 7 is not JSON"):
        audit_split(home)


# ---- the command


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(build(), ["audit", "split", *args])
    return result.exit_code, result.stdout


def test_exit_codes_and_json(tmp_path: Path) -> None:
    leaky, honest = made.groupby_trial(tmp_path / "a" / "split", CLIPS), made.emobox(tmp_path / "b")
    code, out = run(str(leaky), "--json")
    told = json.loads(out)
    assert code == 3
    assert told["clean"] is False
    assert {"trial", "subject"} <= {f["key"] for f in told["leaks"]}
    assert told["leaks"][0]["rows"][0].keys() == {"file", "row"}
    code, out = run(str(honest), "--json")
    assert (code, json.loads(out)["clean"]) == (0, True)
    code, out = run(str(honest))
    assert code == 0
    assert "no leak found" in out


def test_the_command_fits_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out = run(str(made.groupby_trial(tmp_path / "split", CLIPS)))
    assert code == 3
    assert "LEAK" in out
    assert "train_fold_0.csv row" in out
    # The first line is the path, as long as it is.
    assert max(len(line) for line in out.splitlines()[1:]) <= 80


def test_unreadable_is_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["moodal", "audit", "split", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert len([line for line in capsys.readouterr().err.splitlines() if line.startswith("moodal: ")]) <= 2


def test_an_audit_loads_no_torch(tmp_path: Path) -> None:
    path = made.table(tmp_path / "a.csv")
    code = (
        "import sys; from moodal.cli.app import build; from typer.testing import CliRunner; "
        f"r = CliRunner().invoke(build(), ['audit', 'split', {str(path)!r}]); "
        "print(r.exit_code, [m for m in ('torch', 'sklearn', 'scipy', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "0 []"
