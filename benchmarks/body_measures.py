"""Each measure of the body beside NeuroKit2, the device or what was put in: one row a measure, for body_agreement.py.

Real signals where there are some (EEGMAT's ECGs, a bedside record, Stress-Predict's wristbands), else generated ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agreement import Pairs
from moodal.core import registry
from moodal.core.clock import Span
from moodal.core.extractor import MeasureContext
from moodal.core.stream import SignalChunk
from moodal.core.track import Track, TrackSet

Array = npt.NDArray[np.float64]
#: Field of `body.heart`, its name, NeuroKit2's, unit and tolerance.
HEART = (
    ("hr", "heart rate", "", "1/min", 2.0),
    ("meannn", "mean NN", "HRV_MeanNN", "ms", 5.0),
    ("sdnn", "SDNN", "HRV_SDNN", "ms", 5.0),
    ("rmssd", "RMSSD", "HRV_RMSSD", "ms", 5.0),
    ("pnn50", "pNN50", "HRV_pNN50", "%", 5.0),
)
SPECTRUM = (
    ("hf", "HF power", "HRV_HF", "ms²"),
    ("lf", "LF power", "HRV_LF", "ms²"),
    ("lf_hf", "LF/HF", "HRV_LFHF", ""),
)
#: Two beats are the same one within this, s; their points of the wave differ beyond this, s.
SAME_S, POINT_S = 0.06, 0.01
#: Least response, µS: ours, and what NeuroKit2's are cut at.
FLOOR = 0.01


def tracks(name: str, kind: str, x: Array, rate: float) -> dict[str, Track]:
    """What an extractor tells of ``x (n,)`` or ``(n, channels)`` by track."""
    spec = registry.load("extractors", name).SPEC
    extractor = spec.make(MeasureContext(Span(0.0, len(x) / rate), options={"reads": kind}))
    pieces = extractor.push(SignalChunk(kind, np.arange(len(x)) / rate, x.reshape(len(x), -1), rate))
    pieces += extractor.close()
    return {t.name: TrackSet.from_pieces(t, [p for p in pieces if p.track == t.name]).only for t in spec.tracks}


def ecgs(folder: Path) -> Iterator[tuple[Array, float]]:
    """Real ECGs in µV with their rates: EEGMAT (32 people, rest and task), one of them again as recorded, a bedside."""
    import moodal

    store = np.load(folder / "body_eegmat" / "eegmat_shared.npz")
    for name in sorted(n for n in store.files if n.endswith("_ECG")):
        yield store[name].astype(float), 250.0
    files = [folder / "body_eegmat" / f"Subject31_{i}.edf" for i in (1, 2)]
    for path in (*files, folder / "fixtures_signals" / "a103l.hea"):
        recording = moodal.read(path)
        for stream in recording.streams:
            if stream.kind == "ecg":
                whole = np.concatenate([c.samples for c in recording.chunks(stream.name)]).astype(float)
                for channel in whole.T:
                    yield channel, float(stream.rate_hz)


def pulses() -> Iterator[tuple[Array, float]]:
    """Clean pulse waves, generated, with their rates."""
    import neurokit2 as nk

    for seed, heart_rate in enumerate((50, 60, 70, 80, 90, 100, 110, 120)):
        yield nk.ppg_simulate(120, 64, heart_rate=heart_rate, random_state=seed), 64.0


def peaks(x: Array, rate: float, kind: str) -> Array:
    """NeuroKit2's beats, corrected, s."""
    import neurokit2 as nk

    if kind == "ecg":
        found = nk.ecg_peaks(nk.ecg_clean(x, int(rate)), int(rate), correct_artifacts=True)[1]["ECG_R_Peaks"]
    else:
        found = nk.ppg_peaks(nk.ppg_clean(x, int(rate)), int(rate), correct_artifacts=True)[1]["PPG_Peaks"]
    return np.asarray(found, float) / rate


