"""Still pictures: by definition 1 s at 1 Hz, upright by their own orientation mark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import Span
from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import Chunk, PictureChunk, Stream

from .reader import ReaderSpec, sha256_of

__all__ = ["LONGEST", "SPEC"]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
#: A still is worth more pixels than a frame of a video, but no camera's full size is needed for a face.
LONGEST = 2560
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"MM\x00*")


def sniff(path: Path, head: bytes) -> bool:
    """By the first bytes; a WebP hides in a RIFF."""
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def read(path: Path) -> Recording:
    """The picture as a recording of 1 s.

    Raises
    ------
    InputError : not a picture, or damaged.
    """
    frame, width, height = _load(path)
    stream = Stream(
        "picture", "picture", 1.0, 0.0, 1.0, {"width": width, "height": height, "codec": path.suffix[1:].lower()}
    )

    def chunks(span: Span) -> Iterator[Chunk]:
        if 0.0 in span:
            yield PictureChunk("picture", np.array([0.0]), np.array([1.0]), [frame], width / frame.shape[1])

    return Recording(path, path.name, 1.0, (stream,), {"picture": chunks}, sha256_of(path), still=True)


def _load(path: Path) -> tuple[npt.NDArray[np.uint8], int, int]:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"is not a readable picture ({error})", where=str(path), fix="Open and save it again."
        ) from error
    width, height = upright.size
    if max(width, height) > LONGEST:
        upright.thumbnail((LONGEST, LONGEST))
    return np.asarray(upright), width, height


def generate(path: Path, seed: int) -> dict[str, Any]:
    """A picture of noise blocks, stored without loss."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    pixels = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
    Image.fromarray(pixels).save(path, "PNG")
    return {"suffix": ".png", "picture": [pixels], "times": [0.0], "duration_s": 1.0, "tolerance": 0}


SPEC = ReaderSpec("still", EXTENSIONS, "still pictures (JPEG, PNG, WebP, BMP, TIFF)", sniff, read, generate)
