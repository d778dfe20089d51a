"""Windows lie on the axis of time, phases are called what their files are called, and each file is read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab.data.raw import Phase, Raw, Signal
from moodal.lab.pipeline import Node, Pipeline
from moodal.lab.pipeline.acquire import acquire, matched
from moodal.lab.pipeline.windows import Windows, plan, starts
from pipelines import write_folder


def raw(*rates: float, seconds: float = 600.0, phases: tuple[Phase, ...] = ()) -> Raw:
    signals = {
        f"x{k}": Signal(f"x{k}", "eda", np.arange(round(seconds * r))[:, None] / r, r) for k, r in enumerate(rates)
    }
    return Raw("r", "s", signals, phases, 0.0, seconds)


def windows(*raws: Raw, **settings: object) -> Windows:
    return plan(Node("window", "window", "sliding", (), settings), raws)


def spans(found: Windows) -> list[tuple[float, float]]:
    return [(w.start_s, w.end_s) for w in found.rows]


def test_thirteen_windows_and_the_same_for_two_rates() -> None:
    one = windows(raw(700.0), seconds=60, hop=45)
    assert len(one) == 13
    assert all(b - a == 60 for a, b in spans(one))
    assert spans(windows(raw(700.0, 4.0), seconds=60, hop=45)) == spans(one)
    both = windows(raw(700.0, 4.0), seconds=60, hop=45).rows[7]
    a, b = both.signal("", "x0"), both.signal("", "x1")
    assert a is not None
    assert b is not None
    assert (len(a.values), len(b.values)) == (42_000, 240)
    assert a.values[0, 0] == pytest.approx(b.values[0, 0]) == both.start_s


def test_overlap_is_a_share_and_hop_is_seconds() -> None:
    whole = raw(4.0, seconds=300.0)
    assert spans(windows(whole, seconds=60, overlap=0.25)) == spans(windows(whole, seconds=60, hop=45))
    assert spans(windows(whole, seconds=60)) == [(60.0 * k, 60.0 * (k + 1)) for k in range(5)]


def test_starts_do_not_drift() -> None:
    found = starts(0.0, 24 * 3600.0, 60.0, 0.1)
    assert found[-1] == pytest.approx(24 * 3600.0 - 60.0, abs=1e-6)
    assert len(found) == round((24 * 3600 - 60) / 0.1) + 1


def test_windows_stay_inside_their_phase() -> None:
    phases = (Phase("a", 10.0, 75.0), Phase("b", 80.0, 100.0), Phase("a", 100.0, 160.0))
    found = windows(raw(4.0, phases=phases), seconds=60, hop=5)
    assert [(w.phase, w.place, w.start_s) for w in found.rows] == [("a", 0, 10.0), ("a", 0, 15.0), ("a", 2, 100.0)]
    assert len(windows(raw(4.0, phases=phases), seconds=60, within="recording")) == 10


def test_too_long_a_window_says_how_long_the_longest_stretch_is() -> None:
    with pytest.raises(InputError, match=r"longest lasts 20\.0 s"):
        windows(raw(4.0, seconds=20.0), seconds=60)


def test_streams_that_begin_late_are_cut_by_their_own_clock() -> None:
    late = Signal("x", "eda", np.arange(40)[:, None] / 4.0 + 2.5, 4.0, 2.5)
    part = late.cut(4.0, 6.0)
    assert part.values[:, 0].tolist() == [4.0 + k / 4 for k in range(8)]
    assert late.cut(0.0, 4.0).coverage(4.0) == pytest.approx(6 / 16)


def test_irregular_times_are_cut_by_time() -> None:
    times = np.array([0.0, 0.5, 1.7, 2.0, 3.9])
    s = Signal("ibi", "ibi", times[:, None], None, 0.0, times)
    assert s.cut(0.5, 2.0).values[:, 0].tolist() == [0.5, 1.7]


# ---- folders


def test_phase_names_are_exact_and_each_file_is_read_once(tmp_path: Path) -> None:
    folder = tmp_path / "my_data of_2024"
    names = write_folder(folder, phases=("Base", "Base_2", "my task"))
    node = Node("a", "acquire", "folder")
    found = list(acquire(node, folder))
    assert sorted({p.name for r in found for p in r.phases}) == ["Base", "Base_2", "my task"]
    assert [(r.subject, r.phases[0].name) for r in found] == [
        (n, p) for n in names for p in ("Base", "Base_2", "my task")
    ]
    files = [p for p, _ in matched(folder, "{subject}/{subject}_{phase}_{signal}")]
    assert len(files) == len(set(files)) == 18
    assert all(set(r.signals) == {"ecg", "eda"} for r in found)


def test_files_of_one_phase_share_a_clock(tmp_path: Path) -> None:
    write_folder(tmp_path)
    first = next(acquire(Node("a", "acquire", "folder"), tmp_path))
    assert first.signals["ecg"].start_s == pytest.approx(0.0, abs=1e-6)
    assert first.signals["eda"].start_s == pytest.approx(0.5, abs=1e-6)
    assert first.phases == (Phase("Base", 0.0, first.end_s),)


def test_phases_may_stand_in_a_table(tmp_path: Path) -> None:
    write_folder(tmp_path, seconds=60.0, phases=("all",))
    (tmp_path / "phases.csv").write_text("subject,phase,start_s,end_s\nS2,calm,0,20\nS2,stress,20,60\n")
    settings = {"files": "{subject}/{subject}_all_{signal}", "phases": "phases.csv"}
    found = {r.subject: r.phases for r in acquire(Node("a", "acquire", "folder", (), settings), tmp_path)}
    assert found["S2"] == (Phase("calm", 0.0, 20.0), Phase("stress", 20.0, 60.0))
    (tmp_path / "phases.csv").write_text("subject,phase,start_s,end_s\nS2,calm,20,10\n")
    with pytest.raises(InputError, match="row 2 is no phase"):
        list(acquire(Node("a", "acquire", "folder", (), settings), tmp_path))


def test_an_empatica_folder_is_one_recording(tmp_path: Path) -> None:
    from moodal.media.e4 import SPEC

    for k in range(2):
        (tmp_path / f"in{k}").mkdir()
        made = next(p for s in range(8) if (p := SPEC.generate(tmp_path / f"in{k}", s).path).is_dir())
        made.rename(tmp_path / f"P{k}-e4")
    settings = {"files": "{subject}-e4"}
    found = list(acquire(Node("a", "acquire", "folder", (), settings), tmp_path))
    assert [r.subject for r in found] == ["P0", "P1"]
    assert all(r.signals for r in found)


def test_faults_of_folders_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        list(acquire(Node("a", "acquire", "folder"), tmp_path / "none"))
    with pytest.raises(InputError, match="holds no file named"):
        list(acquire(Node("a", "acquire", "folder"), tmp_path))
    with pytest.raises(UsageError, match="names no"):
        list(matched(tmp_path, "{phase}"))
    with pytest.raises(UsageError, match="sbject"):
        list(matched(tmp_path, "{sbject}"))
    (tmp_path / "s_a_ECG.csv").write_text("time,ECG\n0,1\n")
    (tmp_path / "s_a_ECG.tsv").write_text("time\tECG\n0\t1\n")
    with pytest.raises(InputError, match="two files are s a ECG"):
        list(acquire(Node("a", "acquire", "folder", (), {"files": "{subject}_{phase}_{signal}"}), tmp_path))


def test_a_data_set_is_cut_by_the_same_windows(tmp_path: Path) -> None:
    from moodal.lab.data.sets import wesad

    wesad.generate(tmp_path, 0)
    p = Pipeline("w").acquire("wesad", device="chest").window(10, hop=5)
    found = list(acquire(p.nodes[0], tmp_path))
    assert {r.subject for r in found} == {"S2", "S10"}
    assert {p.name for r in found for p in r.phases} == {"baseline", "stress", "amusement", "meditation"}
    assert all(n.startswith("chest_") for r in found for n in r.signals)
    cut = plan(p.nodes[1], found)
    assert all(w.end_s - w.start_s == 10 for w in cut.rows)
    with pytest.raises(InputError, match="It has: chest, wrist"):
        list(acquire(Node("a", "acquire", "wesad", (), {"device": "ankle"}), tmp_path))