def reason(
    beats: Track, theirs: Array, rate: float, span: tuple[float, float] = (-np.inf, np.inf), least: int = 20
) -> str:
    """Why intervals in a span differ: the first that holds, what weighs most first; the beats are there to see."""
    if beats.ends is None or not len(beats):
        return "too few beats beyond doubt"
    ours = np.unique(np.round(np.append(beats.times, beats.ends), 4))
    ours, theirs = (x[(x >= span[0]) & (x < span[1])] for x in (ours, theirs))
    if len(ours) < least or len(theirs) < least:
        return "too few beats beyond doubt"
    far = np.abs(theirs[:, None] - ours).min(axis=1) > SAME_S
    lost = np.abs(ours[:, None] - theirs).min(axis=1) > SAME_S
    if far.any():
        told = np.zeros(len(theirs), bool)
        for a, b in zip(beats.times, beats.ends, strict=True):
            told |= (theirs > a - SAME_S) & (theirs < b + SAME_S)
        return "the peer's beats lie in our gaps" if (far & ~told).any() else "the peer has beats between ours"
    inside = (beats.times >= span[0]) & (beats.ends < span[1])
    if lost.any() or (beats["corrected"][inside] > 0).any():
        return "beats put in, moved or left out by one of the two"
    offset = theirs[np.abs(theirs[:, None] - ours).argmin(axis=0)] - ours
    if (np.abs(offset - np.median(offset)) > max(POINT_S, 0.75 / rate)).mean() > 0.02:
        return "another point of some beats is taken (in an ECG R or S)"
    return f"the same beats: the peer's lie on samples ({1000 / rate:g} ms), ours between them"


def rhythm(name: str, kind: str, signals: Iterator[tuple[Array, float]]) -> list[Pairs]:
    """Rate and variability in time: rates over each 10 s, the rest over each recording where both have beats."""
    import neurokit2 as nk

    rows = [Pairs(what, name, "NeuroKit2", within, unit) for _, what, _, unit, within in HEART]
    shared = Pairs("RMSSD", f"{name}, beats that both find", "NeuroKit2", 2.0, "ms")
    for x, rate in signals:
        found = tracks("heart", kind, x, rate)
        heart, beats = found["body.heart"], found["body.beats"]
        theirs = peaks(x, rate, kind)
        length = len(x) / rate
        hr = heart["hr"] if len(heart) else np.zeros(0)
        why = reason(beats, theirs, rate)
        for low in np.arange(0, length - 10, 10):
            mine = (heart.times >= low) & (heart.times < low + 10)
            told = hr[mine].mean() if mine.sum() >= 5 else np.nan
            # The peer's over the same seconds as ours, each from the beats of the 10 s around it.
            at = heart.times[mine] + 0.5 if mine.any() else np.arange(low, low + 10) + 0.5
            edges = [np.clip(at + s, theirs[0], theirs[-1]) for s in (-5, 5)] if len(theirs) > 2 else [at, at]
            beaten = np.diff([np.interp(e, theirs, np.arange(len(theirs))) for e in edges], axis=0)[0]
            seconds = edges[1] - edges[0]
            peer = float((60 * beaten / seconds).mean()) if (seconds > 1).all() else np.nan
            local = (
                reason(beats, theirs, rate, (low - 5, low + 15), 5) if np.isfinite(told) else gap(heart, low, low + 10)
            )
            rows[0].add(told, peer, local)
        last = float(heart.times[-1]) + 1 if len(heart) else 0.0
        # The peer makes up beats after the last one: the two are asked of the same stretch.
        same = theirs[(theirs >= beats.times[0] - SAME_S) & (theirs <= last)] if len(beats) else theirs[:0]
        values = nk.hrv_time(np.round(1000 * same).astype(int), 1000) if len(same) > 10 else None
        for row, (field, _, column, _, _) in zip(rows[1:], HEART[1:], strict=True):
            peer = float(values[column].iloc[0]) if values is not None else np.nan
            mine = heart[field][-1] if len(heart) else np.nan
            row.add(mine, peer, why if np.isfinite(mine) else "too few seconds beyond doubt")
        both = common(beats, theirs)
        shared.add(
            *both, f"another point of some beats, or samples of {1000 / rate:.3g} ms" if np.isfinite(both[0]) else why
        )
    return [*rows, shared]


