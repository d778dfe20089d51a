"""Cleaning, spectra and connectivity of EEG held against MNE and SciPy, which others wrote."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import signals
from moodal.dsp.eeg import BANDS, POSITIONS, band_powers, cross_spectra
from moodal.dsp.eeg_clean import bad_channels, blinks, mains, rereferenced, without_blinks
from moodal.dsp.eeg_connect import analytic, connectivity
from moodal.dsp.iir import butterworth, zero_phase
from test_brain import bands
from test_eeg_clean import NAMES, RATE, scalp

mne = pytest.importorskip("mne")
filters = pytest.importorskip("scipy.signal")


def raw_of(x: np.ndarray, names: list[str], rate: float = RATE, kinds: str | list[str] = "eeg"):
    """Theirs of ``x (n, channels)`` µV; they count in V."""
    return mne.io.RawArray(x.T * 1e-6, mne.create_info(names, rate, kinds), verbose="error")


def microvolts(raw) -> np.ndarray:
    return raw.get_data().T * 1e6


# ---- reference, mains -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "theirs"), [("average", "average"), ("mastoids", ["A1", "A2"]), ("Cz", ["Cz"]), ("none", [])]
)
def test_another_reference_is_theirs(to: str, theirs: str | list[str]) -> None:
    x = np.concatenate([scalp(4), 5 * np.random.default_rng(1).standard_normal((512, 2))], axis=1)
    # Of the ears they know no position: they are in no mean.
    names, kinds = [*NAMES, "A1", "A2"], ["eeg"] * 19 + ["misc"] * 2
    raw = raw_of(x, names, kinds=kinds if to == "average" else "eeg")
    raw.info["bads"] = ["F3"] if to == "average" else []
    want = microvolts(raw.set_eeg_reference(theirs, verbose="error"))
    ours = rereferenced(x, names, to, bad=[NAMES.index("F3")] if to == "average" else [])
    same = slice(0, 19) if to == "average" else slice(None)
    # They leave a bad channel as it was recorded.
    kept = [k for k in range(len(names))[same] if not (to == "average" and k == NAMES.index("F3"))]
    assert_allclose(ours[:, kept], want[:, kept], atol=1e-9)


@pytest.mark.parametrize("hum", [50.0, 60.0])
def test_the_mains_are_taken_out_as_theirs_do(hum: float) -> None:
    """Their notch is a long kernel, ours two poles: what is left of the hum and of the rest is the same."""
    clean = scalp(40, rate=250.0)
    t = np.arange(len(clean)) / 250
    x = clean + 40 * np.sin(2 * np.pi * hum * t)[:, None]
    theirs = microvolts(raw_of(x, NAMES, 250.0).notch_filter([hum], verbose="error"))
    ours = zero_phase(x, mains(250.0, hum))
    inner = slice(1000, -1000)
    scale = clean[inner].std()
    assert (ours - clean)[inner].std() < 0.05 * scale
    assert (ours - theirs)[inner].std() < 0.05 * scale
    f, p = filters.welch((ours - theirs)[inner, 0], 250.0, nperseg=1000)
    assert p[(f > 1) & (f < 40)].sum() < 1e-4 * filters.welch(clean[inner, 0], 250.0, nperseg=1000)[1].sum()


# ---- channels that tell nothing -------------------------------------------------------------------------------------


def test_bad_channels_are_those_that_they_find() -> None:
    """Flat ones by their limit on the range, others by local outliers (Kumaravel et al. 2022)."""
    x = scalp(30)
    noise = np.random.default_rng(5).standard_normal((len(x), 3))
    x[:, NAMES.index("F3")] = 7.0
    x[:, NAMES.index("Cz")] += 150 * noise[:, 0]
    x[:, NAMES.index("O2")] = 12 * x[:, NAMES.index("O2")]
    x[:, NAMES.index("T7")] = 80 * zero_phase(noise[:, 1:2], butterworth(2, RATE, 1, 12))[:, 0]
    raw = raw_of(x, NAMES)
    flat = mne.preprocessing.annotate_amplitude(raw, flat={"eeg": 1e-9}, verbose="error")[1]
    assert flat == ["F3"]
    raw.info["bads"] = flat
    raw.filter(1, None, method="iir", verbose="error")
    others = mne.preprocessing.find_bad_channels_lof(raw, n_neighbors=8, threshold=1.5, verbose="error")
    ours = bad_channels(x, RATE)
    assert {NAMES[k] for k in ours} == {*flat, *others} == {"F3", "Cz", "O2", "T7"}
    assert ours[NAMES.index("F3")] == "flat"


# ---- blinks ---------------------------------------------------------------------------------------------------------


def blinking(seed: int, seconds: float = 60.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A clean scalp, the same with blinks, an EOG, and when they are, s."""
    rng = np.random.default_rng(seed)
    x = scalp(seconds, seed)
    t = np.arange(len(x)) / RATE
    moments = np.cumsum(rng.uniform(2.5, 5, 12)) + 1
    moments = moments[moments < seconds - 2]
    wave = sum(rng.uniform(150, 260) * np.exp(-0.5 * ((t - m) / 0.07) ** 2) for m in moments)
    share = np.array([0.9 if n.startswith("Fp") else 0.35 if n.startswith("F") else 0.08 for n in NAMES])
    return x, x + wave[:, None] * share, wave + 3 * rng.standard_normal(len(x)), moments


