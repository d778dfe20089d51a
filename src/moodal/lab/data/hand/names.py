"""Names and units of every feature, by group; a test holds each group's function to them."""

from __future__ import annotations

from moodal.dsp.egemaps_functionals import FUNCTIONALS

__all__ = ["BANDS", "FIELDS", "STATS"]

#: EEG bands, Hz (half-open).
BANDS: dict[str, tuple[float, float]] = {
    "delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0),
}  # fmt: skip

STATS: tuple[str, ...] = (
    "mean", "sd", "min", "max", "range", "median", "iqr", "p10", "p90", "skew", "kurtosis", "rms", "slope",
    "mean_abs_diff",
)  # fmt: skip

_HEART = {
    "hr_mean": "1/min", "hr_sd": "1/min", "hr_min": "1/min", "hr_max": "1/min", "meannn": "ms", "mediannn": "ms",
    "iqrnn": "ms", "sdnn": "ms", "rmssd": "ms", "pnn20": "%", "pnn50": "%", "cvnn": "1", "cvsd": "1", "sd1": "ms",
    "sd2": "ms", "sd1_sd2": "1", "lf": "ms²", "hf": "ms²", "lf_hf": "1", "hf_share": "1", "sample_entropy": "1",
    "dfa_alpha1": "1", "beats": "1", "normal_share": "1",
}  # fmt: skip

FIELDS: dict[str, dict[str, str]] = {
    "ecg.hrv": _HEART,
    "ppg.hrv": _HEART,
    "ppg.wave": {
        "amplitude_mean": "1", "amplitude_sd": "1", "amplitude_cv": "1", "rise_mean": "s", "rise_sd": "s",
        "width_mean": "s", "match_mean": "1",
    },
    "eda.basic": {
        "mean": "µS", "sd": "µS", "min": "µS", "max": "µS", "range": "µS", "slope": "µS/s", "mean_abs_diff": "µS/s",
        "tonic_mean": "µS", "tonic_sd": "µS", "tonic_slope": "µS/s", "phasic_sd": "µS", "phasic_max": "µS",
        "phasic_area": "µS·s", "scr_count": "1", "scr_rate": "1/min", "scr_amplitude_mean": "µS",
        "scr_amplitude_sum": "µS", "scr_amplitude_max": "µS", "scr_rise_mean": "s", "scr_recovery_mean": "s",
    },
    "resp.basic": {
        "rate_mean": "1/min", "rate_sd": "1/min", "rate_min": "1/min", "rate_max": "1/min", "depth_mean": "1",
        "depth_sd": "1", "depth_cv": "1", "length_rmssd": "s", "inhale_mean": "s", "exhale_mean": "s",
        "inhale_exhale": "1", "regularity": "1", "breaths": "1", "peak_hz": "Hz",
    },
    "temp.basic": {
        "mean": "°C", "sd": "°C", "min": "°C", "max": "°C", "range": "°C", "slope": "°C/s", "first": "°C",
        "change": "°C",
    },
    "emg.basic": {
        "rms": "µV", "mean_abs": "µV", "sd": "µV", "max_abs": "µV", "p90_abs": "µV", "integral": "µV·s",
        "waveform_length": "µV/s", "zero_crossings": "1/s", "mean_hz": "Hz", "median_hz": "Hz", "peak_hz": "Hz",
        "power_low": "1", "power_middle": "1", "power_high": "1", "bursts": "1/min",
    },
    "acc.basic": {
        "mad": "g", "enmo": "g", "norm_mean": "g", "norm_sd": "g", "norm_max": "g", "jerk_mean": "g/s", "x_mean": "g",
        "y_mean": "g", "z_mean": "g", "x_sd": "g", "y_sd": "g", "z_sd": "g", "tilt": "°", "integral": "g·s",
        "peak_hz": "Hz", "entropy": "1",
    },
    "eeg.bands": {
        **{f"{b}_log": "log10 µV²" for b in BANDS}, **{f"{b}_share": "1" for b in BANDS},
        "theta_beta": "1", "theta_alpha": "1", "engagement": "1", "alpha_peak_hz": "Hz", "spectral_entropy": "1",
        "frontal_alpha_asymmetry": "1", "frontal_theta_log": "log10 µV²", "parietal_alpha_log": "log10 µV²",
        "mobility": "1", "complexity": "1",
    },
    "eeg.channels": {f"CHANNEL_{b}_log": "log10 µV²" for b in BANDS},
    "voice.egemaps": dict.fromkeys(FUNCTIONALS, "as openSMILE"),
    "stats": {f"CHANNEL_{s}": "that of the stream" for s in STATS},
    "stream": dict.fromkeys(("CHANNEL", "CHANNEL_mean", "CHANNEL_sd"), "that of the stream"),
}  # fmt: skip