def common(beats: Track, theirs: Array) -> tuple[float, float]:
    """RMSSD in ms, ours and theirs, of the intervals whose beats both find, none of them put in."""
    if beats.ends is None or len(beats) < 20 or len(theirs) < 20:
        return np.nan, np.nan
    starts, ends = (theirs[np.abs(theirs[:, None] - t).argmin(axis=0)] for t in (beats.times, beats.ends))
    same = (np.abs(starts - beats.times) < SAME_S) & (np.abs(ends - beats.ends) < SAME_S) & (beats["corrected"] == 0)
    pair = same[1:] & same[:-1] & (beats.times[1:] == beats.ends[:-1])
    if pair.sum() <= 15:
        return np.nan, np.nan
    mine, peer = (1000 * np.sqrt(np.mean(np.diff(i)[pair] ** 2)) for i in (beats.ends - beats.times, ends - starts))
    return float(mine), float(peer)


def gap(track: Track, start: float, end: float) -> str:
    """The reason of most of a stretch."""
    spent: dict[str, float] = {}
    for g in track.gaps:
        shared = min(g.end, end) - max(g.start, start)
        if shared > 0:
            spent[g.reason] = spent.get(g.reason, 0.0) + shared
    return f"we tell nothing: `{max(spent, key=lambda r: spent[r])}`" if spent else "under 5 s told"


def swaying_ecg(seconds: int, rate: float, seed: int) -> Array:
    """An ECG in µV whose intervals sway at 0.1 and 0.25 Hz, each by 5 to 40 ms, and by 5 ms by chance."""
    rng = np.random.default_rng(seed)
    slow, fast = rng.uniform(0.005, 0.04, 2)
    beats = [0.5]
    while beats[-1] < seconds:
        t = beats[-1]
        sway = slow * np.sin(2 * np.pi * 0.1 * t) + fast * np.sin(2 * np.pi * 0.25 * t)
        beats.append(t + 0.85 + sway + 0.005 * rng.standard_normal())
    t = np.arange(round(seconds * rate)) / rate
    x = 10 * rng.standard_normal(len(t))
    for size, late, width in ((90, -0.17, 0.025), (-110, -0.026, 0.011), (1100, 0.0, 0.011), (250, 0.24, 0.05)):
        for beat in beats:
            low, high = np.searchsorted(t, (beat + late - 5 * width, beat + late + 5 * width))
            x[low:high] += size * np.exp(-0.5 * ((t[low:high] - beat - late) / width) ** 2)
    return x


def spectrum(folder: Path) -> list[Pairs]:
    """Powers over 300 s: generated ECGs of known rhythm and the bedside record, which alone is that long."""
    import neurokit2 as nk

    name = "ECGs of 5 min (8 generated, 2 leads of a bedside)"
    rows = [Pairs(f"ln {w}", name, "NeuroKit2", 0.5) for _, w, _, _ in SPECTRUM]
    real = [(x, rate) for x, rate in ecgs(folder) if len(x) / rate > 300]
    made = [(swaying_ecg(310, 250.0, seed), 250.0) for seed in range(8)]
    for x, rate in (*made, *real):
        found = tracks("heart", "ecg", x, rate)
        heart, beats = found["body.heart"], found["body.beats"]
        at = np.flatnonzero(np.isfinite(heart["lf_hf"])) if len(heart) else np.zeros(0, int)
        if not len(at):
            for row in rows:
                row.add(np.nan, np.nan)
            continue
        end = float(heart.times[at[-1]]) + 1
        own = peaks(x, rate, "ecg")
        own = own[(own > end - 300) & (own <= end)]
        peer = nk.hrv_frequency(
            np.round(1000 * own).astype(int), 1000, psd_method="welch", interpolation_rate=4, normalize=False
        )
        why = reason(beats, own, rate)
        if why.startswith("the same"):
            why = "the same beats: the peer's estimate is the mean over shorter segments (Welch)"
        for row, (field, _, column, _) in zip(rows, SPECTRUM, strict=True):
            row.add(np.log(heart[field][at[-1]]), np.log(float(peer[column].iloc[0])), why)
    return rows