@pytest.mark.parametrize("seed", range(4))
def test_blinks_are_found_where_they_find_them(seed: int) -> None:
    _, dirty, eog, moments = blinking(seed)
    raw = raw_of(np.column_stack([dirty, eog]), [*NAMES, "EOG"], kinds=["eeg"] * 19 + ["eog"])
    theirs = mne.preprocessing.find_eog_events(raw, ch_name="EOG", thresh=1e-4, verbose="error")[:, 0] / RATE
    for channel in (eog, dirty[:, 0]):
        ours = blinks(channel, RATE).mean(axis=1) / RATE
        assert len(ours) == len(theirs) == len(moments)
        assert np.abs(ours - theirs).max() < 0.05
    told = bands(dirty, RATE, "brain.quality")["body"]
    seconds = {int(m) for m in theirs}
    assert set(np.flatnonzero(told["blink"] == 1)) == seconds


@pytest.mark.parametrize("seed", range(4))
def test_what_blinks_bring_is_taken_off_as_by_their_regression(seed: int) -> None:
    """Theirs takes the EOG off everywhere (Croft and Barry 2000), ours where a blink is: of a blink as little stays."""
    clean, dirty, eog, moments = blinking(seed)
    raw = raw_of(np.column_stack([dirty, eog]), [*NAMES, "EOG"], kinds=["eeg"] * 19 + ["eog"])
    raw.set_eeg_reference([], verbose="error")
    events = mne.preprocessing.find_eog_events(raw, ch_name="EOG", thresh=1e-4, verbose="error")
    epochs = mne.Epochs(raw, events, tmin=-0.3, tmax=0.3, baseline=(None, -0.25), preload=True, verbose="error")
    model = mne.preprocessing.EOGRegression(picks="eeg", picks_artifact="eog").fit(epochs)
    theirs = microvolts(model.apply(raw.copy()))[:, :19]
    ours, found = without_blinks(dirty, eog, RATE)
    assert len(found) == len(moments)
    near = np.abs(np.arange(len(clean))[:, None] / RATE - moments).min(axis=1) < 0.15

    def left(cleaned: np.ndarray) -> float:
        return float(np.sqrt(np.square(cleaned - clean)[near].mean()))

    assert left(ours) < 0.15 * left(dirty)
    assert left(ours) < 1.05 * left(theirs)
    away = np.abs(np.arange(len(clean))[:, None] / RATE - moments).min(axis=1) > 0.6
    assert_allclose(ours[away], dirty[away])
    # How much of the EOG each channel holds is what theirs says.
    d = eog[near] - np.median(eog)
    gain = d @ (dirty - ours)[near] / (d @ d)
    assert_allclose(gain[:2], model.coef_[:2, 0], rtol=0.12)


