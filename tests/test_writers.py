"""What moodal writes is what the formats' own libraries read."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from moodal.core.errors import UsageError
from moodal.core.mood import Mood
from moodal.core.scheme import scheme
from moodal.core.track import GAP_REASONS
from moodal.formats import load, save
from moodal.formats.fex import COLUMNS
from moodal.formats.neurokit import HRV, MEASURES, SIGNALS
from moodal.formats.writer import chosen, media_path, stem
from moodal.measure import extractor_specs
from moodal.media.transcript import parse
from moods import make_mood
from writer_moods import HOSTILE, MOODS


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_unknown_formats_are_one_line_that_names_the_known() -> None:
    assert chosen(["eaf,srt", "eaf"]) == ("eaf", "srt")
    assert chosen(None) == ()
    with pytest.raises(UsageError, match=r"--write: unknown format 'praat'.*csv, json, eaf"):
        chosen("eaf,praat")
    with pytest.raises(UsageError, match="--write"):
        chosen(",")


def test_names_of_files_lead_nowhere_else() -> None:
    mood = make_mood()
    names = {n: stem(replace(mood, recording=n)) for n in ("talk.mp4", "../../etc/passwd", "a\\b:c.wav", "..", ".mp4")}
    assert names["talk.mp4"] == "talk"
    assert all("/" not in s and "\\" not in s and s not in ("", ".", "..") for s in names.values())
    assert len(stem(replace(mood, recording="ä" * 300 + ".mp4")).encode()) <= 120


@pytest.mark.parametrize("kind", MOODS)
def test_elan_documents_open_in_pympi(kind: str, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling reads ELAN's files in this test")
    mood = MOODS[kind]()
    mood.write(tmp_path, "eaf")
    document = elan.Eaf(str(tmp_path / f"{stem(mood)}.eaf"))
    labels = set(scheme(mood.scheme).classes)
    for subject in mood.summary()["subjects"]:
        name = subject["id"][:1].upper() + subject["id"][1:]
        told = [(a, b, v) for a, b, v, *_ in document.get_annotation_data_for_tier(f"{name}_emotion")]
        expected = [s for s in subject["segments"] if s["label_set"]]
        assert [v.split("|") for _, _, v in told] == [s["label_set"] for s in expected]
        for (start, end, _), segment in zip(told, expected, strict=True):
            assert abs(start / 1000 - segment["start_s"]) <= 0.001
            assert abs(end / 1000 - segment["end_s"]) <= 0.001
        assert document.get_parameters_for_tier(f"{name}_emotion")["PARTICIPANT"]
        numbers = document.get_annotation_data_for_tier(f"{name}_valence")
        assert len(numbers) == sum(s["valence"]["value"] is not None for s in subject["segments"])
        spoken = " ".join(v for *_, v in document.get_annotation_data_for_tier(f"{name}_words"))
        for word in (w for w in mood.words if w.subject == subject["id"]):
            assert word.text.replace("\x00", "").split()[0][:5] in spoken
        reasons = {v for *_, v in document.get_annotation_data_for_tier(f"{name}_gaps_face")}
        assert reasons <= set(GAP_REASONS)
    for tier in document.get_tier_names():
        rows = sorted(r[:2] for r in document.get_annotation_data_for_tier(tier))
        assert all(a < b for a, b in rows)
        assert all(first[1] <= second[0] for first, second in pairwise(rows)), tier
    if labels:
        entries = document.get_cv_entries(mood.scheme)
        assert {values[0][0] for values, _ in entries.values()} >= labels


def test_elan_links_the_recording_and_the_numbers(tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling reads ELAN's files in this test")
    made = make_mood(persons=1)
    recording = {**made.provenance["recording"], "file": "../my talk.mp4"}
    made = replace(made, provenance={**made.provenance, "recording": recording})
    folder = tmp_path / "out" / "talk.mood"
    folder.mkdir(parents=True)
    save(made, folder)
    mood = load(folder)
    assert media_path(mood, folder / "exports") == "../../my talk.mp4"
    mood.write(folder / "exports", "eaf")
    document = elan.Eaf(str(folder / "exports" / "talk.eaf"))
    [media] = document.media_descriptors
    assert media["RELATIVE_MEDIA_URL"] == "../../my%20talk.mp4"
    assert media["MIME_TYPE"] == "video/mp4"
    [linked] = document.linked_file_descriptors
    rows = table(folder / "exports" / linked["RELATIVE_LINK_URL"])
    assert [float(r["P1_valence"]) if r["P1_valence"] else None for r in rows] == [
        None if np.isnan(v) else pytest.approx(v, rel=1e-6) for v in mood["p1"].valence[:, 0]
    ]


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
@pytest.mark.parametrize("kind", MOODS)
def test_subtitles_come_back_through_our_reader(kind: str, suffix: str, tmp_path: Path) -> None:
    mood = MOODS[kind]()
    mood.write(tmp_path, suffix)
    if "-->" not in (tmp_path / f"{stem(mood)}.{suffix}").read_text():
        assert not mood.words
        return
    cues, _, warnings = parse(tmp_path / f"{stem(mood)}.{suffix}")
    assert warnings == []
    text = " ".join(c.text for c in cues)
    for word in mood.words:
        assert word.text.split()[0].split("<")[0] in text
    told = {label for s in mood.summary()["subjects"] for g in s["segments"] for label in g["label_set"]}
    if any(
        len(g["label_set"]) == 1 and g["end_s"] - g["start_s"] > 2
        for s in mood.summary()["subjects"]
        for g in s["segments"]
    ):
        assert any(f"[{label}" in text for label in told)


def test_webvtt_in_its_own_library(tmp_path: Path) -> None:
    webvtt = pytest.importorskip("webvtt", reason="webvtt-py reads WebVTT in this test")
    for kind in MOODS:
        mood = MOODS[kind]()
        mood.write(tmp_path, "vtt")
        captions = list(webvtt.read(str(tmp_path / f"{stem(mood)}.vtt")))
        if mood.words:
            assert captions
            assert all(c.text.strip() for c in captions)
    mood = make_mood(persons=1, sentences=("we laughed",))
    mood.write(tmp_path, "vtt")
    spoken = next(c for c in webvtt.read(str(tmp_path / "talk.vtt")) if "laughed" in c.text)
    assert spoken.voice == "Person 1"
    assert spoken.start_in_seconds == pytest.approx(mood.words[0].start, abs=1)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    mood = MOODS["hostile"]()
    mood.write(tmp_path, "srt", "vtt", "csv", "json")
    srt = (tmp_path / f"{stem(mood)}.srt").read_text()
    stamps = [line for line in srt.splitlines() if "-->" in line]
    assert all(line[0].isdigit() and line.count("-->") == 1 for line in stamps)
    assert "<i>" not in srt
    assert "{\\an8}" not in srt
    vtt = (tmp_path / f"{stem(mood)}.vtt").read_text()
    assert "&lt;i&gt;tag" in vtt
    assert "--> <i>tag" not in vtt
    words = table(tmp_path / f"{stem(mood)}-csv" / "words.csv")
    assert words[1]["text"].startswith("'=cmd")
    assert words[0]["text"] == "plain"
    content = json.loads((tmp_path / f"{stem(mood)}.json").read_text())
    assert content["words"]["text"][1].startswith("=cmd|' /C calc'!A0 --> <i>tag</i>\r\n\r\n{\\an8}")


def test_json_holds_the_whole_grid(tmp_path: Path) -> None:
    mood = make_mood(schemes=("sentiment3", "ekman8"))
    mood.write(tmp_path, "json")
    content = json.loads((tmp_path / "talk.json").read_text())
    assert content["summary"] == mood.summary()
    for name, values in mood.columns().items():
        stored = content["grid"][name]
        if values.dtype.kind == "f":
            assert np.allclose(np.array(stored, float), values, atol=1e-6, equal_nan=True), name
        else:
            assert stored == values.tolist()


def test_csv_tables_are_the_parquet_ones(tmp_path: Path) -> None:
    mood = make_mood()
    mood.write(tmp_path, "csv")
    home = tmp_path / "talk-csv"
    assert {p.name for p in home.iterdir()} == {"mood.csv", "words.csv", "gaps.csv", "face.quality.csv"}
    rows = table(home / "mood.csv")
    assert list(rows[0]) == list(mood.columns())
    assert len(rows) == 2 * len(mood.times)
    assert [(g.modality, pytest.approx(g.start)) for g in mood.gaps] == [
        (r["modality"], float(r["start_s"])) for r in table(home / "gaps.csv")
    ]


def test_fex_is_a_row_a_face_and_frame_and_a_frame_without_a_face_has_an_empty_box(tmp_path: Path) -> None:
    mood = MOODS["faces"]()
    assert mood.write(tmp_path, "fex") == []
    rows = table(tmp_path / "talk.fex.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [int(r["frame"]) for r in rows] == list(range(100))
    empty = [int(r["frame"]) for r in rows if not r["FaceRectX"]]
    assert empty == list(range(25, 38))
    assert all(rows[i]["anger"] == "" and rows[i]["Identity"] == "" for i in empty)
    row = rows[50]
    box = [float(row[n]) for n in ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")]
    assert box == [0.25 * 640, 0.5 * 360, 0.125 * 640, 0.25 * 360]
    assert float(row["FaceScore"]) == pytest.approx(1)
    assert float(row["AU01"]) == pytest.approx(0.3)
    assert row["AU06"] == row["x_0"] == row["X"] == ""
    assert "AU16" not in row
    assert (row["Pitch"], row["Roll"], row["Yaw"]) == ("5", "-3", "10")
    assert float(row["gaze_yaw"]) == pytest.approx(np.pi / 2)
    assert float(row["gaze_angle"]) == pytest.approx(np.pi / 2)
    # Contempt is no class of py-feat's: the rest is not blown up to sum to 1.
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert sum(float(row[n]) for n in names) == pytest.approx(7 / 8)
    assert rows[2]["anger"] == ""


def test_fex_of_a_thinned_or_bounded_analysis_knows_what_was_looked_at(tmp_path: Path) -> None:
    mood = MOODS["faces"]()
    quality = replace(mood.tracks["face.quality"]["p1"])
    few = quality.times[5::5][:3]
    track = replace(quality, times=few, values=quality.values[:3], quality=quality.quality[:3])
    tracks = {"face.quality": replace(mood.tracks["face.quality"], by_subject={"p1": track})}
    settings = {"fps": 5, "start_s": 0.2, "end_s": 2.0}
    mood = replace(mood, tracks=tracks, provenance={**mood.provenance, "settings": settings})
    mood.write(tmp_path, "fex")
    rows = table(tmp_path / "talk.fex.csv")
    assert [int(r["frame"]) for r in rows] == [5, 10, 15, 20, 25, 30, 35, 40, 45]
    assert [bool(r["FaceRectX"]) for r in rows] == [True] * 3 + [False] * 6


def test_neurokit_columns_and_no_number_in_a_gap(tmp_path: Path) -> None:
    mood = MOODS["body"]()
    assert mood.write(tmp_path, "neurokit") == []
    home = tmp_path / "walk-neurokit"
    assert {p.name for p in home.iterdir()} == {"hrv.csv", "ppg.csv", "eda.csv"}
    for name, contract in (
        ("ppg", "PPG_Raw PPG_Clean PPG_Rate PPG_Quality PPG_Peaks"),
        (
            "eda",
            "EDA_Raw EDA_Clean EDA_Tonic EDA_Phasic SCR_Onsets SCR_Peaks SCR_Height SCR_Amplitude SCR_RiseTime "
            "SCR_Recovery SCR_RecoveryTime",
        ),
    ):
        rows = table(home / f"{name}.csv")
        assert list(rows[0]) == ["time_s", "subject", *contract.split()]
    ppg = table(home / "ppg.csv")
    assert len(ppg) == 20 * 64
    told = [float(r["time_s"]) for r in ppg if r["PPG_Rate"]]
    assert not [t for t in told if 8 <= t < 12]
    assert {r["PPG_Rate"] for r in ppg} == {"75", ""}
    beats = np.union1d(mood.tracks["body.beats"].times, mood.tracks["body.beats"].only.ends)
    beats = beats[np.concatenate([[True], np.diff(beats) > 0.01])]
    assert [float(r["time_s"]) for r in ppg if r["PPG_Peaks"] == "1"] == pytest.approx(beats, abs=1 / 128)
    eda = table(home / "eda.csv")
    assert [r["time_s"] for r in eda if r["SCR_Onsets"] == "1"] == ["4.0", "8.0"]
    assert [(r["time_s"], r["SCR_Amplitude"]) for r in eda if r["SCR_Amplitude"]] == [("5.0", "0.2"), ("9.0", "0.3")]
    assert [r["time_s"] for r in eda if r["SCR_Recovery"] == "1"] == ["11.0"]
    assert [r["SCR_RecoveryTime"] for r in eda if r["SCR_Peaks"] == "1"] == ["", "2"]
    assert {(r["EDA_Raw"], r["EDA_Clean"]) for r in eda} == {("2.1", "")}
    assert {(r["PPG_Raw"], bool(r["PPG_Clean"])) for r in ppg} == {("", True)}
    assert list(table(home / "hrv.csv")[0]) == ["time_s", "subject", "hr", "HRV_RMSSD"]
    assert make_mood().write(tmp_path / "none", "neurokit")[0].startswith("talk.mp4: --write neurokit: no body signal")


def test_neurokit_names_are_those_of_the_contract() -> None:
    names = {c for s in SIGNALS.values() for c in s.columns} | set(HRV.values())
    assert {"HRV_RMSSD", "HRV_SDNN", "HRV_MeanNN", "HRV_pNN50", "HRV_LF", "HRV_HF", "HRV_LFHF"} <= names
    specs = {t.name: t.columns for e in extractor_specs().values() for t in e.tracks}
    for signal in SIGNALS.values():
        assert set(signal.fields) <= set(signal.columns)
        assert set(signal.fields.values()) <= set(specs[signal.track])
        assert set(signal.at_peaks.values()) <= set(specs["body.scr"])
    assert {f for name in MEASURES.values() for f in specs[name]} <= {"hr", *HRV}
    assert all(n.split("_")[0] in ("PPG", "ECG", "EDA", "SCR", "RSP", "EMG", "HRV") for n in names)


def test_neurokit_names_are_those_that_neurokit2_writes() -> None:
    nk = pytest.importorskip("neurokit2", reason="neurokit2 names its columns in this test")
    rate = 100
    made = {
        "ppg": nk.ppg_process(nk.ppg_simulate(30, sampling_rate=rate), rate)[0],
        "ecg": nk.ecg_process(nk.ecg_simulate(30, sampling_rate=rate, method="simple"), rate)[0],
        "eda": nk.eda_process(nk.eda_simulate(30, sampling_rate=rate, scr_number=3), rate)[0],
        "rsp": nk.rsp_process(nk.rsp_simulate(30, sampling_rate=rate, method="sinusoidal"), rate)[0],
        "emg": nk.emg_process(nk.emg_simulate(30, sampling_rate=1000, burst_number=2), 1000)[0],
    }
    for name, signal in SIGNALS.items():
        assert set(signal.columns) <= set(made[name].columns), name
    beats = np.cumsum(0.8 + 0.05 * np.sin(np.arange(500) / 3))
    measures = nk.hrv(nk.intervals_to_peaks(1000 * np.diff(beats), sampling_rate=1000), sampling_rate=1000)
    assert set(HRV.values()) <= set(measures.columns)


@pytest.mark.parametrize("kind", MOODS)
def test_audformat_opens_what_we_write(kind: str, tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat", reason="audformat reads its databases in this test")
    mood = MOODS[kind]()
    mood.write(tmp_path, "audformat")
    database = audformat.Database.load(str(tmp_path / f"{stem(mood)}-audformat"), num_workers=1)
    for subject in mood.summary()["subjects"]:
        frame = database[f"emotion.{subject['id']}"].get()
        segments = subject["segments"]
        assert len(frame) == len(segments)
        starts = frame.index.get_level_values("start").total_seconds()
        assert starts.tolist() == pytest.approx([s["start_s"] for s in segments], abs=1e-6)
        values = [np.nan if s["valence"]["value"] is None else s["valence"]["value"] for s in segments]
        assert np.allclose(frame["valence"].to_numpy(float), values, equal_nan=True, atol=1e-6)
        single = [s["label_set"][0] if len(s["label_set"]) == 1 else None for s in segments]
        assert [
            None if gone else str(v) for v, gone in zip(frame["emotion"], frame["emotion"].isna(), strict=True)
        ] == single
        assert set(frame["speaker"]) <= {subject["id"]}
    if mood.words:
        spoken = database["words"].get()
        assert len(" ".join(spoken["transcription"]).split()) == len(" ".join(w.text for w in mood.words).split())
    for name, column in ((t, c) for t in database.tables for c in database[t].columns):
        assert database[name][column].rater_id == "moodal"


def test_saved_moods_write_the_same(tmp_path: Path) -> None:
    mood = make_mood()
    save(mood, tmp_path)
    again: Mood = load(tmp_path)
    for name in ("json", "srt", "vtt"):
        mood.write(tmp_path / "a", name)
        again.write(tmp_path / "b", name)
        assert (tmp_path / "a" / f"talk.{name}").read_bytes() == (tmp_path / "b" / f"talk.{name}").read_bytes()
    assert HOSTILE