def skin(name: str, recordings: Iterator[tuple[Array, float]]) -> list[Pairs]:
    """Responses in each 5 minutes, their amplitudes one by one, and the level of each minute."""
    import neurokit2 as nk

    from moodal.dsp.eda import smoothed

    count = Pairs("skin responses in 5 min", name, "NeuroKit2, floor 0.01 µS in phasic part and trace", 3.0)
    size = Pairs("amplitude of a response", name, "NeuroKit2, same peak to 1 s", 0.02, "µS")
    level = Pairs("tonic skin conductance", name, "NeuroKit2", 0.02, "µS")
    for x, rate in recordings:
        found = tracks("skin", "eda", x, rate)
        eda, scr = found["body.eda"], found["body.scr"]
        signals = nk.eda_phasic(nk.eda_clean(x, int(rate)), int(rate))
        phasic, tonic = signals["EDA_Phasic"].to_numpy(), signals["EDA_Tonic"].to_numpy()
        info = nk.eda_peaks(phasic, int(rate), amplitude_min=1e-6)[1]
        amplitude, onset, at = (np.asarray(info[f"SCR_{n}"], float) for n in ("Amplitude", "Onsets", "Peaks"))
        # A response counts only where the conductance itself rises: the peer has no such rule, and its filter rings.
        trace, known = smoothed(x, rate), np.isfinite(onset)
        rises = np.zeros(len(at), bool)
        rises[known] = trace[at[known].astype(int)] - trace[onset[known].astype(int)] >= FLOOR
        kept = (amplitude >= FLOOR) & rises
        amplitude, onset, at = amplitude[kept], onset[kept] / rate, at[kept] / rate
        length = len(x) / rate
        peak, height, ours_tonic = scr["peak"], scr["amplitude"], eda["tonic"]
        for low in np.arange(0, length - 299, 300):
            a, b = ((t >= low) & (t < low + 300) for t in (peak, at))
            lost = sum(max(0.0, min(g.end, low + 300) - max(g.start, low)) for g in eda.gaps)
            mine, theirs = int(a.sum()), int(b.sum())
            why = (
                f"where we tell nothing for a part: {gap(eda, low, low + 300)}"
                if lost > 1
                else small(height[a], amplitude[b])
            )
            count.add(mine if lost < 150 else np.nan, theirs, why)
        if len(at) and len(scr):
            near = np.abs(peak[:, None] - at).argmin(axis=1)
            pair = np.abs(peak - at[near]) <= 1
            for i in np.flatnonzero(pair):
                apart = abs(scr.times[i] - onset[near[i]]) > 1
                early = "onsets over 1 s apart: another trough" if apart else "same onset, another height"
                size.add(height[i], amplitude[near[i]], early)
        for low in np.arange(0, length - 59, 60):
            told = (eda.times >= low) & (eda.times < low + 60)
            mean = ours_tonic[told].mean() if told.sum() > 30 * rate else np.nan
            near_gap = any(g.start < low + 90 and g.end > low - 30 for g in eda.gaps)
            why = "a gap near by, through which the peer filters" if near_gap else "no gap near by"
            if low < 60 or low + 120 > length:
                why = "an edge of the recording, beyond which filters guess"
            level.add(
                mean,
                tonic[int(low * rate) : int((low + 60) * rate)].mean(),
                why if np.isfinite(mean) else gap(eda, low, low + 60),
            )
    return [count, size, level]


def small(ours: Array, theirs: Array) -> str:
    """Which responses one side alone has."""
    near = [int((x < 2 * FLOOR).sum()) for x in (ours, theirs)]
    if abs(near[0] - near[1]) * 2 >= abs(len(ours) - len(theirs)):
        return "responses of under twice the floor, on one side of it in one of the two"
    return "responses on the slope of another, which the peer takes as one"


