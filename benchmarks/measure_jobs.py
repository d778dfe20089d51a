"""Many recordings, one job and several: makes 100 short clips, then times `moodal analyze` over them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT, SECONDS, DIFFERENT = 100, 2.0, 10


def clips(folder: Path) -> Path:
    """Pieces of the demo recording, 640 × 360 at 30 frames a second with sound, ten of each."""
    import av

    from moodal import weights
    from moodal.media.demo import assemble

    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work:
        whole = Path(work) / "demo.mp4"
        assemble(weights.path("demo-portrait"), weights.path("demo-speech"), whole)
        for index in range(DIFFERENT):
            clip = folder / f"clip{index:03d}.mp4"
            with av.open(str(whole)) as source, av.open(str(clip), "w") as target:
                video = target.add_stream("libx264", rate=30, options={"preset": "veryfast"})
                video.width, video.height, video.pix_fmt = 640, 360, "yuv420p"
                sound = target.add_stream("aac", rate=source.streams.audio[0].rate)
                start = index * SECONDS
                outputs = {"video": video, "audio": sound}
                for packet in source.demux():
                    for frame in packet.decode():
                        if not start <= frame.time < start + SECONDS:
                            continue
                        frame.pts -= round(start / frame.time_base)
                        target.mux(outputs[packet.stream.type].encode(frame))
                for stream in outputs.values():
                    target.mux(stream.encode(None))
            for copy in range(1, COUNT // DIFFERENT):
                shutil.copy(clip, folder / f"clip{index + copy * DIFFERENT:03d}.mp4")
    return folder


def seconds(folder: Path, jobs: int, *, one_core: bool = False) -> float:
    """How long all of them take, from the command's start to its end."""
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "moodal", "analyze", str(folder), "--out", out, "--jobs", str(jobs)]
        if one_core:
            os.sched_setaffinity(0, {min(cores)})
        try:
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            return time.perf_counter() - began
        finally:
            os.sched_setaffinity(0, cores)