# ---- spectra, connectivity ------------------------------------------------------------------------------------------


def test_powers_of_the_track_are_those_of_their_spectrum() -> None:
    x = signals.eeg(40, RATE)
    raw = raw_of(x - x.mean(axis=1, keepdims=True), list(POSITIONS))
    spectrum = raw.compute_psd("welch", n_fft=256, n_overlap=128, n_per_seg=256, window="hann", verbose="error")
    density, f = spectrum.get_data().T * 1e12, spectrum.freqs
    power, track = band_powers(x - x.mean(axis=1, keepdims=True), RATE), bands(x, RATE)["body"]
    for k, (name, (low, high)) in enumerate(BANDS.items()):
        want = density[(f >= low) & (f < high)].sum(axis=0) * (f[1] - f[0])
        assert_allclose(power[k], want, rtol=0.02)
        # The track tells each second's; their mean over the recording is the same but for its ends.
        assert_allclose([track[f"{name}_{p}"].mean() for p in POSITIONS], want, rtol=0.12)


def test_cross_spectra_are_theirs() -> None:
    """Multitaper or Fourier, a band's real cross-spectrum: against SciPy's ``csd``, which is Welch's as ours is."""
    x = scalp(30)
    own = cross_spectra(x, RATE, {"alpha": (8.0, 13.0)})[0]
    window = np.hanning(256)
    for i, j in ((0, 1), (2, 17), (9, 9)):
        f, c = filters.csd(x[:, i], x[:, j], RATE, window=window, nperseg=256, noverlap=128)
        assert own[i, j] == pytest.approx(c[(f >= 8) & (f < 13)].real.sum() * (f[1] - f[0]), rel=1e-6)


def test_every_measure_of_connectivity_is_that_of_scipys_parts() -> None:
    rng = np.random.default_rng(3)
    x = scalp(40, 3)[:, [0, 5, 9, 18]] + 4 * rng.standard_normal((round(40 * RATE), 4))
    band = {"alpha": (8.0, 13.0), "beta": (13.0, 30.0)}
    told = {m: connectivity(x, RATE, band, m, 1.0) for m in ("coherence", "imaginary", "plv", "envelope")}
    step = round(RATE)
    for row, (low, high) in enumerate(band.values()):
        # Their analytic signal of what lies in the band; the cut is as sharp as ours.
        lines = np.fft.rfftfreq(len(x), 1 / RATE)
        inside = ((lines >= low) & (lines < high))[:, None]
        narrow = np.fft.irfft(np.fft.rfft(x - x.mean(axis=0), axis=0) * inside, len(x), axis=0)
        z = filters.hilbert(narrow, axis=0)
        assert_allclose(analytic(x, RATE, low, high), z, atol=1e-8)
        phase, size = np.angle(z), np.abs(z)
        for i in range(4):
            for j in range(4):
                f, c = filters.csd(x[:, j], x[:, i], RATE, nperseg=step, noverlap=step // 2)
                p, q = (filters.welch(x[:, k], RATE, nperseg=step, noverlap=step // 2)[1] for k in (i, j))
                coherency = (c / np.sqrt(p * q))[(f >= low) & (f < high)]
                assert told["coherence"][row, i, j] == pytest.approx(np.abs(coherency).mean(), abs=1e-6)
                assert told["imaginary"][row, i, j] == pytest.approx(coherency.imag.mean(), abs=1e-6)
                plv = np.abs(np.exp(1j * (phase[:, i] - phase[:, j])).mean())
                assert told["plv"][row, i, j] == pytest.approx(plv, abs=1e-6)
                assert told["envelope"][row, i, j] == pytest.approx(np.corrcoef(size[:, i], size[:, j])[0, 1], abs=1e-6)