def breath() -> list[Pairs]:
    import neurokit2 as nk

    rows = [
        Pairs("breathing rate", "breathing, generated", beside, 1.0, "1/min")
        for beside in ("NeuroKit2", "what was put in")
    ]
    for seed, rate in enumerate(range(8, 32, 2)):
        x = nk.rsp_simulate(180, sampling_rate=50, respiratory_rate=rate, noise=0.05, random_state=seed)
        resp = tracks("resp", "resp", x, 50.0)["body.resp"]
        peer = nk.rsp_process(x, 50)[0]["RSP_Rate"].to_numpy()
        for low in range(0, 180, 30):
            told = (resp.times >= low) & (resp.times < low + 30)
            mine = resp["rate"][told].mean() if told.sum() >= 15 else np.nan
            theirs = peer[50 * low : 50 * (low + 30)].mean()
            if not np.isfinite(mine):
                whys = [gap(resp, low, low + 30)] * 2
            else:
                near = [abs(mine - theirs) <= 1, abs(mine - rate) <= 1, abs(theirs - rate) <= 1]
                whys = [
                    "the peer alone is off what was put in" if near[1] else "ours is off what was put in",
                    "the simulated breaths vary: the peer says so too"
                    if near[0]
                    else "ours alone is off"
                    if near[2]
                    else "",
                ]
            rows[0].add(mine, theirs, whys[0])
            rows[1].add(mine, rate, whys[1])
    return rows


def muscle() -> list[Pairs]:
    import neurokit2 as nk

    name = "EMG of bursts, generated"
    rows = [
        Pairs("EMG envelope", name, "what was put in (RMS)", 5.0, "µV"),
        Pairs("EMG envelope", name, "root of NeuroKit2's energy, fitted to ours", 5.0, "µV"),
    ]
    rng = np.random.default_rng(3)
    for _ in range(6):
        size = np.repeat(rng.choice([2.0, 20.0, 60.0, 100.0], 30), 1000)
        # Noise of the muscle's band: 20 to 450 Hz of a 2 kHz-free white noise, made to unit power.
        spectrum = np.fft.rfft(rng.standard_normal(len(size)))
        f = np.fft.rfftfreq(len(size), 1e-3)
        spectrum[(f < 25) | (f > 440)] = 0
        white = np.fft.irfft(spectrum, len(size))
        x = size * white / white.std()
        emg = tracks("emg", "emg", x, 1000.0)["body.emg"]
        # An envelope of Teager and Kaiser's energy: its root goes with the amplitude.
        peer = np.sqrt(np.maximum(nk.emg_amplitude(nk.emg_clean(x, 1000)), 0.0))
        cells = np.round(emg.times * 10).astype(int)
        their = peer[: len(peer) // 100 * 100].reshape(-1, 100).mean(axis=1)[cells]
        # The middle of each burst, away from its edges, which no filter leaves where they were.
        middle = (cells % 10 >= 2) & (cells % 10 < 8)
        second = np.unique(cells[middle] // 10)
        mine, theirs = (
            np.array([v[middle & (cells // 10 == k)].mean() for k in second]) for v in (emg["envelope"], their)
        )
        rows[0].extend(mine, size[1000 * second], ["half a second of noise: its own spread"] * len(second))
        fitted = theirs * (mine * theirs).sum() / np.square(theirs).sum()
        why = "the peer takes what is over 100 Hz alone and weighs fast waves more; half a second has its own spread"
        rows[1].extend(mine, fitted, [why] * len(second))
    return rows


def warmth(recordings: Iterator[tuple[Array, float]]) -> list[Pairs]:
    row = Pairs("skin temperature", "wristbands", "the device's samples, each minute", 0.05, "°C")
    for x, rate in recordings:
        temp = tracks("temp", "temp", x, rate)["body.temp"]
        for low in np.arange(0, len(x) / rate - 59, 60):
            told = (temp.times >= low) & (temp.times < low + 60)
            mine = temp["temp"][told].mean() if told.any() else np.nan
            row.add(mine, x[int(low * rate) : int((low + 60) * rate)].mean(), gap(temp, low, low + 60))
    return [row]
